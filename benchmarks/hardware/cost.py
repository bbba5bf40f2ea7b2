"""What GPU and host metrics cost a process: time to start, memory, a poll, a collection, a call.

    python benchmarks/hardware/cost.py

Where there is an NVIDIA driver it is asked; else the one of the tests stands in for it, in Python, so that what a real
driver takes is not in the figures. Times are CPU times, the least of several runs.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "hardware"))

START = """
import time
import driftmeter, psutil
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
reader = InMemoryMetricReader()
provider = MeterProvider([reader])
memory, began = psutil.Process().memory_info().rss, time.process_time()
{work}
print(time.process_time() - began, psutil.Process().memory_info().rss - memory)
"""
WATCH = "driftmeter.instrument(meter_provider=provider, gpu_metrics={gpu}, host_metrics={host})"
STARTS = {
    "`driftmeter.instrument()` without either": WATCH.format(gpu=False, host=False),
    "with host metrics": WATCH.format(gpu=False, host=True),
    "with GPU metrics, no driver": WATCH.format(gpu=True, host=False),
    "the import of pynvml, in the thread that polls": "import pynvml",
}


def started(work: str) -> tuple[float, float]:
    """Return the CPU milliseconds and the MB that some work takes in a process of its own."""
    runs = []
    for _ in range(5):
        ran = subprocess.run(
            [sys.executable, "-c", START.format(work=work)], capture_output=True, text=True, check=True
        )
        seconds, size = ran.stdout.split()
        runs.append((float(seconds) * 1e3, float(size) / 1e6))
    return min(seconds for seconds, _ in runs), min(memory for _, memory in runs)


def least(work: Callable[[], object], *, times: int) -> float:
    """Return the least CPU time of one run, in microseconds, of several times so many."""
    best = float("inf")
    for _ in range(7):
        began = time.process_time()
        for _ in range(times):
            work()
        best = min(best, (time.process_time() - began) / times)
    return best * 1e6


def polling(gpus: int) -> tuple[float, float]:
    """Return the microseconds of a poll of so many GPUs, and of a collection of what it told."""
    import fake_nvml

    from driftmeter.hardware import _gpu_metrics

    stands_in = not _gpu_metrics.has_driver()
    if stands_in:
        fake_nvml.install(fake_nvml.FakeNvml(*(fake_nvml.FakeGpu(f"GPU-{at}") for at in range(gpus))))
    reader = InMemoryMetricReader()
    _gpu_metrics.start(interval=3600, meter_provider=MeterProvider([reader]))
    poller = _gpu_metrics._poller  # noqa: SLF001
    assert poller is not None
    poller.poll()
    data = reader.get_metrics_data()
    points = [
        point
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    ]
    assert not stands_in or len(points) == 27 * gpus, len(points)
    result = least(poller.poll, times=20), least(reader.get_metrics_data, times=20)
    _gpu_metrics.stop()
    fake_nvml.install(None)
    return result


def calls() -> dict[str, float]:
    """Return the microseconds that a call of a model pays for each."""
    from driftmeter.hardware import Usage, _cuda
    from driftmeter.instrumentation._gpu_of import say_gpu

    class OnGpu:
        def device(self, model: object) -> int:  # noqa: ARG002
            return 0

    span = TracerProvider().get_tracer("cost").start_span("")
    _cuda._ids[0] = "GPU-0"  # noqa: SLF001
    say_gpu(span, OnGpu(), None)
    assert span.attributes["hw.id"] == "GPU-0"
    assert Usage().since()["ml.call.memory.usage"] > 1 << 20
    framework = OnGpu()
    return {
        "of a framework without GPUs": least(lambda: say_gpu(span, None, None), times=5000),
        "on a GPU, `hw.id`": least(lambda: say_gpu(span, framework, None), times=5000),
        "`call_resources`": least(lambda: span.set_attributes(Usage().since()), times=2000),
    }


def host() -> float:
    """Return the microseconds of a collection of host metrics."""
    from driftmeter.hardware import _host_metrics

    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    _host_metrics.start(meter_provider=provider)
    reader.get_metrics_data()
    assert reader.get_metrics_data() is not None
    took = least(reader.get_metrics_data, times=50)
    _host_metrics.stop()
    return took


def main() -> None:
    """Print all figures."""
    print("| at the start | CPU, ms | memory, MB |\n| --- | --- | --- |")
    for name, work in STARTS.items():
        milliseconds, megabytes = started(work)
        print(f"| {name} | {milliseconds:.1f} | {megabytes:.1f} |")
    print("\n| | CPU, µs |\n| --- | --- |")
    for gpus in (1, 8):
        poll, collection = polling(gpus)
        print(f"| one poll of {gpus} GPU | {poll:.0f} |\n| a collection of what it told | {collection:.0f} |")
    print(f"| a collection of host metrics | {host():.0f} |")
    for name, microseconds in calls().items():
        print(f"| a call {name} | {microseconds:.2f} |")


if __name__ == "__main__":
    main()
