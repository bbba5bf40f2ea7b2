"""A plain service under `opentelemetry-instrument`, in a process of its own, and an OTLP receiver on loopback."""

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
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import NormalDist
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from driftmeter import Baseline, otlp
from driftmeter.demo._receiver import Receiver

APP = """
import os

import joblib
import pandas as pd
from fastapi import FastAPI

model = joblib.load("model.joblib")
app = FastAPI()


@app.get("/health")
def health():
    return os.getpid()


@app.post("/predict")
def predict(rows: list[dict]):
    return model.predict(pd.DataFrame(rows)).tolist()
"""

_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def rows(count: int, *, shift: float = 0.0, seed: int = 0) -> list[dict[str, Any]]:
    """Return rows as the service takes them: a normal and an even column, alike in every batch but for their order."""
    normal = NormalDist(20 + shift, 5)
    order = np.random.default_rng(seed).permutation(count).tolist()
    return [{"temp": round(normal.inv_cdf((at + 0.5) / count), 2), "town": "abc"[at % 3]} for at in order]


class Received:
    """What a receiver was sent."""

    def __init__(self) -> None:
        self.metrics: list[Any] = []
        self.spans: list[Any] = []
        self.events: list[Any] = []
        self.receiver = Receiver(self._deliver)
        self.endpoint = self.receiver.endpoint

    def _deliver(self, delivery: Any) -> None:
        if delivery.signal == "metrics":
            self.metrics.append(delivery.message)
        elif delivery.signal == "traces":
            self.spans += [s for r in delivery.message.resource_spans for g in r.scope_spans for s in g.spans]
        else:
            logs = [log for r in delivery.message.resource_logs for g in r.scope_logs for log in g.log_records]
            self.events += [log for log in logs if log.event_name]

    def points(self, name: str) -> list[Any]:
        """Return all data points of a metric."""
        found = []
        for request in self.metrics:
            for metric in _metrics(request):
                if metric.name == name:
                    found += getattr(metric, metric.WhichOneof("data")).data_points
        return found

    def column_counts(self) -> dict[str, int]:
        """Return by column how many rows the sketches of all requests together hold."""
        snapshots = otlp.snapshots(self.metrics)
        return {column.name: sketch.total for snapshot in snapshots for column, sketch in snapshot.columns.items()}

    def latest(self, name: str) -> dict[tuple[str, ...], float]:
        """Return the last value of a gauge or sum by column and check."""
        return {_key(point): _value(point) for point in self.points(name)}


def _metrics(request: Any) -> Iterator[Any]:
    for resource_metrics in request.resource_metrics:
        for scope_metrics in resource_metrics.scope_metrics:
            yield from scope_metrics.metrics


def attributes(item: Any) -> dict[str, Any]:
    """Return a point's or span's attributes."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in item.attributes}


def _key(point: Any) -> tuple[str, ...]:
    values = attributes(point)
    return tuple(values[name] for name in ("ml.column.name", "ml.quality.check") if name in values)


def _value(point: Any) -> float:
    return float(point.as_int if point.WhichOneof("value") == "as_int" else point.as_double)


def environment(folder: Path, endpoint: str, **variables: str) -> dict[str, str]:
    """Return the environment of a watched process: this one's, without what tests and users have set."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "DRIFTMETER_", "PYTEST_"))}
    return {
        **kept,
        "OTEL_SERVICE_NAME": "service",
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "5",
        "DRIFTMETER_BASELINE": str(folder / "baseline.json"),
        **variables,
    }


INSTRUMENT = str(Path(sys.executable).parent / "opentelemetry-instrument")


class Service:
    """One run of the service; `stop` sends SIGTERM and waits."""

    def __init__(self, folder: Path, environ: dict[str, str], *, workers: int = 1) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        self._log = folder / f"server-{self.url.rsplit(':', 1)[1]}.log"
        self._workers = workers
        arguments = ["--host", "127.0.0.1", "--port", self.url.rsplit(":", 1)[1], "--workers", str(workers)]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [INSTRUMENT, sys.executable, "-m", "uvicorn", "app:app", "--log-level", "warning", *arguments],
                cwd=folder,
                env=environ,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def wait(self) -> None:
        """Wait until each of its workers has answered."""
        deadline = time.monotonic() + 60
        answered = set()
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log()
            try:
                with _opener.open(f"{self.url}/health", timeout=2) as response:
                    answered.add(json.load(response))
                if len(answered) == self._workers:
                    return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.05)
        raise AssertionError(self.log())

    def predict(self, batch: list[dict[str, Any]]) -> list[Any]:
        request = urllib.request.Request(
            f"{self.url}/predict", json.dumps(batch).encode(), {"Content-Type": "application/json"}
        )
        with _opener.open(request, timeout=20) as response:
            return json.load(response)

    def stop(self) -> int:
        """Send SIGTERM to the service, and return its exit code."""
        self.process.terminate()
        return self.process.wait(30)

    def kill(self) -> None:
        """Leave no process behind."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(5)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the service, its model and the model's baseline."""
    made = tmp_path_factory.mktemp("service")
    frame = pd.DataFrame(rows(3000, seed=1))
    late = np.where(frame["temp"] > 22, "late", "on time")
    prepare = make_column_transformer((StandardScaler(), ["temp"]), (OneHotEncoder(), ["town"]))
    model = make_pipeline(prepare, LogisticRegression()).fit(frame, late)
    joblib.dump(model, made / "model.joblib")
    predictions = model.predict(frame)
    Baseline.from_frame(frame, model="delay", version="3", predictions=predictions).save(made / "baseline.json")
    (made / "app.py").write_text(APP)
    return made


@pytest.fixture(scope="module")
def services() -> Iterator[Any]:
    """Start services; all are gone after the module."""
    started: list[Service] = []

    def start(folder: Path, environ: dict[str, str], **options: Any) -> Service:
        started.append(Service(folder, environ, **options))
        return started[-1]

    yield start
    for service in started:
        service.kill()


@pytest.fixture(scope="module")
def receivers() -> Iterator[Any]:
    """Start receivers; all are closed after the module."""
    started: list[Received] = []

    def start() -> Received:
        received = Received()
        received.receiver.start()
        started.append(received)
        return received

    yield start
    for received in started:
        received.receiver.stop()


@pytest.fixture(scope="session")
def kit() -> Any:
    """The functions of this file that tests use."""
    from types import SimpleNamespace

    return SimpleNamespace(
        rows=rows,
        attributes=attributes,
        environment=environment,
        metrics=_metrics,
        value=_value,
        instrument=INSTRUMENT,
        Counter=Counter,
        defaultdict=defaultdict,
    )
