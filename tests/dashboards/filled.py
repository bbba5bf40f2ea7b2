"""A Prometheus filled by the demo: drifted flights through its server, and what this machine cannot tell."""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, ScopeMetrics

from backend_kit import OPENER, Prometheus
from driftmeter import semconv, semconv_hardware
from driftmeter.alerts import RECORDED_ROWS, Recording, promql_rules
from driftmeter.baseline import Baseline
from driftmeter.config import Config, load
from driftmeter.demo._batches import encode
from driftmeter.demo._flights import Flights
from driftmeter.demo._flights import load as load_flights
from driftmeter.demo._server import Server, environment, find_app
from driftmeter.demo._traffic import Traffic
from driftmeter.demo._train import MODEL_NAME, MODEL_VERSION, train

WINDOW = 4
SECONDS = 18.0
SERVICE = "flight-delay"
RARE = "a column that rules are loaded for, with too few rows for them"
WHOLE_SET = "tells-the-whole-set"
EXAMPLES = {a.name: a.example for a in (*semconv.ATTRIBUTES, *semconv_hardware.ATTRIBUTES)}
# What OpenTelemetry's whole set told of one host at one moment: psutil's used is all but available memory, and parts of
# the available one are free and cached, so that the three add up to more than 1.
STATES_OF_MEMORY = {
    "used": 2122448896 / 25276502016,
    "free": 17495351296 / 25276502016,
    "cached": 6014816256 / 25276502016,
}
IDLE_CPUS = {1: 0.75, 2: 0.5}
PERFORMANCE = semconv.Metric(f"{semconv.PERFORMANCE}accuracy", "gauge", "1", "", ())


@dataclass(frozen=True)
class Filled:
    """The Prometheus, the configuration of what it was sent, and when the traffic was over."""

    prometheus: Prometheus
    config: Config
    end: float


def fill(folder: Path, stack: ExitStack) -> Filled:
    """Serve summer's flights with a model of winter's, with segments and both kinds of comparison."""
    flights = load_flights()
    winter = flights.training()
    trained = train(winter, folder=folder)
    baseline = Baseline.from_frame(
        winter.features,
        model=MODEL_NAME,
        version=MODEL_VERSION,
        predictions={"prediction": trained.model.predict(winter.features)},
        segments=["origin"],
        time=winter.scheduled,
        block="7d",
    )
    baseline.save(trained.baseline_path)
    config = load(environ={}, folder=folder, overrides={"window": WINDOW, "step": 1, "segments": ["origin"]})
    recording = Recording(baseline=baseline, config=config, interval=1.0, least_rows=1)
    (folder / "rules.yml").write_text(promql_rules(recording))
    prometheus = Prometheus(folder / "prometheus", rule_files=[folder / "rules.yml"])
    stack.callback(prometheus.kill)
    prometheus.start()
    environ = environment(
        os.environ,
        endpoint=prometheus.otlp,
        model=trained.model_path,
        baseline=trained.baseline_path,
        window_seconds=WINDOW,
    )
    environ |= {
        "OTEL_EXPORTER_OTLP_ENDPOINT": prometheus.otlp,
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        # Spans are made, for exemplars to name them, and printed to a log.
        "OTEL_TRACES_EXPORTER": "console",
        "OTEL_LOGS_EXPORTER": "none",
        "DRIFTMETER_STEP": "1s",
        "DRIFTMETER_SEGMENTS": "origin",
        "DRIFTMETER_PREVIOUS_WINDOW": "true",
    }
    server = Server(find_app(), environ=environ, folder=folder)
    stack.callback(server.stop)
    server.start()
    server.wait_ready()
    _serve(server, prometheus, flights.serving(since=date(2013, 6, 1)))
    return Filled(prometheus, config, time.time())


