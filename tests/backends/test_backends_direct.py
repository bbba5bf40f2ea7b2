"""Signals computed in the process: replicas, a collector with direct.yaml, Prometheus and Jaeger."""

from __future__ import annotations

import time

import numpy as np
import pytest
from native_histograms import assert_is_quantile, assert_is_sketch_of, scale_of

from backend_kit import until
from driftmeter import semconv
from driftmeter.prometheus_names import metric_name

TEMPORALITY = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
EMITTED = (
    semconv.PREDICTION_DURATION,
    semconv.PREDICTION_ROWS,
    semconv.COLUMN_VALUE,
    semconv.COLUMN_CATEGORIES,
    semconv.COLUMN_MISSING,
    semconv.SKEW_DISTANCE,
    semconv.SKEW_P_VALUE,
    semconv.SKEW_DETECTED,
    semconv.SKEW_SHARE,
    semconv.QUALITY_RATIO,
    semconv.QUALITY_VIOLATED,
    semconv.BASELINE_TIME,
    semconv.WINDOW_ROWS,
    semconv.WINDOW_END,
    semconv.SELF_FLUSH_DURATION,
)
"""What a service with a baseline sends when nothing fails."""
OF_ANY_SERVICE = {"job", "instance", "service_name"}
SOMETIMES = {"error_type", "ml_column_part"}


@pytest.fixture
def collector(backends, kit, prometheus, jaeger):
    files = (kit.configs / name for name in ("direct.yaml", "backends/prometheus.yaml", "backends/traces.yaml"))
    return backends.collector(*files, environ={"PROMETHEUS_OTLP": prometheus.otlp, "TRACES_OTLP": jaeger.otlp})


def temps(sent):
    return np.array([row["temp"] for row in sent], dtype=float)


def values_counted(prometheus):
    return prometheus.values("sum(histogram_count(ml_column_value))").get("", 0)


def series(metric):
    name = metric_name(metric)
    return [f"{name}_{part}" for part in ("bucket", "count", "sum")] if metric.kind == "histogram" else [name]


def test_the_rows_of_two_replicas_are_in_prometheus_whole_and_their_calls_in_jaeger(
    collector, prometheus, jaeger, replicas, kit
):
    started = replicas(2, collector.grpc)
    sent = []
    for at in range(8):
        sent += (batch := kit.rows(200, shift=20 * (at > 3), seed=at))
        started[at % 2].predict(batch)
    until(lambda: values_counted(prometheus) == np.isfinite(temps(sent)).sum(), otherwise=collector.log)

    [whole] = prometheus.query("sum(ml_column_value)")
    _, histogram = whole["histogram"]
    assert_is_sketch_of(temps(sent), histogram)
    for q in (0.01, 0.25, 0.5, 0.9, 0.99):
        [estimate] = prometheus.values(f"histogram_quantile({q}, sum(ml_column_value))").values()
        assert_is_quantile(estimate, q, temps(sent), scale=scale_of(histogram))
    towns = prometheus.values("sum by (ml_category) (ml_column_categories_total{ml_column_name='town'})", "ml_category")
    assert towns == {"a": 67 * 8, "b": 67 * 8, "c": 66 * 8}
    assert prometheus.values("sum(ml_column_missing_total)") == {"": np.isnan(temps(sent)).sum()}
    by_replica = prometheus.values("ml_prediction_rows_total", "instance")
    assert list(by_replica.values()) == [800, 800]

    until(lambda: len(calls(jaeger)) == 8)
    assert {span["tags"]["ml.batch.size"] for span in calls(jaeger)} == {200}
    assert len({span["traceID"] for span in calls(jaeger)}) == 8


def calls(jaeger):
    return [span for span in jaeger.spans("delays") if span["operationName"] == "predict delay"]


def test_signals_have_the_documented_names_and_labels_and_none_is_refused(collector, prometheus, replicas, kit):
    [replica] = replicas(1, collector.grpc)
    for at in range(12):
        replica.predict(kit.rows(300, shift=20 * (at > 5), seed=at))
        time.sleep(0.4)  # so that there are windows of both kinds
    detected = "max by (ml_column_name) (max_over_time(ml_skew_detected_ratio[5m]))"
    until(lambda: prometheus.values(detected, "ml_column_name").get("temp") == 1, otherwise=collector.log)
    assert prometheus.values(detected, "ml_column_name")["town"] == 0

    known = {name for metric in semconv.METRICS for name in series(metric)}
    ours = {name for name in prometheus.names() if name.startswith(("ml_", "driftmeter_"))}
    assert ours <= known
    assert ours >= {name for metric in EMITTED for name in series(metric)}
    for metric in EMITTED:
        documented = {attribute.replace(".", "_") for attribute in metric.attributes}
        for name in series(metric):
            told = prometheus.labels(name) - OF_ANY_SERVICE - {"le"}
            assert documented - SOMETIMES <= told <= documented, name
    assert replica.stop() in {0, -15}
    assert collector.lost() == {}
    assert prometheus.refused() == 0
    assert "Partial success" not in collector.log()


