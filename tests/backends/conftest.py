"""Replicas of a plain service under `opentelemetry-instrument`, whose telemetry goes through real collectors."""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from backend_kit import OPENER, Process, free_port
from driftmeter import Baseline

APP = """
import joblib
import pandas as pd
from fastapi import FastAPI

model = joblib.load("model.joblib")
app = FastAPI()


@app.get("/health")
def health():
    return "ok"


@app.post("/predict")
def predict(rows: list[dict]):
    return model.predict(pd.DataFrame(rows)).tolist()
"""
INSTRUMENT = str(Path(sys.executable).parent / "opentelemetry-instrument")


def rows(count: int, *, shift: float = 0.0, seed: int = 0) -> list[dict[str, Any]]:
    """Return rows as the service takes them: a normal column, of both signs, now and then missing; and three towns."""
    drawn = np.random.default_rng(seed).normal(5 + shift, 10, count).round(3).tolist()
    return [{"temp": None if at % 50 == 7 else temp, "town": "abc"[at % 3]} for at, temp in enumerate(drawn)]


class Replica(Process):
    """One process of the service. It sends each second, and the rest when it stops."""

    def __init__(self, folder: Path, endpoint: str, **variables: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        environ = {
            "OTEL_SERVICE_NAME": "delays",
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            "OTEL_METRIC_EXPORT_INTERVAL": "1000",
            "OTEL_BSP_SCHEDULE_DELAY": "500",
            "OTEL_BLRP_SCHEDULE_DELAY": "500",
            "DRIFTMETER_BASELINE": str(folder / "baseline.json"),
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "system_metrics",
            "DRIFTMETER_WINDOW": "2s",
            **variables,
        }
        server = ["uvicorn", "app:app", "--log-level", "warning", "--host", "127.0.0.1", "--port", str(port)]
        super().__init__(
            [INSTRUMENT, sys.executable, "-m", *server], folder=folder, ready=self._answers, environ=environ
        )

    def _answers(self) -> bool:
        with OPENER.open(f"{self.url}/health", timeout=2) as response:
            return bool(response.status == 200)

    def predict(self, batch: list[dict[str, Any]]) -> list[str]:
        """Return the service's answer to one request."""
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/predict", json.dumps(batch).encode(), headers)
        with OPENER.open(request, timeout=30) as response:
            answer: list[str] = json.load(response)
        return answer


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the service, its model and the model's baseline."""
    made = tmp_path_factory.mktemp("service")
    frame = pd.DataFrame(rows(5000, seed=1))
    late = np.where(frame["temp"] > 10, "late", "on time")
    fill = make_pipeline(SimpleImputer(), StandardScaler())
    prepare = make_column_transformer((fill, ["temp"]), (OneHotEncoder(), ["town"]))
    model = make_pipeline(prepare, LogisticRegression()).fit(frame, late)
    joblib.dump(model, made / "model.joblib")
    predictions = model.predict(frame)
    baseline = Baseline.from_frame(frame, model="delay", version="3", predictions=predictions)
    baseline.save(made / "baseline.json")
    (made / "baselines").mkdir()
    baseline.save(made / "baselines" / "delay.json")
    (made / "app.py").write_text(APP)
    return made


@pytest.fixture
def replicas(service: Path, tmp_path: Path) -> Iterator[Callable[..., list[Replica]]]:
    """Start replicas: ``replicas(2, collector.grpc)``; all are gone after the test."""
    started: list[Replica] = []

    def start(count: int, endpoint: str, **variables: str) -> list[Replica]:
        made = []
        for _ in range(count):
            folder = tmp_path / f"replica-{len(started)}"
            folder.mkdir()
            for name in ("app.py", "model.joblib", "baseline.json"):
                (folder / name).symlink_to(service / name)
            made.append(Replica(folder, endpoint, **variables))
            started.append(made[-1])
            made[-1].start()
        return made

    yield start
    for replica in started:
        replica.kill()


@pytest.fixture(scope="session")
def kit() -> Any:
    """The functions and folders that tests use."""
    return SimpleNamespace(rows=rows, configs=Path(__file__).parents[2] / "collector-config")
