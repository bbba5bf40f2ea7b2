"""A real GPU, for whoever has one: ``pytest -m gpu``. The same promises are kept with a driver that is stood in for."""

from __future__ import annotations

import os
import time

import pytest

from driftmeter import hardware
from driftmeter.hardware import _gpu_metrics

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not _gpu_metrics.has_driver(), reason="needs an NVIDIA GPU and its driver"),
]


@pytest.fixture
def polled(sdk):
    """What one poll tells, and how long it took; skipped where the driver shows no GPU."""
    sdk.watch(gpu_metrics=True)
    poller = _gpu_metrics._poller
    poller.poll()
    began = time.perf_counter()
    poller.poll()
    took = time.perf_counter() - began
    points = sdk.collect(sdk.cumulative)
    if not any(name.startswith("hw.") for name in points):
        pytest.skip(f"NVML shows no GPU: {poller._said}")
    return points, took


def test_a_gpu_says_what_is_true_of_every_gpu(polled, record_property) -> None:
    points, took = polled
    record_property("milliseconds of one poll", round(took * 1e3, 1))
    record_property("metrics", sorted(name for name in points if name.startswith("hw.")))
    for name in ("hw.gpu.memory.limit", "hw.gpu.memory.usage", "hw.temperature"):
        assert all(point.attributes["hw.id"].startswith(("GPU-", "MIG-")) for point in points[name])
    limits = {point.attributes["hw.id"]: point.value for point in points["hw.gpu.memory.limit"]}
    used = {point.attributes["hw.id"]: point.value for point in points["hw.gpu.memory.usage"]}
    assert all(limits[gpu] >= 1 << 30 and 0 < used[gpu] <= limits[gpu] for gpu in limits)
    assert all(0 < point.value < 120 for point in points["hw.temperature"])
    assert all(0 <= point.value <= 1 for point in points.get("hw.gpu.utilization", ()))


def test_a_model_on_a_gpu_has_the_id_that_the_gpus_metrics_have(polled, sdk) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("this PyTorch has no CUDA device")
    points, _ = polled
    model = torch.nn.Linear(1024, 1024).cuda().eval()
    with torch.no_grad():
        model(torch.ones(8, 1024, device="cuda"))
    (span,) = sdk.spans()
    known = {point.attributes["hw.id"] for point in points["hw.gpu.memory.limit"]}
    assert span.attributes["hw.id"] in known
    assert span.attributes["hw.id"].endswith(str(torch.cuda.get_device_properties(0).uuid))
    _gpu_metrics._poller.poll()
    own = {p.attributes["hw.id"]: p.value for p in sdk.collect(sdk.cumulative).get("process.gpu.memory.usage", ())}
    assert own.get(span.attributes["hw.id"], 1 << 20) >= 1 << 20  # in a container the driver may not know this process


def test_the_energy_of_a_busy_gpu_grows_and_its_utilization_shows(polled, sdk) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("this PyTorch has no CUDA device")
    matrix = torch.ones(4096, 4096, device="cuda")
    until = time.monotonic() + 2
    while time.monotonic() < until:
        matrix @ matrix
    torch.cuda.synchronize()
    _gpu_metrics._poller.poll()
    points = sdk.collect(sdk.cumulative)
    gpu = hardware.gpu_id(0)
    for energy in points.get("hw.energy", ()):
        if energy.attributes["hw.id"] == gpu:
            assert energy.value > 10
    busy = [p.value for p in points.get("hw.gpu.utilization", ()) if p.attributes["hw.id"] == gpu]
    assert not busy or max(busy) > 0.5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_is_told_of_the_gpu_too(polled, sdk) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        told = 0
        try:
            _gpu_metrics._poller.poll()
            told = len(sdk.collect(sdk.cumulative)["hw.gpu.memory.limit"])
        finally:
            os.write(writing, bytes([told]))
            os._exit(0)
    os.close(writing)
    told = os.read(reading, 1)[0]
    os.close(reading)
    os.waitpid(child, 0)
    assert told == len(polled[0]["hw.gpu.memory.limit"])
