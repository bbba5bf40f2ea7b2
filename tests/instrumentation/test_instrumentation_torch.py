"""PyTorch itself, on the CPU; what needs a device is in test_instrumentation_device_copies.py."""

from __future__ import annotations

import asyncio
import copy
import gc
import inspect
import io
import pickle
import threading
import weakref

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402  # after the check that it is there
from torch_modules import Gives, Net, X  # noqa: E402
from watched_frameworks import Watched  # noqa: E402

from driftmeter.instrumentation.torch import TorchInstrumentor, watches  # noqa: E402
from driftmeter.recorder import active  # noqa: E402
from driftmeter.schema import Model  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")


@pytest.fixture
def watched(sdk):
    watched = Watched(sdk, TorchInstrumentor)
    yield watched
    watched.stop()


FORMS = {
    "eager": lambda net: net,
    "scripted": torch.jit.script,
    "traced": lambda net: torch.jit.trace(net, X, check_trace=False),
    "compiled": lambda net: torch.compile(net, backend="eager", fullgraph=True),
    "frozen": lambda net: torch.jit.freeze(torch.jit.script(net)),
    "in parallel": nn.DataParallel,
    "a graph": torch.fx.symbolic_trace,
    "exported": lambda net: torch.export.export(net, (X,)).module(),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("watched_first", [False, True], ids=["made before", "made while watched"])
def test_a_call_gives_one_span_its_rows_and_the_same_answer_bit_for_bit(form, watched_first, watched) -> None:
    net = Net().eval()
    made = None if watched_first else FORMS[form](net)
    with torch.no_grad():
        plain = net(X)
    watched()
    made = FORMS[form](net) if made is None else made
    assert watched.spans() == []
    with torch.no_grad():
        answers = [made(X), made(X)]
    assert all(torch.equal(answer, plain) for answer in answers)
    spans = watched.spans()
    assert [span.attributes["ml.batch.size"] for span in spans] == [5, 5]
    assert {span.attributes["ml.model.framework"] for span in spans} == {"torch"}
    if form in ("eager", "scripted", "traced", "compiled", "in parallel"):
        assert {span.name for span in spans} == {"forward Net"}
    assert watched.counts() == dict.fromkeys(("f0", "f1", "f2", "f3", "score.0", "score.1", "score.2"), 10)


def test_compiled_in_place_and_compiled_functions_stay_whole(watched) -> None:
    net = Net().eval()
    watched()
    in_place = copy.deepcopy(net)
    in_place.compile(backend="eager", fullgraph=True)
    assert torch.equal(in_place(X), net(X))
    assert len(watched.spans()) == 2

    @torch.compile(backend="eager", fullgraph=True)
    def serve(x):
        return net(x) + 1

    # A compiled function has no call of a module left in it; that it compiles as one graph is what is promised.
    assert torch.equal(serve(X), net(X) + 1)
    assert len(watched.spans()) == 1
    net.register_forward_hook(lambda module, args, output: output * 2)
    assert torch.equal(serve(X), net(X) + 1)


def test_what_was_compiled_while_watched_runs_on_unwatched(watched) -> None:
    net = Net().eval()
    watched()
    compiled = torch.compile(net, backend="eager", fullgraph=True)
    answer = compiled(X)
    watched.stop()
    watched.spans()
    assert torch.equal(compiled(X), answer)
    assert torch.equal(net(X), answer)
    assert watched.spans() == []


def test_exporting_and_tracing_are_no_calls(watched) -> None:
    net = Net().eval()
    watched()
    torch.export.export(net, (X,))
    torch.jit.trace(net, X, check_trace=False)
    torch.fx.symbolic_trace(net)
    with torch.device("meta"):
        meta = Net().eval()
    assert watched.spans() == []
    assert meta(X.to("meta")).shape == (5, 3)
    assert [span.attributes["ml.batch.size"] for span in watched.spans()] == [5]
    assert watched.counts() == {}


def test_training_is_no_serving(watched) -> None:
    net, frozen = Net(1), Net().eval()
    watched()
    optimiser, loss = torch.optim.SGD(net.parameters()), nn.MSELoss()
    for _ in range(3):
        optimiser.zero_grad()
        loss(net(X), torch.zeros(5, 1)).backward()
        optimiser.step()
    with torch.no_grad():
        net(X)  # statistics of batch normalisation are gathered like this
    frozen(X.clone().requires_grad_())  # a loss by another network's eyes
    frozen(x=X.clone().requires_grad_())

    class Tuned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone, self.top = frozen, nn.Linear(3, 1)

        def forward(self, x):
            return self.top(self.backbone(x))

    tuned = Tuned()
    tuned.backbone.eval()
    tuned(X).sum().backward()
    torch.utils.checkpoint.checkpoint(tuned, X.clone().requires_grad_(), use_reentrant=False).sum().backward()
    assert watched.spans() == []
    assert watched.counts() == {}
    net.eval()(X)  # forgetting torch.no_grad is no reason
    assert len(watched.spans()) == 1


def test_a_declared_module_is_watched_in_training_mode_while_gradients_are_off(watched) -> None:
    net = Net()
    watched()
    assert watches(net)
    registry = active()
    assert registry is not None
    registry.declare(net, Model("delay", "3"))
    net(X)
    assert watched.spans() == []
    with torch.inference_mode():
        net(X)
    (span,) = watched.spans()
    assert span.name == "forward delay"
    assert span.attributes["ml.model.version"] == "3"
    assert not watches(np.zeros(3))


def test_a_name_holds_for_the_compiled_module_too_and_one_of_its_own_wins(watched) -> None:
    net = Net().eval()
    watched()
    registry = active()
    assert registry is not None
    registry.declare(net, Model("inner"))
    compiled, other = (torch.compile(net, backend="eager") for _ in range(2))
    assert watches(other)
    registry.declare(other, Model("outer"))
    compiled(X)
    other(X)
    net(X)
    assert [span.name for span in watched.spans()] == ["forward inner", "forward outer", "forward inner"]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda net: net(X[:, :2]), "RuntimeError"),
        (lambda net: net(), "TypeError"),
        (lambda net: net(X, 1, wrong=2), "TypeError"),
        (lambda net: net("rows"), "TypeError"),
        (lambda net: net(X.long()), "RuntimeError"),
        (lambda net: Gives(lambda: 1 / 0)(), "ZeroDivisionError"),
        (lambda net: Gives(lambda x: next(iter(())))(X), "StopIteration"),
    ],
)
def test_an_exception_is_the_models_own_and_is_on_the_span(call, error, watched) -> None:
    net = Net().eval()
    with pytest.raises(Exception) as plain:  # noqa: PT011  # which one it is, is compared below
        call(net)
    watched()
    with pytest.raises(Exception) as seen:  # noqa: PT011
        call(net)
    assert (type(seen.value), str(seen.value)) == (type(plain.value), str(plain.value))
    (span,) = watched.spans()
    assert span.attributes["error.type"] == error
    assert not span.status.is_ok
    (duration,) = watched.points("ml.prediction.duration")
    assert duration.attributes["error.type"] == error
    assert watched.counts() == {}


