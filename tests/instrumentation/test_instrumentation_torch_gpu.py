"""Which GPU a module ran on. The tensors here are on a CUDA device as far as PyTorch knows, and have no values."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402  # after the check that it is there
from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402
from watched_frameworks import Watched  # noqa: E402

from driftmeter.hardware import _cuda  # noqa: E402
from driftmeter.instrumentation._device_copies import DeviceCopies  # noqa: E402
from driftmeter.instrumentation._device_inside import device_inside  # noqa: E402
from driftmeter.instrumentation._pipelines import PipelineCall  # noqa: E402
from driftmeter.instrumentation._torch_call import TorchCall  # noqa: E402
from driftmeter.instrumentation.torch import TorchInstrumentor  # noqa: E402


@pytest.fixture
def watched(sdk, monkeypatch):
    monkeypatch.setattr(_cuda, "_ids", {0: "GPU-zero", 1: "GPU-one"})
    watched = Watched(sdk, TorchInstrumentor)
    yield watched
    watched.stop()


def test_a_call_on_a_device_says_which_one_and_moves_with_the_input(watched) -> None:
    watched()
    with FakeTensorMode(), torch.no_grad():
        for device in ("cuda:0", "cuda:1", "cpu"):
            nn.Linear(3, 1, device=device).eval()(torch.empty(5, 3, device=device))
    assert [span.attributes.get("hw.id") for span in watched.spans()] == ["GPU-zero", "GPU-one", None]


def test_no_cuda_is_initialised_to_find_that_out(watched) -> None:
    watched()
    with FakeTensorMode(), torch.no_grad():
        nn.Linear(3, 1, device="cuda:0").eval()(torch.empty(5, 3, device="cuda:0"))
    assert not torch.cuda.is_initialized()


class _Device:
    kind = "cuda"

    def is_capturing(self):
        return True


def test_where_the_input_has_no_device_the_module_decides() -> None:
    with FakeTensorMode():
        module = nn.Linear(3, 1, device="cuda:1")
    told = TorchCall(module, DeviceCopies(_Device()))
    told.features(([1.0, 2.0, 3.0],), {})
    assert told.device(module) == 1
    assert TorchCall(module, None).device(module) is None  # CUDA is not in use
    bare = nn.Identity()
    assert TorchCall(bare, DeviceCopies(_Device())).device(bare) is None


def test_within_another_model_a_module_or_pipeline_says_it_too() -> None:
    transformers = pytest.importorskip("transformers")
    with FakeTensorMode():
        assert device_inside(nn.Linear(3, 1, device="cuda:1")) == 1
    assert device_inside(nn.Linear(3, 1)) is None

    class Pipeline(transformers.TextClassificationPipeline):
        def __init__(self) -> None:
            self.device = torch.device("cuda:1")

    assert device_inside(Pipeline()) == 1


@pytest.mark.parametrize(("name", "ordinal"), [("cuda:1", 1), ("cpu", None), ("meta", None)])
def test_of_a_pipeline_the_device_is_that_of_its_inputs(name, ordinal) -> None:
    pipeline = SimpleNamespace(device=torch.device(name))
    assert PipelineCall(pipeline).device(pipeline) == ordinal
