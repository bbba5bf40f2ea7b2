"""Workers, signals and exits: every row is counted exactly once, and nothing hangs."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

NEVER = "3600000"


def test_two_workers_count_every_row_once_and_sigterm_sends_the_last_interval(folder, services, receivers, kit) -> None:
    received = receivers()
    # No export before the end: all that arrives was sent at SIGTERM.
    environ = kit.environment(
        folder,
        received.endpoint,
        OTEL_METRIC_EXPORT_INTERVAL=NEVER,
        OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE="delta",
        DRIFTMETER_WINDOW="1h",
    )
    service = services(folder, environ, workers=2)
    service.wait()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(service.predict, [kit.rows(5, seed=seed) for seed in range(120)]))
    assert received.points("ml.column.value") == []
    service.stop()
    assert received.column_counts() == {"temp": 600, "town": 600, "prediction": 600}
    assert sum(kit.value(point) for point in received.points("ml.prediction.rows")) == 600
    # Both workers served: each sends points of its own.
    assert len(received.points("ml.prediction.rows")) == 2


def test_cumulative_is_the_default_and_its_last_point_holds_all(folder, services, receivers, kit) -> None:
    received = receivers()
    environ = kit.environment(folder, received.endpoint, OTEL_METRIC_EXPORT_INTERVAL="200", DRIFTMETER_WINDOW="1h")
    service = services(folder, environ)
    service.wait()
    for seed in range(10):
        service.predict(kit.rows(10, seed=seed))
        time.sleep(0.05)
    service.stop()
    points = received.points("ml.column.value")
    counts = kit.Counter()
    for point in points:
        counts[point.time_unix_nano] += point.count
    ordered = [counts[time] for time in sorted(counts)]
    assert len(ordered) >= 2
    assert ordered == sorted(ordered)
    assert ordered[-1] == 100
    assert len({point.start_time_unix_nano for point in points}) == 1
    assert received.column_counts() == {"temp": 100, "town": 100, "prediction": 100}


@pytest.mark.slow
def test_sdk_disabled_silences_us_and_the_service_works(folder, services, receivers, kit) -> None:
    received = receivers()
    environ = kit.environment(
        folder, received.endpoint, OTEL_SDK_DISABLED="true", OTEL_METRIC_EXPORT_INTERVAL="100", DRIFTMETER_WINDOW="soon"
    )
    service = services(folder, environ)
    service.wait()
    assert len(service.predict(kit.rows(50))) == 50
    service.stop()
    assert received.metrics == received.spans == received.events == []
    assert "driftmeter" not in service.log()


_SCRIPT = "import sys, driftmeter; driftmeter.record(model='m', features={'x': [1]}); print('served')"


def _run_unwatched(folder, kit, **variables: str) -> str:
    """Run a program that must go on, and return the one line that it says."""
    environ = kit.environment(folder, "http://127.0.0.1:1", OTEL_METRICS_EXPORTER="none", **variables)
    command = [kit.instrument, "--traces_exporter", "none", "--logs_exporter", "none", sys.executable, "-c", _SCRIPT]
    done = subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "served\n"
    (line,) = [line for line in done.stderr.splitlines() if line.strip()]
    return line


def test_a_wrong_value_leaves_the_program_unwatched_and_is_said_once(folder, kit) -> None:
    assert _run_unwatched(folder, kit, DRIFTMETER_WINDOW="soon") == (
        "driftmeter does not watch this process: environment: window must be a duration such as 30s, 1m or 1h; "
        "got 'soon'"
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(None, "cannot be read: No such file or directory", id="missing"),
        pytest.param("half", "is not JSON", id="truncated", marks=pytest.mark.slow),
        pytest.param('{"resourceSpans": []}', "is not OTLP JSON", id="foreign", marks=pytest.mark.slow),
        pytest.param("", "holds no columns", id="empty", marks=pytest.mark.slow),
    ],
)
def test_a_baseline_that_cannot_be_used_leaves_the_program_unwatched_and_is_said_once(
    content, says, folder, tmp_path, kit
) -> None:
    path = tmp_path / "b.json"
    if content is not None:
        path.write_text((folder / "baseline.json").read_text()[:500] if content == "half" else content)
    line = _run_unwatched(folder, kit, DRIFTMETER_BASELINE=str(path))
    assert line.startswith(f"driftmeter does not watch this process: baseline {path}: ")
    assert says in line


def test_an_ordinary_exit_sends_the_last_interval(folder, tmp_path, receivers, kit) -> None:
    received = receivers()
    environ = kit.environment(folder, received.endpoint, OTEL_METRIC_EXPORT_INTERVAL=NEVER)
    subprocess.run([kit.instrument, sys.executable, "-c", _SCRIPT], env=environ, cwd=tmp_path, check=True, timeout=60)
    assert received.column_counts() == {"x": 1}


@pytest.mark.slow
def test_exit_with_a_dead_collector_is_bounded(folder, tmp_path, kit) -> None:
    # It listens and never answers: worse than a closed port.
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        dead.listen()
        endpoint = f"http://127.0.0.1:{dead.getsockname()[1]}"
        environ = kit.environment(folder, endpoint, OTEL_EXPORTER_OTLP_TIMEOUT="1")
        process = subprocess.Popen(
            [kit.instrument, sys.executable, "-c", f"{_SCRIPT}; import time; sys.stdout.flush(); time.sleep(600)"],
            env=environ,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"served\n"
            process.terminate()
            # The handler waits ten seconds at most; the rest is leeway for a busy machine.
            assert process.wait(40) == -15
        finally:
            process.kill()
            process.wait(5)
