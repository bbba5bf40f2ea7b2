"""The second example, really served: the explicit API instead of zero-code."""

from __future__ import annotations

import datetime as dt
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from driftmeter.demo._batches import batches
from driftmeter.demo._flights import load
from driftmeter.demo._inbox import Inbox
from driftmeter.demo._receiver import Receiver
from driftmeter.demo._train import train

WINDOW = 5
"""Seconds: long enough for the app to end in the window after the one that holds its rows."""
EXAMPLES = Path(__file__).parents[2] / "examples"


def _wait_for(happened, *, seconds: float = 40) -> bool:
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").status_code == 200
    except httpx.HTTPError:
        return False


def _sleep_into_next_window() -> None:
    time.sleep(WINDOW - time.time() % WINDOW + 0.2)


@pytest.fixture
def inbox():
    inbox = Inbox(model="flight-delay")
    receiver = Receiver(lambda delivery: inbox.put(delivery.message))
    receiver.start()
    inbox.endpoint = receiver.endpoint
    yield inbox
    receiver.stop()


@pytest.mark.slow
def test_the_explicit_app_sends_the_same_signals(tmp_path, inbox):
    flights = load()
    trained = train(flights.head(5000), folder=tmp_path)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "DRIFTMETER_"))},
        "FLIGHT_MODEL": str(trained.model_path),
        "FLIGHT_BASELINE": str(trained.baseline_path),
        "OTEL_EXPORTER_OTLP_ENDPOINT": inbox.endpoint,
        # An hour: whatever arrives was sent by driftmeter.shutdown().
        "OTEL_METRIC_EXPORT_INTERVAL": "3600000",
        "DRIFTMETER_WINDOW": f"{WINDOW}s",
    }
    command = [sys.executable, "-m", "uvicorn", "flights_app_explicit:app", "--app-dir", str(EXAMPLES)]
    with subprocess.Popen([*command, "--port", str(port), "--log-level", "warning"], env=environ) as app:
        try:
            assert _wait_for(lambda: _answers(url))
            _sleep_into_next_window()
            batch = next(batches(flights.serving(since=dt.date(2013, 7, 1)).weeks()[0]))
            answer = httpx.post(f"{url}/predict", content=batch.body, headers={"Content-Type": "application/json"})
            assert len(answer.json()) == batch.rows
            assert set(answer.json()) <= {"late", "on time"}
            _sleep_into_next_window()
        finally:
            app.terminate()
    [signals] = inbox._signals.values()
    assert (signals.model, signals.version, signals.rows) == ("flight-delay", "1", batch.rows)
    distances = {column.name: column.distance for column in signals.columns}
    assert distances["temp"] > 1 > distances["carrier"]
    assert len(inbox._durations) == 1
