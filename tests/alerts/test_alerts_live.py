"""Alerts from end to end: flights to an unchanged service, its signals to Prometheus, alerts to Alertmanager."""

from __future__ import annotations

import itertools
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import yaml

from backend_kit import OPENER, Alertmanager, Prometheus, until
from driftmeter import Baseline
from driftmeter.alerts import Settings, prometheus_rules
from driftmeter.config import load
from driftmeter.demo._batches import encode
from driftmeter.demo._flights import Flights
from driftmeter.demo._flights import load as load_flights
from driftmeter.demo._server import Server, environment, find_app
from driftmeter.demo._train import fit

MODEL = "flight-delay"
CONFIG = {"window": "4s", "step": "1s", "models": {MODEL: {"critical": True, "columns": {"dewp": {"critical": False}}}}}
ROWS = 150


class Traffic:
    """Sends batches of flights until it is told to send others, or none."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._bodies: Iterator[bytes] | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def of(self, flights: pd.DataFrame | None, **changed: Any) -> None:
        """Send batches of flights from now on, drawn at random; None for no traffic."""
        if flights is None:
            self._bodies = None
            return
        drawn = (flights.sample(ROWS, random_state=seed).assign(**changed) for seed in range(40))
        self._bodies = itertools.cycle([encode(batch) for batch in drawn])

    def _send(self) -> None:
        while not self._ended.wait(0.1):
            bodies = self._bodies
            if bodies is not None:
                request = urllib.request.Request(
                    f"{self._url}/predict", next(bodies), {"Content-Type": "application/json"}
                )
                with suppress(urllib.error.HTTPError), OPENER.open(request, timeout=30) as response:
                    response.read()

    @contextmanager
    def running(self) -> Iterator[Traffic]:
        self._thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            self._thread.join(40)


def train(flights: Flights, folder: Path) -> tuple[Path, Path]:
    """Fit a model on some of the first flights, and keep the baseline of all of them, as rows that are independent."""
    some = flights.pick(np.arange(len(flights)) % 8 == 0)
    model = fit(some)
    joblib.dump(model, folder / "model.joblib")
    baseline = Baseline.from_frame(
        flights.features, model=MODEL, version="1", predictions={"prediction": model.predict(flights.features)}
    )
    baseline.save(folder / "baseline.json")
    return folder / "model.joblib", folder / "baseline.json"


@contextmanager
def service(folder: Path, prometheus: Prometheus, flights: Flights) -> Iterator[Traffic]:
    """The demo's app, which has no line of driftmeter, under ``opentelemetry-instrument``."""
    model, baseline = train(flights, folder)
    (folder / "driftmeter.yaml").write_text(yaml.safe_dump(CONFIG))
    environ = environment(os.environ, endpoint=prometheus.otlp, model=model, baseline=baseline, window_seconds=4)
    environ = {name: value for name, value in environ.items() if name not in {"DRIFTMETER_WINDOW", "DRIFTMETER_STEP"}}
    environ |= {
        "DRIFTMETER_CONFIG": str(folder / "driftmeter.yaml"),
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_METRIC_EXPORT_INTERVAL": "500",
        "OTEL_RESOURCE_ATTRIBUTES": "service.instance.id=a",
    }
    server = Server(find_app(), environ=environ, folder=folder)
    server.start()
    try:
        server.wait_ready(timeout=60)
        with Traffic(server.url).running() as traffic:
            yield traffic
    finally:
        server.stop()


def firing(alertmanager: Alertmanager) -> set[tuple[str, ...]]:
    """What fires: the alert, its severity, and its cause."""
    causes = ("ml_column_name", "ml_quality_check", "error_type")
    labels = [alert["labels"] for alert in alertmanager.alerts()]
    return {
        (each["alertname"], each["severity"], *(each[cause] for cause in causes if cause in each)) for each in labels
    }


