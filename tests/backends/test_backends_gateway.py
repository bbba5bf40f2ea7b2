"""Signals of all replicas as one: replicas, a collector, the gateway, the collector again, Prometheus and Jaeger."""

from __future__ import annotations

import signal
import time

import numpy as np
import pytest
from native_histograms import assert_is_quantile, assert_is_sketch_of, scale_of
from sent_sketches import SECOND, metrics, send

from backend_kit import free_port, until

TEMPORALITY = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"


class SingleHost:
    """What single-host.yaml is about; `replicas` send to the collector."""

    def __init__(self, backends, kit, service, prometheus, jaeger, temporality, *, beside=(), **variables):
        back = f"127.0.0.1:{free_port()}"
        emits = {"DRIFTMETER_GATEWAY_TEMPORALITY": temporality}
        self.gateway = backends.gateway(f"http://{back}", baselines=service / "baselines", **emits)
        names = ("single-host.yaml", "backends/prometheus.yaml", "backends/traces.yaml", *beside)
        environ = {
            "GATEWAY": self.gateway.grpc,
            "FROM_GATEWAY": back,
            "PROMETHEUS_OTLP": prometheus.otlp,
            "TRACES_OTLP": jaeger.otlp,
            **variables,
        }
        self.collector = backends.collector(*(kit.configs / name for name in names), environ=environ)

    def log(self):
        return f"{self.gateway.log()}\n{self.collector.log()}"


@pytest.fixture(params=["cumulative", "delta"])
def temporality(request):
    """Of what the replicas send, and of the gateway's merged sketches."""
    return request.param


@pytest.fixture
def host(backends, kit, service, prometheus, jaeger, temporality):
    return SingleHost(backends, kit, service, prometheus, jaeger, temporality)


def temps(sent):
    return np.array([row["temp"] for row in sent], dtype=float)


def series_of_temp(prometheus):
    found = prometheus.query("ml_column_value{ml_column_name='temp'}")
    assert len(found) <= 1, found
    return found


def values_counted(prometheus):
    return sum(float(series["histogram"][1]["count"]) for series in series_of_temp(prometheus))


def test_two_replicas_are_one_series_and_one_verdict(host, prometheus, jaeger, replicas, kit, temporality):
    started = replicas(2, host.collector.grpc, **{TEMPORALITY: temporality, "DRIFTMETER_SIGNALS": "false"})
    sent = []
    for at in range(12):
        sent += (batch := kit.rows(200, shift=20 * (at > 5), seed=at))
        started[at % 2].predict(batch)
        time.sleep(0.4)  # so that there are windows of both kinds
    until(lambda: values_counted(prometheus) == np.isfinite(temps(sent)).sum(), otherwise=host.log)

    [merged] = series_of_temp(prometheus)
    assert merged["metric"]["job"] == "delays"
    assert "instance" not in merged["metric"]
    _, histogram = merged["histogram"]
    assert_is_sketch_of(temps(sent), histogram)
    # Deltas are added up by the collector, in 160 buckets of a sign.
    assert (scale_of(histogram) >= 5) == (temporality == "cumulative")
    for q in (0.1, 0.5, 0.9):
        [estimate] = prometheus.values(f"histogram_quantile({q}, ml_column_value)").values()
        assert_is_quantile(estimate, q, temps(sent), scale=scale_of(histogram))
    towns = prometheus.values("ml_column_categories_total{ml_column_name='town'}", "ml_category")
    assert towns == {"a": 67 * 12, "b": 67 * 12, "c": 66 * 12}
    # What is not of columns comes from each replica, as it was.
    assert list(prometheus.values("ml_prediction_rows_total", "instance").values()) == [1200, 1200]

    detected = "max_over_time(ml_skew_detected_ratio[5m])"
    until(lambda: prometheus.values(detected, "ml_column_name").get("temp") == 1, otherwise=host.log)
    assert prometheus.values(detected, "ml_column_name")["town"] == 0
    until(lambda: len([s for s in jaeger.spans("delays") if s["operationName"] == "predict delay"]) == 12)
    assert host.collector.lost() == {}
    assert prometheus.refused() == 0
    assert "swallowed" not in host.gateway.log()


def test_rows_are_counted_once_whoever_is_killed_or_restarted(host, prometheus, replicas, kit, temporality):
    replica, other = replicas(2, host.collector.grpc, **{TEMPORALITY: temporality, "DRIFTMETER_SIGNALS": "false"})
    sent = 0

    def send(count):
        nonlocal sent
        batch = kit.rows(count)
        for one in (replica, other):
            one.predict(batch)
            sent += int(np.isfinite(temps(batch)).sum())

    def arrive():
        until(lambda: counted_through_resets(prometheus) == sent, seconds=60, otherwise=host.log)

    send(300)
    arrive()
    for _ in range(2):
        host.gateway.stop(signal.SIGKILL)
        send(300)
        host.gateway.start()
        send(300)
        host.gateway.stop(signal.SIGKILL)
        host.gateway.start()
        arrive()
    host.collector.stop()
    # Fewer than before the restart: the collector's totals begin anew, and that shows only where they fall.
    send(200)
    host.collector.start()
    arrive()
    assert host.collector.lost() == {}
    assert prometheus.refused() == 0


def counted_through_resets(prometheus):
    """Return the values that the merged series of a column counted; where its count fell, it began anew."""
    found = prometheus.api("query", query="ml_column_value{ml_column_name='temp'}[10m]")["result"]
    assert len(found) <= 1, found
    counts = [float(histogram["count"]) for series in found for _, histogram in series["histograms"]]
    before = [0, *counts]
    return sum(count - earlier if count >= earlier else count for earlier, count in zip(before, counts, strict=False))


def test_what_waits_for_the_gateway_survives_the_collector_where_it_is_durable(
    backends, kit, service, prometheus, jaeger, tmp_path
):
    variables = {"COLLECTOR_STATE": str(tmp_path / "queue")}
    host = SingleHost(backends, kit, service, prometheus, jaeger, "cumulative", beside=("durable.yaml",), **variables)
    host.gateway.stop()
    start = time.time_ns() // SECOND * SECOND
    for replica in range(20):
        send(host.collector.http, "metrics", metrics("service", replica, start=start, values=[1, 2, 3]))
    own = host.collector.own
    until(lambda: own("otelcol_receiver_accepted_metric_points", receiver="otlp") == 40, otherwise=host.log)
    # All that came, from the gateway too, has left the batches, so what is for the gateway is in the exporter's queue.
    until(lambda: own("otelcol_receiver_accepted_metric_points") == own("otelcol_processor_batch_batch_send_size_sum"))
    host.collector.kill()
    host.collector.start()
    host.gateway.start()
    counted = "histogram_count(ml_column_value)"
    until(lambda: prometheus.values(counted) == {"": 60}, seconds=60, otherwise=host.log)