def test_pickles_copies_states_and_signatures_are_as_before(watched) -> None:
    net = Net().eval()

    def seen():
        saved = io.BytesIO()
        torch.save(net.state_dict(), saved)
        return (
            pickle.dumps(net),
            saved.getvalue(),
            list(net.state_dict()),
            inspect.signature(nn.Module.__call__),
            nn.Module.__call__.__qualname__,
            nn.Module.__call__.__module__,
            sorted(vars(net)),
            set(vars(nn.Module)),
        )

    before = seen()
    watched()
    net(X)
    assert seen() == before
    for other in (pickle.loads(before[0]), copy.deepcopy(net)):
        assert torch.equal(other(X), net(X))
    assert pickle.loads(pickle.dumps(nn.Module.__call__)) is nn.Module.__call__
    assert torch.equal(pickle.loads(pickle.dumps(net.__call__))(X), net(X))
    assert watched.spans()[-2].name == "forward Net"


def test_uninstrument_puts_every_attribute_back(watched) -> None:
    before = {name: vars(nn.Module)[name] for name in vars(nn.Module)}
    watched()
    assert nn.Module.__call__ is not before["__call__"]
    watched.stop()
    after = {name: vars(nn.Module)[name] for name in vars(nn.Module)}
    assert after.keys() == before.keys()
    assert [name for name in before if after[name] is not before[name]] == []
    watched()
    Net().eval()(X)
    assert len(watched.spans()) == 1


