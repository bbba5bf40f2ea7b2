"""Which columns a call of a PyTorch module has."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402  # after the check that it is there
from torch_modules import Gives, Net, X  # noqa: E402
from watched_frameworks import Watched  # noqa: E402

import driftmeter  # noqa: E402
from driftmeter.instrumentation.torch import TorchInstrumentor  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")


@pytest.fixture
def watched(sdk):
    watched = Watched(sdk, TorchInstrumentor)
    yield watched
    watched.stop()


def kinds(watched) -> dict[str, str]:
    """Return by column which metric it came in."""
    return {
        point.attributes["ml.column.name"]: metric.rpartition(".")[2]
        for metric in ("ml.column.value", "ml.column.categories")
        for point in watched.points(metric)
    }


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "int64", "uint8", "bool"])
def test_rows_of_every_type_are_read(dtype, watched) -> None:
    rows = (X > 1).to(getattr(torch, dtype))
    watched()
    Gives(lambda x: x.float().sum(1))(rows)
    assert watched.counts() == dict.fromkeys(("f0", "f1", "f2", "f3", "prediction"), 5)
    points = watched.points("ml.column.value")
    assert {p.attributes["ml.column.name"]: p.sum for p in points}["f0"] == float(rows[:, 0].float().sum())


def test_rows_are_those_that_the_module_was_given_even_where_it_changes_them(watched) -> None:
    watched()
    for _ in range(2):
        Gives(lambda x: x.mul_(0).sum(1))(torch.ones(2, 3))
    points = watched.points("ml.column.value")
    assert {p.attributes["ml.column.name"]: p.sum for p in points}["f0"] == 4.0


@pytest.mark.parametrize(
    ("make", "args", "size", "columns"),
    [
        (lambda x: x.mean((1, 2, 3)), (torch.zeros(5, 3, 8, 8),), 5, {"prediction"}),
        (lambda x: x, (torch.zeros(5, 7, 30),), 5, set()),
        (lambda x: x.new_zeros(5, 30), (X,), 5, {"f0", "f1", "f2", "f3"}),
        (lambda x: x.new_zeros(5, 1), (X,), 5, {"f0", "f1", "f2", "f3", "prediction"}),
        (lambda x: x.argmax(1), (X,), 5, {"f0", "f1", "f2", "f3", "prediction"}),
        (lambda x: (x[:, :2], x), (X,), 5, {"f0", "f1", "f2", "f3", "score.0", "score.1"}),
        (lambda x: {"logits": x[:, :2]}, (X,), 5, {"f0", "f1", "f2", "f3", "score.0", "score.1"}),
        (lambda x: {"boxes": x}, (X,), 5, {"f0", "f1", "f2", "f3"}),
        (lambda x: None, (X,), 5, {"f0", "f1", "f2", "f3"}),
        (lambda xs: xs[0].sum(), ([torch.zeros(3, 8, 8)] * 4,), 4, set()),
        (lambda d: d["a"] + d["b"], ({"a": X[:, 0], "b": X[:, 1]},), 5, {"a", "b", "prediction"}),
        (lambda d: d["a"], ({"a": X[:, 0], "b": X},), 5, {"prediction"}),
        (lambda x: x.to_dense(), (X.to_sparse(),), 5, {"score.0", "score.1", "score.2", "score.3"}),
        (lambda x: x.real.float(), (X.to(torch.complex64),), 5, {"score.0", "score.1", "score.2", "score.3"}),
    ],
)
def test_which_columns_a_call_has(make, args, size, columns, watched) -> None:
    watched()
    Gives(make)(*args)
    (span,) = watched.spans()
    assert span.attributes["ml.batch.size"] == size
    assert set(watched.counts()) == columns


def test_what_has_no_rows_is_watched_without_them(watched) -> None:
    watched()
    assert Gives(lambda *args: 3)() == 3
    assert Gives(lambda x: x)("text") == "text"
    assert Gives(lambda x: x)(torch.tensor(1.0)) == 1
    spans = watched.spans()
    assert len(spans) == 3
    assert not any("ml.batch.size" in span.attributes for span in spans)
    assert watched.counts() == {}


def test_whole_numbers_are_ids_where_the_model_looks_them_up(watched) -> None:
    class Reads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(10, 3)

        def forward(self, ids):
            return self.words(ids).mean(1)

    reads = Reads().eval()
    ids = torch.ones(5, 7, dtype=torch.long)
    watched()
    for form in (reads, torch.jit.script(reads)):
        for _ in range(2):
            form(ids)
        form(ids=ids)
    assert {span.attributes["ml.batch.size"] for span in watched.spans()} == {5}
    assert set(watched.counts()) == {"score.0", "score.1", "score.2"}


def test_classes_are_categories_and_values_are_numbers(watched) -> None:
    watched()
    Gives(lambda x: x.argmax(1))(X)
    assert kinds(watched)["prediction"] == "categories"
    watched.stop()
    watched()
    Gives(lambda x: x.sum(1))(X)
    assert kinds(watched)["prediction"] == "value"


def test_names_come_from_the_models_baseline(watched, tmp_path) -> None:
    rows = {name: X[:, at].numpy() for at, name in enumerate(("temp", "wind", "rain", "hour"))}
    driftmeter.Baseline.from_frame(rows, model="net").save(tmp_path / "b.json")
    watched(baseline=str(tmp_path / "b.json"))
    Net(1).eval()(X)
    (span,) = watched.spans()
    assert span.name == "forward net"
    assert set(watched.counts()) == {"temp", "wind", "rain", "hour", "prediction"}
