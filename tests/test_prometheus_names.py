"""Names in Prometheus; tests/backends shows that they are those that a real Prometheus gives."""

from __future__ import annotations

import pytest

from driftmeter import semconv, semconv_hardware
from driftmeter.prometheus_names import NAMINGS, label_name, metric_name


@pytest.mark.parametrize(
    ("metric", "otlp", "pull", "plain"),
    [
        (semconv.SKEW_DETECTED, "ml_skew_detected_ratio", "ml_skew_detected", "ml_skew_detected"),
        (semconv.QUALITY_RATIO, "ml_quality_ratio", "ml_quality_ratio", "ml_quality_ratio"),
        (semconv.SKEW_P_VALUE, "ml_skew_p_value_ratio", "ml_skew_p_value", "ml_skew_p_value"),
        (semconv.WINDOW_END, "ml_window_end_seconds", "ml_window_end_seconds", "ml_window_end"),
        (semconv.WINDOW_ROWS, "ml_window_rows", "ml_window_rows", "ml_window_rows"),
        (semconv.PREDICTION_ROWS, "ml_prediction_rows_total", "ml_prediction_rows_total", "ml_prediction_rows"),
        (semconv.COLUMN_VALUE, "ml_column_value", "ml_column_value", "ml_column_value"),
        (semconv_hardware.PROCESS_THREAD_COUNT, "process_thread_count", "process_thread_count", "process_thread_count"),
        (
            semconv.PREDICTION_DURATION,
            "ml_prediction_duration_seconds",
            "ml_prediction_duration_seconds",
            "ml_prediction_duration",
        ),
    ],
    ids=lambda value: value.name if isinstance(value, semconv.Metric) else "",
)
def test_a_metric_is_named_by_its_unit_and_kind(metric: semconv.Metric, otlp: str, pull: str, plain: str) -> None:
    assert [metric_name(metric, naming) for naming in NAMINGS] == [otlp, pull, plain]


def test_every_metric_has_a_name_of_its_own() -> None:
    for naming in NAMINGS:
        assert len({metric_name(metric, naming) for metric in semconv.METRICS}) == len(semconv.METRICS)


def test_the_pull_exporter_names_as_is_said_here() -> None:
    exporter = pytest.importorskip(
        "opentelemetry.exporter.prometheus", reason="opentelemetry-exporter-prometheus is not installed"
    )
    from opentelemetry.sdk.metrics import MeterProvider
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    provider = MeterProvider([exporter.PrometheusMetricReader(registry=registry)])
    meter = provider.get_meter("test")
    for metric in semconv.METRICS:
        if metric.kind == "counter":
            meter.create_counter(metric.name, unit=metric.unit).add(1)
        elif metric.kind == "gauge":
            meter.create_gauge(metric.name, unit=metric.unit).set(1)
    text = generate_latest(registry).decode()
    provider.shutdown()
    told = {line.split("{")[0] for line in text.splitlines() if not line.startswith("#")}
    assert {metric_name(m, "pull") for m in semconv.METRICS if m.kind in {"counter", "gauge"}} <= told


def test_an_unknown_unit_is_refused_rather_than_guessed() -> None:
    with pytest.raises(ValueError, match=r"unit must be .* got 'furlong'"):
        metric_name(semconv.Metric("ml.x", "gauge", "furlong", "", ()))


def test_labels_are_attributes_with_underscores() -> None:
    assert label_name(semconv.ML_COLUMN_NAME) == "ml_column_name"
    assert label_name("ml.segment.home town") == "ml_segment_home_town"
    assert label_name("2nd") == "key_2nd"