def test_a_function_that_another_has_put_in_place_stays(watched) -> None:
    original = nn.Module.__call__
    watched()
    ours = nn.Module.__call__

    def theirs(self, *args, **kwargs):
        return ours(self, *args, **kwargs)

    nn.Module.__call__ = theirs
    try:
        watched.stop()
        assert nn.Module.__call__ is theirs
        assert torch.equal(Net().eval()(X), Net().eval()(X))
        assert watched.spans() == []
    finally:
        nn.Module.__call__ = original


def test_hooks_of_the_programs_own_see_what_they_saw(watched) -> None:
    net, seen = Net().eval(), []
    handle = net.register_forward_hook(lambda module, args, output: seen.append(output.shape) or output * 2)
    plain = net(X)
    watched()
    assert torch.equal(net(X), plain)
    handle.remove()
    everywhere = nn.modules.module.register_module_forward_pre_hook(lambda module, args: seen.append(type(module)))
    net(X)
    everywhere.remove()
    assert seen == [(5, 3), (5, 3), Net, nn.Sequential, nn.Linear, nn.ReLU, nn.Dropout, nn.Linear]
    assert len(watched.spans()) == 2


def test_threads_and_tasks_keep_their_own_calls(watched) -> None:
    net = Net().eval()
    watched()
    start = threading.Barrier(4)

    def serve(size: int) -> None:
        start.wait(10)
        for _ in range(5):
            net(X[:size])

    threads = [threading.Thread(target=serve, args=(size,)) for size in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    async def task(size: int) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
            net(X[:size])

    async def tasks() -> None:
        await asyncio.gather(*(task(size) for size in range(1, 5)), asyncio.to_thread(net, X))

    asyncio.run(tasks())
    sizes = sorted(span.attributes["ml.batch.size"] for span in watched.spans())
    assert sizes == sorted([1, 2, 3, 4] * 10 + [5])
    assert watched.counts()["f0"] == sum(sizes)


def test_two_modules_never_share_a_sketch_and_one_trained_again_is_the_same(watched) -> None:
    watched()
    for width in (1, 2, 1):
        nn.Sequential(nn.Linear(X.shape[1], width)).eval()(X)
    with_lazy = nn.Sequential(nn.LazyLinear(1)).eval()
    with_lazy(X)
    spans = [span.attributes for span in watched.spans()]
    assert {span["ml.model.name"] for span in spans} == {"Sequential"}
    first, second, third, lazy = (span.get("ml.model.version") for span in spans)
    assert first == third != second
    assert lazy is None


def test_modules_are_let_go(watched) -> None:
    watched()
    references = []
    for _ in range(20):
        net = Net().eval()
        watches(net)
        net(X)
        references.append(weakref.ref(net))
        references.append(weakref.ref(net(X)))
    del net
    gc.collect()
    assert [reference() for reference in references if reference() is not None] == []
    registry = active()
    assert registry is not None
    assert not registry._bound


def test_inside_of_a_transform_values_are_left_alone(watched) -> None:
    net = Net().eval()
    plain = torch.func.vmap(net)(X)
    watched()
    assert torch.equal(torch.func.vmap(net)(X), plain)
    gradient = torch.func.grad(lambda x: net(x).sum())(X)
    assert gradient.shape == X.shape


def test_the_gradient_through_a_watched_call_is_the_same(watched) -> None:
    def gradient():
        net = Net(1).eval()
        net(X).sum().backward()
        return net.head.weight.grad

    plain = gradient()
    watched()
    assert torch.equal(gradient(), plain)


def test_importing_the_instrumentation_does_not_import_the_framework() -> None:
    import subprocess
    import sys

    code = (
        "import driftmeter.instrumentation.torch as watched, sys;"
        "watched.TorchInstrumentor().instrument(skip_dep_check=True);"
        "assert 'torch' not in sys.modules;"
        "from torch import nn;"
        "assert nn.Module.__call__.__closure__, 'not watched once it is imported';"
        "assert 'torch._dynamo' not in sys.modules;"
        "import torch; net = nn.Linear(2, 2).eval(); x = torch.ones(3, 2);"
        # Dynamo, imported only now, takes the watched function for the original one.
        "compiled = torch.compile(net, backend='eager', fullgraph=True);"
        "assert torch.equal(compiled(x), net(x));"
        "serve = torch.compile(lambda x: net(x) + 1, backend='eager', fullgraph=True);"
        "assert torch.equal(serve(x), net(x) + 1)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