def test_exemplars_of_a_drifted_column_lead_to_traces_of_its_rows(collector, prometheus, jaeger, replicas, kit):
    # Cumulative: the collector's deltatocumulative lets exemplars go.
    [replica] = replicas(1, collector.grpc, **{TEMPORALITY: "cumulative"})

    def exemplars():
        replica.predict(kit.rows(300, shift=20, seed=1))
        found = prometheus.api("query_exemplars", query="ml_column_value", start=began, end=time.time() + 60)
        return [one for series in found for one in series["exemplars"] if series["seriesLabels"]]

    began = time.time() - 60
    for at in range(6):
        replica.predict(kit.rows(300, seed=at))
        time.sleep(0.4)
    until(exemplars, otherwise=collector.log)
    told = {one["labels"]["trace_id"] for one in exemplars()}
    until(lambda: told <= {span["traceID"] for span in calls(jaeger)}, otherwise=collector.log)
    usual = temps(kit.rows(300))
    assert {float(one["value"]) > np.nanquantile(usual, 0.5) for one in exemplars()} == {True}
    found = prometheus.api("query_exemplars", query="ml_column_value", start=began, end=time.time() + 60)
    assert {series["seriesLabels"]["ml_column_name"] for series in found} == {"temp"}


@pytest.mark.parametrize("temporality", ["cumulative", "delta"])
def test_a_collector_that_restarts_loses_no_row(collector, prometheus, replicas, kit, temporality):
    [replica] = replicas(1, collector.grpc, **{TEMPORALITY: temporality})
    sent = 0
    for _ in range(3):
        replica.predict(kit.rows(300))
        sent += 294  # the others are missing
        until(lambda: counted_through_resets(prometheus) == sent, otherwise=collector.log)  # noqa: B023
        collector.stop()
        # Fewer than before the restart: a delta's total begins anew, and that shows only where it falls.
        replica.predict(kit.rows(200))
        sent += 196
        collector.start()
        until(lambda: counted_through_resets(prometheus) == sent, otherwise=collector.log)  # noqa: B023
    assert collector.lost() == {}
    assert prometheus.refused() == 0


def counted_through_resets(prometheus):
    """Return the values that the one series of sketches counted; where its count fell, it began anew."""
    found = prometheus.api("query", query="ml_column_value[10m]")["result"]
    counts = [float(histogram["count"]) for series in found for _, histogram in series["histograms"]]
    return sum(count - (before if count >= before else 0) for before, count in zip([0, *counts], counts, strict=False))


def test_deltas_become_cumulative_in_the_collector_with_160_buckets_at_most(collector, prometheus, replicas, kit):
    [replica] = replicas(1, collector.grpc, **{TEMPORALITY: "delta"})
    sent = []
    for seed in range(3):
        sent += (batch := kit.rows(200, seed=seed))
        replica.predict(batch)
        until(lambda: values_counted(prometheus) == np.isfinite(temps(sent)).sum(), otherwise=collector.log)  # noqa: B023
    [whole] = prometheus.query("ml_column_value")
    _, histogram = whole["histogram"]
    assert_is_sketch_of(temps(sent), histogram)
    assert scale_of(histogram) < 5  # cumulative it is 6
    assert len(histogram["buckets"]) <= 2 * 160 + 1


def test_remote_write_brings_the_same(backends, prometheus, replicas, kit):
    files = (kit.configs / name for name in ("direct.yaml", "backends/prometheus-remote-write.yaml"))
    collector = backends.collector(*files, environ={"PROMETHEUS_REMOTE_WRITE": prometheus.remote_write})
    for replica in replicas(2, collector.grpc):
        replica.predict(kit.rows(200))
    sent = 2 * kit.rows(200)
    until(lambda: values_counted(prometheus) == np.isfinite(temps(sent)).sum(), otherwise=collector.log)
    [whole] = prometheus.query("sum(ml_column_value)")
    assert_is_sketch_of(temps(sent), whole["histogram"][1])
    for metric in (semconv.PREDICTION_ROWS, semconv.COLUMN_CATEGORIES, semconv.PREDICTION_DURATION):
        assert set(series(metric)) <= prometheus.names()
    assert prometheus.labels("ml_prediction_rows_total") >= OF_ANY_SERVICE
    assert collector.lost() == {}
    assert prometheus.refused() == 0
