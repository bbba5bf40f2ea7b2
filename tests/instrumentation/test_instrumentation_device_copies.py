"""Tensors on a device. There is none here: its streams and events are stood in for, all above them is real."""

from __future__ import annotations

import ast
import inspect
import threading

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from driftmeter.instrumentation import _device_copies, _tensors, _torch_call  # noqa: E402
from driftmeter.instrumentation import torch as watched_torch  # noqa: E402
from driftmeter.instrumentation._device_copies import SLOT_VALUES, SLOTS, DeviceCopies  # noqa: E402
from driftmeter.instrumentation.torch import TorchInstrumentor  # noqa: E402

X = torch.arange(20, dtype=torch.float32).reshape(5, 4)


class Event:
    def __init__(self, device):
        self.device = device

    def record(self, stream):
        self.device.log.append("event")
        self.at = len(self.device.log)

    def query(self):
        return self.device.done >= self.at


class Device:
    """Works in order, as far as the test lets it; copies fill their targets only then."""

    kind = "cpu"

    def __init__(self):
        self.log = []
        self.done = 0
        self.capturing = False
        self.made = 0

    def pinned(self, values):
        self.made += 1
        return Pinned(torch.full((values,), float("nan"), dtype=torch.float64), self)

    def event(self):
        return Event(self)

    def stream(self, tensor):
        return "stream"

    def is_capturing(self):
        return self.capturing

    def work(self, steps=None):
        """Do what is enqueued, or so many steps of it."""
        stop = len(self.log) if steps is None else self.done + steps
        for step in self.log[self.done : stop]:
            if callable(step):
                step()
        self.done = stop


class Pinned:
    """Memory that a copy reaches later; its source is read at once, since nothing changes it before on a stream."""

    def __init__(self, memory, device):
        self.memory, self.device, self.dtype = memory, device, memory.dtype

    def __getitem__(self, at):
        return Pinned(self.memory[at], self.device)

    def view(self, *shape):
        return Pinned(self.memory.view(*shape), self.device)

    def copy_(self, source, *, non_blocking):
        assert non_blocking
        assert source.dtype is self.dtype, "a copy that converts is not asynchronous"
        assert source.is_contiguous()
        target, values = self.memory, source.clone()
        self.device.log.append(lambda: target.copy_(values))

    def numpy(self):
        return self.memory.numpy()


@pytest.fixture
def device(monkeypatch):
    monkeypatch.setattr(_device_copies, "_AGAIN", 3600.0)
    return Device()


@pytest.fixture
def serve(sdk, device, monkeypatch):
    """Call modules whose tensors are on the device."""
    copies = DeviceCopies(device)
    monkeypatch.setattr(watched_torch._Watch, "_device_copies", lambda self: copies)
    # Whoever reads a device's tensor waits for it.
    monkeypatch.setattr(_tensors, "as_array", lambda tensor: None)
    sdk.watch()
    if not TorchInstrumentor().is_instrumented_by_opentelemetry:
        TorchInstrumentor().instrument(
            tracer_provider=sdk.tracer_provider, meter_provider=sdk.meter_provider, skip_dep_check=True
        )
    yield copies
    if TorchInstrumentor().is_instrumented_by_opentelemetry:
        TorchInstrumentor().uninstrument()


def test_rows_are_recorded_once_their_copies_have_arrived(serve, device, sdk) -> None:
    net = nn.Linear(4, 3).eval()
    answer = net(X)
    (span,) = sdk.spans()
    assert span.attributes["ml.batch.size"] == 5
    assert [step if step == "event" else "copy" for step in device.log] == ["copy", "copy", "event"]
    serve.poll()
    assert sdk.counts() == {}
    device.work(2)
    serve.poll()
    assert sdk.counts() == {}, "the copies are there, but the event has not passed"
    device.work()
    serve.poll()
    assert sdk.counts() == dict.fromkeys(("f0", "f1", "f2", "f3", "score.0", "score.1", "score.2"), 5)
    sums = {p.attributes["ml.column.name"]: p.sum for p in sdk.collect(sdk.cumulative)["ml.column.value"]}
    assert sums["f1"] == float(X[:, 1].sum())
    assert sums["score.2"] == pytest.approx(float(answer[:, 2].detach().double().sum()))


