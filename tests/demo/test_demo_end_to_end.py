"""The demo as a user runs it: the command, the real server, the real flights."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

THREE_WEEKS = 19_688
"""The flights from 1 to 21 July."""

COMMAND = [str(Path(sys.executable).with_name("driftmeter")), "demo"]


def _environ(**extra: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "DRIFTMETER_"))}
    return {**kept, **extra}


def _demo(*options: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *options], env=_environ(**extra), capture_output=True, text=True, timeout=110, check=False
    )


def _windows(done: subprocess.CompletedProcess[str]) -> list[dict]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def received():
    from driftmeter.demo._receiver import Receiver

    delivered: list = []
    started = Receiver(delivered.append)
    started.start()
    yield started.endpoint, delivered
    started.stop()


@pytest.fixture(scope="module")
def summer(received):
    """Three weeks of July, sent to an endpoint of the user's own too."""
    endpoint, _ = received
    return _demo(
        "--json",
        "--from=2013-07-01",
        "--pace=4",  # time enough for a week in one window, on a busy machine too
        f"--rows={THREE_WEEKS}",
        OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
    )


def test_summer_is_found_in_the_temperature(summer):
    # A shift that the training data's own weeks make thinkable must be seen twice running, and in whole weeks: what a
    # busy machine left of one for a window of its own is too little to be sure of it.
    windows = _windows(summer)
    judged = [now for before, now in pairwise(windows) if min(before["rows"], now["rows"]) > 6000]
    assert judged
    for window in judged:
        columns = {column["name"]: column for column in window["columns"]}
        assert columns["temp"]["detected"], window
        assert columns["temp"]["p_value"] < 0.05
        assert columns["temp"]["distance"] > 5 > 0.1 > columns["hour"]["distance"]
        assert window["share"] > 0


def test_each_json_object_has_the_documented_keys_and_every_flight_is_in_one(summer):
    windows = _windows(summer)
    assert all(set(window) == {"window", "rows", "columns", "share"} for window in windows)
    keys = {"name", "method", "distance", "p_value", "detected"}
    assert all(set(column) == keys for window in windows for column in window["columns"])
    assert sum(window["rows"] for window in windows) == THREE_WEEKS
    assert windows[0]["window"].startswith("2013-07-01/")


def test_the_summary_says_from_which_range_to_which(summer):
    [line] = [line for line in summer.stderr.splitlines() if line.startswith("  temp:")]
    after = summer.stderr.split(line)[1].splitlines()[1]
    assert "went from" in after


def test_everything_is_sent_to_the_users_endpoint_too(summer, received):
    _windows(summer)
    _, delivered = received
    assert {delivery.signal for delivery in delivered} == {"traces", "metrics", "logs"}


@pytest.mark.slow
def test_the_same_flights_shuffled_stay_quiet():
    windows = _windows(_demo("--json", "--shuffle", "--rows=13000"))
    assert len(windows) >= 2
    judged = [column for window in windows for column in window["columns"]]
    assert len(judged) >= 2 * 14
    assert [column for column in judged if column["detected"]] == []


@pytest.mark.slow
def test_ctrl_c_ends_it_with_a_summary_and_no_process_left():
    with subprocess.Popen(
        [*COMMAND, "--json"], env=_environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as demo:
        try:
            first = demo.stdout.readline()
            assert json.loads(first)["rows"] > 0
            children = psutil.Process(demo.pid).children(recursive=True)
            demo.send_signal(signal.SIGINT)
            _, told = demo.communicate(timeout=30)
        finally:
            demo.terminate()
    assert demo.returncode == 130
    assert "Traceback" not in told
    assert "flights in" in told
    assert children
    assert psutil.wait_procs(children, timeout=5)[1] == []


def test_a_missing_extra_is_one_line_with_the_command():
    code = (
        "import sys; sys.modules['sklearn'] = None; sys.argv = ['driftmeter', 'demo']\n"
        "from driftmeter.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "pip install 'driftmeter[demo]'" in done.stderr