def standing(prometheus: Prometheus) -> set[tuple[str, ...]]:
    """What should fire: the verdicts that are 1."""
    found = set()
    for name, metric in (("ModelSkew", "ml_skew_detected_ratio"), ("ModelQuality", "ml_quality_violated_ratio")):
        for series in prometheus.query(f"{metric} == 1"):
            column = series["metric"]["ml_column_name"]
            check = [series["metric"]["ml_quality_check"]] if name == "ModelQuality" else []
            found.add((name, "ticket" if column == "dewp" else "page", column, *check))
    return found


@pytest.mark.timeout(300)
def test_drifted_flights_alert_with_their_labels_and_resolve_and_nothing_else_fires(backends, tmp_path) -> None:
    year = load_flights()
    training = year.training()
    months = year.scheduled.dt.month.to_numpy()
    winter, july = training.features, year.pick(months == 7).features
    config = load(environ={}, folder=tmp_path, overrides=CONFIG)
    # The budgets' period is such that their shortest window is some seconds.
    settings = Settings(config=config, labels={"team": "ml"}, latency=10.0, period=8640 * 5.0)
    (tmp_path / "rules.yml").write_text(prometheus_rules(settings))
    alertmanager = backends.alertmanager()
    prometheus = backends.prometheus(rule_files=[tmp_path / "rules.yml"], alertmanagers=[alertmanager.url])
    with service(tmp_path, prometheus, training) as traffic:
        # As in training: verdicts are there, and none is 1.
        traffic.of(winter)
        until(lambda: bool(prometheus.query("ml_skew_detected_ratio")), seconds=60, otherwise=prometheus.log)
        time.sleep(8)
        assert prometheus.values("count(ml_skew_detected_ratio)") == {"": 15.0}
        assert firing(alertmanager) == standing(prometheus) == set()

        # Summer: it is warm and damp, and that is beyond what the model has seen.
        traffic.of(july)
        warm = {
            ("ModelSkew", "page", "temp"),
            ("ModelSkew", "ticket", "dewp"),
            ("ModelQuality", "page", "temp", "out_of_range"),
            ("ModelQuality", "ticket", "dewp", "out_of_range"),
        }
        until(lambda: warm <= firing(alertmanager), seconds=60, otherwise=lambda: firing(alertmanager))
        until(lambda: firing(alertmanager) == standing(prometheus), seconds=30, otherwise=lambda: firing(alertmanager))
        assert {name for name, *_ in firing(alertmanager)} == {"ModelSkew", "ModelQuality"}
        (alert,) = (
            alert
            for alert in alertmanager.alerts()
            if (alert["labels"]["alertname"], alert["labels"]["ml_column_name"]) == ("ModelSkew", "temp")
        )
        assert (
            alert["labels"].items()
            >= {
                "job": MODEL,
                "ml_model_name": MODEL,
                "ml_model_version": "1",
                "ml_column_role": "feature",
                "ml_baseline_kind": "training",
                "signal": "skew",
                "team": "ml",
            }.items()
        )
        assert "instance" not in alert["labels"]
        assert alert["annotations"]["summary"] == f"{MODEL}: temp is not as in the training data"
        assert alert["annotations"]["runbook_url"].endswith("docs/runbooks.md#modelskew")

        # Winter again: all is resolved.
        traffic.of(winter)
        until(lambda: not firing(alertmanager), seconds=60, otherwise=lambda: firing(alertmanager))

        # Texts where there should be numbers: the model raises.
        traffic.of(winter, temp="warm")
        until(
            lambda: ("ModelErrors", "page") in firing(alertmanager),
            seconds=60,
            otherwise=lambda: (firing(alertmanager), prometheus.names()),
        )

        # No traffic. The errors page no more; that they used up much of the budget remains a ticket.
        traffic.of(None)
        until(
            lambda: (
                {name for name, severity, *_ in firing(alertmanager) if severity == "page"}
                == {"ModelSilent", "ModelQuality"}
            ),
            seconds=90,
            otherwise=lambda: firing(alertmanager),
        )
        assert (
            "ModelErrors",
            "ticket",
        ) in firing(alertmanager)
