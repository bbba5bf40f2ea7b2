"""Servers under `opentelemetry-instrument`, each in processes of its own, and an OTLP receiver on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from driftmeter import otlp
from driftmeter.demo._receiver import Receiver

NEVER = "3600000"
BIN = Path(sys.executable).parent
INSTRUMENT = str(BIN / "opentelemetry-instrument")
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def rows(count: int, *, seed: int = 0) -> list[dict[str, float]]:
    """Return rows as all services here take them."""
    drawn = np.random.default_rng(seed).normal(20, 5, (count, 2)).round(2)
    return [{"temp": float(temp), "wind": float(wind)} for temp, wind in drawn]


class Received:
    """What a receiver was sent."""

    def __init__(self) -> None:
        self.metrics: list[Any] = []
        self.spans: list[Any] = []
        self.receiver = Receiver(self._deliver)
        self.endpoint = self.receiver.endpoint

    def _deliver(self, delivery: Any) -> None:
        if delivery.signal == "metrics":
            self.metrics.append(delivery.message)
        elif delivery.signal == "traces":
            self.spans += [s for r in delivery.message.resource_spans for g in r.scope_spans for s in g.spans]

    def column_counts(self) -> dict[str, int]:
        """Return by column how many rows the sketches of all requests together hold."""
        snapshots = otlp.snapshots(self.metrics)
        return {column.name: sketch.total for snapshot in snapshots for column, sketch in snapshot.columns.items()}

    def senders(self) -> int:
        """Return how many processes sent sketches: each sends its last interval by itself."""
        return sum("ml.column.value" in names for names in map(_names, self.metrics))

    def calls(self) -> list[tuple[Any, Any]]:
        """Return each span of a model's call with the span that it is a child of, None where that was not sent."""
        known = {span.span_id: span for span in self.spans}
        return [(s, known.get(s.parent_span_id)) for s in self.spans if "ml.model.framework" in attributes(s)]


def _names(request: Any) -> set[str]:
    return {m.name for r in request.resource_metrics for s in r.scope_metrics for m in s.metrics}


def attributes(item: Any) -> dict[str, Any]:
    """Return a span's attributes."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in item.attributes}


def environment(endpoint: str, **variables: str) -> dict[str, str]:
    """Return the environment of a watched process, which sends all that it has when it ends, and nothing before."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "DRIFTMETER_", "PYTEST_"))}
    return {
        **kept,
        "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}",
        "OTEL_SERVICE_NAME": "service",
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "5",
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta",
        "OTEL_METRIC_EXPORT_INTERVAL": NEVER,
        "DRIFTMETER_WINDOW": "1h",
        "DRIFTMETER_STEP": "1h",
        **variables,
    }


class Server:
    """One run of a server; ``{port}`` in its command is a free one. `stop` sends SIGTERM and waits."""

    def __init__(self, command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._log = folder / f"server-{port}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [part.replace("{port}", str(port)) for part in command],
                cwd=folder,
                env=dict(environ),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def wait(self, path: str = "/health", *, seconds: float = 60) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log()
            try:
                with _opener.open(f"{self.url}{path}", timeout=2):
                    return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.05)
        raise AssertionError(self.log())

    def post(self, path: str, body: Any, **headers: str) -> Any:
        request = urllib.request.Request(
            f"{self.url}{path}", json.dumps(body).encode(), {"Content-Type": "application/json", **headers}
        )
        try:
            with _opener.open(request, timeout=20) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{error.code} {error.read()[:500]!r}\n{self.log()}") from None

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal to the server, and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(30)

    def kill(self) -> None:
        """Leave no process behind."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(5)


def run(command: Sequence[str], folder: Path) -> None:
    """Run a program to its end."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr


def until(ready: Callable[[], bool], server: Server | None, *, seconds: float = 90) -> None:
    """Wait until something is so; while a server runs, if one is given."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert server is None or server.process.poll() is None, server.log()
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def folder(tmp_path: Path, model_file: Path) -> Path:
    """A folder with a model that takes two columns."""
    (tmp_path / "model.joblib").symlink_to(model_file)
    return tmp_path


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("model") / "model.joblib"
    frame = pd.DataFrame(rows(200, seed=1))
    joblib.dump(LogisticRegression().fit(frame, frame["temp"] > frame["wind"]), made)
    return made


@pytest.fixture
def received() -> Iterator[Received]:
    """A receiver that listens."""
    made = Received()
    made.receiver.start()
    yield made
    made.receiver.stop()


@pytest.fixture
def serve(folder: Path, received: Received) -> Iterator[Any]:
    """Start a server under `opentelemetry-instrument`; all are gone after the test."""
    started: list[Server] = []

    def start(*command: str, files: Mapping[str, str] | None = None, **variables: str) -> Server:
        for name, content in (files or {}).items():
            (folder / name).write_text(content)
        started.append(Server([INSTRUMENT, *command], folder, environment(received.endpoint, **variables)))
        return started[-1]

    yield start
    for server in started:
        server.kill()


@pytest.fixture(scope="session")
def kit() -> Any:
    """The functions of this file that tests use."""
    return SimpleNamespace(
        rows=rows,
        attributes=attributes,
        environment=environment,
        run=run,
        until=until,
        instrument=INSTRUMENT,
        python=sys.executable,
        bin=BIN,
    )