def test_the_next_call_finds_what_has_arrived(serve, device, sdk) -> None:
    net = nn.Linear(4, 1).eval()
    net(X)
    device.work()
    net(X)
    assert sdk.counts() == dict.fromkeys(("f0", "f1", "f2", "f3", "prediction"), 5)


def test_so_does_the_timer_when_no_call_comes(serve, device, sdk) -> None:
    nn.Linear(4, 1).eval()(X)
    assert serve._timer is not None
    assert serve._timer.daemon
    first = serve._timer
    serve._tick()
    assert serve._timer is not first, "what has not arrived is looked for again"
    device.work()
    serve._tick()
    assert serve._timer is None
    assert sdk.counts()["prediction"] == 5


def test_buffers_are_few_and_used_again(serve, device, sdk) -> None:
    net = nn.Linear(4, 1).eval()
    for _ in range(SLOTS + 3):
        net(X)
    assert device.made == SLOTS
    assert serve.skipped == 3
    assert len(sdk.spans()) == SLOTS + 3
    device.work()
    net(X)
    assert device.made == SLOTS
    assert sdk.counts()["f0"] == 5 * SLOTS


def test_of_many_rows_every_nth_is_taken_with_its_answer(serve, device, sdk) -> None:
    rows = torch.arange(4.0 * SLOT_VALUES).reshape(-1, 4)
    module = nn.Flatten(0).eval()
    module.forward = lambda x: x[:, 1] * 2
    module(rows)
    device.work()
    serve.poll()
    counts = sdk.counts()
    assert set(counts) == {"f0", "f1", "f2", "f3", "prediction"}
    assert len(set(counts.values())) == 1
    assert SLOT_VALUES // 16 <= counts["f0"] <= SLOT_VALUES // 8
    points = {p.attributes["ml.column.name"]: p for p in sdk.collect(sdk.cumulative)["ml.column.value"]}
    assert points["prediction"].sum == pytest.approx(2 * points["f1"].sum)
    assert points["f0"].max > 0.99 * float(rows[:, 0].max()), "from all of the rows, not from the first"


def test_rows_that_are_too_wide_are_left(serve, device, sdk) -> None:
    nn.Identity().eval()(torch.zeros(2, SLOT_VALUES))
    assert device.log == []
    assert len(serve._free) == 1
    assert [span.attributes["ml.batch.size"] for span in sdk.spans()] == [2]


def test_of_images_and_ids_the_answers_alone_are_copied(serve, device, sdk) -> None:
    nn.Sequential(nn.Flatten(), nn.Linear(12, 2)).eval()(torch.zeros(5, 3, 2, 2))
    device.work()
    serve.poll()
    assert sdk.counts() == {"score.0": 5, "score.1": 5}


def test_a_failed_calls_buffer_is_free_only_when_its_copies_are_done(serve, device, sdk) -> None:
    with pytest.raises(RuntimeError):
        nn.Linear(3, 1).eval()(X)
    serve.poll()
    assert len(serve._free) == 0
    device.work()
    serve.poll()
    assert len(serve._free) == 1
    assert sdk.counts() == {}


def test_nothing_is_enqueued_into_a_graph_that_is_captured(serve, device, sdk) -> None:
    device.capturing = True
    nn.Linear(4, 1).eval()(X)
    assert device.log == []
    assert device.made == 0


def test_threads_share_the_buffers(serve, device, sdk) -> None:
    net = nn.Linear(4, 1).eval()

    def run():
        for _ in range(50):
            net(X)
            device.work()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    device.work()
    serve.poll()
    assert device.made <= SLOTS
    assert len(serve._free) == device.made
    counts = sdk.counts()
    assert counts["f0"] == counts["prediction"] == 5 * (200 - serve.skipped)


MODULES = (_device_copies, _tensors, _torch_call, watched_torch)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_no_line_waits_for_a_device(module) -> None:
    waits = {"cpu", "item", "tolist", "synchronize", "wait", "nonzero", "__array__"}
    used = {node.attr for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Attribute)}
    assert used & waits == set()
    assert "query" in used or module is not _device_copies