def _serve(server: Server, prometheus: Prometheus, flights: Flights) -> None:
    traffic = Traffic(flights.weeks(), url=server.url, window=WINDOW, seconds=SECONDS)
    traffic.start()
    over = time.time() + SECONDS
    number = 0
    while time.time() < over:
        number += 1
        _fail(server, flights)
        _tell_of_gpu_and_performance(prometheus, number)
        _tell_of_host(prometheus)
        time.sleep(1)
    traffic.halt()
    assert traffic.error is None
    assert traffic.rows > 1000


def _fail(server: Server, flights: Flights) -> None:
    """Ask for a flight whose temperature is a word: the model raises."""
    flight = flights.features.dropna().iloc[:1].assign(temp="hot")
    request = urllib.request.Request(f"{server.url}/predict", encode(flight), {"Content-Type": "application/json"})
    with pytest.raises(urllib.error.HTTPError, match="500"):
        OPENER.open(request, timeout=30)


def _tell_of_gpu_and_performance(prometheus: Prometheus, number: int) -> None:
    """Tell, by the conventions, of what is not here: a GPU, performance, a rare column, three days' volume."""
    message = ExportMetricsServiceRequest()
    scope = _told_by("gpu-host", message)
    for metric in semconv_hardware.GPU_METRICS:
        _add(scope.metrics.add(), metric, number, {name: EXAMPLES[name] for name in metric.attributes})
    model = {semconv.ML_MODEL_NAME: MODEL_NAME, semconv.ML_MODEL_VERSION: MODEL_VERSION}
    _add(scope.metrics.add(), semconv.QUALITY_RATIO, number, {**model, semconv.ML_QUALITY_CHECK: "volume"})
    recorded = semconv.Metric(RECORDED_ROWS, "gauge", "{row}", "", ())
    _add(scope.metrics.add(), recorded, number, {**model, semconv.ML_COLUMN_NAME: RARE})
    for source in ("measured", "estimated"):
        _add(scope.metrics.add(), PERFORMANCE, number, {**model, "ml.performance.source": source})
    _send(prometheus, message)


def _tell_of_host(prometheus: Prometheus) -> None:
    """Tell of a host as OpenTelemetry's whole set does: all states, and each CPU."""
    message = ExportMetricsServiceRequest()
    scope = _told_by(WHOLE_SET, message)
    for state, share in STATES_OF_MEMORY.items():
        _add(scope.metrics.add(), semconv_hardware.SYSTEM_MEMORY_UTILIZATION, 0, {"state": state}, share=share)
    for cpu, share in IDLE_CPUS.items():
        labels = {"state": "idle", "cpu": str(cpu)}
        _add(scope.metrics.add(), semconv_hardware.SYSTEM_CPU_UTILIZATION, 0, labels, share=share)
    _send(prometheus, message)


def _told_by(instance: str, message: ExportMetricsServiceRequest) -> ScopeMetrics:
    told = message.resource_metrics.add()
    for name, value in (("service.name", SERVICE), ("service.instance.id", instance)):
        told.resource.attributes.add(key=name).value.string_value = value
    return told.scope_metrics.add()


def _send(prometheus: Prometheus, message: ExportMetricsServiceRequest) -> None:
    headers = {"Content-Type": "application/x-protobuf"}
    request = urllib.request.Request(f"{prometheus.otlp}/v1/metrics", message.SerializeToString(), headers)
    with OPENER.open(request, timeout=10) as response:
        assert response.status == 200


def _add(made, metric: semconv.Metric, number: int, labels: dict[str, str], *, share: float = 0.5) -> None:
    made.name, made.unit = metric.name, metric.unit
    if metric.kind == "gauge":
        point = made.gauge.data_points.add(as_double=share)
    else:
        made.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
        made.sum.is_monotonic = metric.kind == "counter"
        point = made.sum.data_points.add(as_double=1000.0 * number)
    point.time_unix_nano = time.time_ns()
    for name, value in labels.items():
        point.attributes.add(key=name).value.string_value = value


def values(series: Iterable[dict]) -> list[float]:
    """Return all numbers of instant or range vectors; histograms have none."""
    return [
        float(value)
        for one in series
        for _, value in (*one.get("values", ()), *([one["value"]] if "value" in one else ()))
    ]
