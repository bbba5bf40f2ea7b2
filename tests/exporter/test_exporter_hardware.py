"""Host and GPU metrics of a program without a line of driftmeter, beside the signals of its model."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from driftmeter import exporter, semconv_hardware

HOST = {metric.name for metric in semconv_hardware.HOST_METRICS}
DRIVER = Path(__file__).parents[1] / "hardware" / "fake_driver.c"
EXCLUDED = "OTEL_PYTHON_SYSTEM_METRICS_EXCLUDED_METRICS"
SCRIPT = """
import os, time
import driftmeter
assert os.environ.get("OTEL_PYTHON_SYSTEM_METRICS_EXCLUDED_METRICS") == os.environ.get("EXPECTED")
driftmeter.record(model="m", features={"x": [1.0]})
time.sleep(float(os.environ.get("LAST", "1")))
"""


def run(kit, folder, received, **variables: str) -> None:
    """Run a program under ``opentelemetry-instrument``; it says nothing."""
    environ = kit.environment(folder, received.endpoint, OTEL_METRIC_EXPORT_INTERVAL="300", **variables)
    done = subprocess.run(
        [kit.instrument, sys.executable, "-c", SCRIPT],
        check=False,
        env=environ,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


def names(kit, received, prefix: tuple[str, ...] = ("process.", "system.", "cpython.")) -> set[str]:
    found = {metric.name for request in received.metrics for metric in kit.metrics(request)}
    return {name for name in found if name.startswith(prefix)}


def test_the_small_set_of_host_metrics_takes_the_place_of_the_whole_one(kit, tmp_path, receivers) -> None:
    received = receivers()
    run(kit, tmp_path, received, DRIFTMETER_BASELINE="")
    assert names(kit, received) == HOST
    assert received.column_counts() == {"x": 1}
    # All of it has the one resource of the process.
    services = {
        pair.value.string_value
        for request in received.metrics
        for resource_metrics in request.resource_metrics
        for pair in resource_metrics.resource.attributes
        if pair.key == "service.instance.id"
    }
    assert len(services) == 1


@pytest.mark.slow
def test_the_users_own_choice_of_host_metrics_stays(kit, tmp_path, receivers) -> None:
    received = receivers()
    own = "system.*,process.runtime.*,process.thread.count"
    run(kit, tmp_path, received, DRIFTMETER_BASELINE="", EXPECTED=own, **{EXCLUDED: own})
    found = names(kit, received)
    assert {"process.memory.virtual", "cpython.gc.collections", "process.cpu.time"} <= found
    assert not {name for name in found if name.startswith("system.")}
    assert "process.thread.count" not in found


def test_where_nothing_is_watched_host_metrics_are_as_without_driftmeter(monkeypatch) -> None:
    monkeypatch.delenv(EXCLUDED, raising=False)
    for name, value in (("DRIFTMETER_ENABLED", "false"), ("DRIFTMETER_WINDOW", "soon"), ("OTEL_SDK_DISABLED", "true")):
        with monkeypatch.context() as context:
            context.setenv(name, value)
            exporter.prepare_zero_code()
        assert EXCLUDED not in os.environ


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux") or shutil.which("gcc") is None, reason="needs Linux and gcc")
def test_a_gpu_is_told_of_and_the_host_is_not_where_that_is_switched_off(kit, tmp_path, receivers) -> None:
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", tmp_path / "libnvidia-ml.so.1", DRIVER], check=True)
    received = receivers()
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("LD_LIBRARY_PATH"))))
    run(
        kit,
        tmp_path,
        received,
        DRIFTMETER_BASELINE="",
        LAST="2.5",
        LD_LIBRARY_PATH=path,
        DRIFTMETER_GPU_INTERVAL="1s",
        DRIFTMETER_HOST_METRICS="false",
    )
    assert names(kit, received) == set()
    assert received.column_counts() == {"x": 1}
    assert names(kit, received, ("hw.",)) == {
        "hw.gpu.memory.limit",
        "hw.gpu.memory.usage",
        "hw.gpu.memory.utilization",
    }
    point = received.points("hw.gpu.memory.utilization")[-1]
    assert kit.value(point) == 0.25
    assert kit.attributes(point) == {
        "hw.id": "GPU-8f6e3c1a-2b4d-4c7e-9a10-5d3f7b9e2c44",
        "hw.type": "gpu",
        "hw.name": "GPU 0",
        "hw.model": "NVIDIA Test",
        "hw.vendor": "NVIDIA",
    }
