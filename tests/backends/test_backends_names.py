"""Names in Prometheus are those that driftmeter says: whoever writes queries or rules relies on them."""

from __future__ import annotations

import time
import urllib.request

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from backend_kit import OPENER
from driftmeter import semconv, semconv_hardware
from driftmeter.alerts._calls import _bound
from driftmeter.prometheus_names import label_name, metric_name

METRICS = {metric.name: metric for metric in (*semconv.METRICS, *semconv_hardware.GPU_METRICS)}.values()


def request() -> bytes:
    """One point of every metric, with all of its attributes."""
    message = ExportMetricsServiceRequest()
    resource_metrics = message.resource_metrics.add()
    resource_metrics.resource.attributes.add(key="service.name").value.string_value = "shop"
    scope = resource_metrics.scope_metrics.add()
    now = time.time_ns()
    for metric in METRICS:
        told = scope.metrics.add(name=metric.name, unit=metric.unit)
        if metric.kind == "gauge":
            point = told.gauge.data_points.add(as_double=1.0)
        elif metric.kind in {"counter", "up_down_counter"}:
            told.sum.aggregation_temporality = 2
            told.sum.is_monotonic = metric.kind == "counter"
            point = told.sum.data_points.add(as_double=1.0, start_time_unix_nano=now - 1)
        elif metric.kind == "histogram":
            told.histogram.aggregation_temporality = 2
            bounds = semconv.DURATION_BUCKETS
            counts = [1] * (len(bounds) + 1)
            point = told.histogram.data_points.add(
                count=len(counts), sum=1.0, bucket_counts=counts, explicit_bounds=bounds, start_time_unix_nano=now - 1
            )
        else:
            told.exponential_histogram.aggregation_temporality = 2
            point = told.exponential_histogram.data_points.add(count=1, sum=1.0, start_time_unix_nano=now - 1)
            point.positive.bucket_counts.append(1)
        point.time_unix_nano = now
        for attribute in metric.attributes:
            point.attributes.add(key=attribute).value.string_value = "x"
    return message.SerializeToString()


@pytest.mark.parametrize(
    ("naming", "strategy"), [("otlp", "UnderscoreEscapingWithSuffixes"), ("plain", "UnderscoreEscapingWithoutSuffixes")]
)
def test_prometheus_names_every_metric_and_label_as_is_said(backends, naming, strategy) -> None:
    prometheus = backends.prometheus(settings={"otlp": {"translation_strategy": strategy}})
    sent = urllib.request.Request(
        f"{prometheus.otlp}/v1/metrics", request(), {"Content-Type": "application/x-protobuf"}
    )
    with OPENER.open(sent, timeout=10) as response:
        assert response.status == 200
    ends = {"histogram": "_count"}
    names = {metric_name(metric, naming) + ends.get(metric.kind, ""): metric for metric in METRICS}
    assert len(names) == len(METRICS)
    assert names.keys() <= prometheus.names()
    for name, metric in names.items():
        assert prometheus.labels(name) == {"job", *map(label_name, metric.attributes)}, name


def test_bounds_are_written_as_the_alert_on_latency_looks_for_them(prometheus) -> None:
    sent = urllib.request.Request(
        f"{prometheus.otlp}/v1/metrics", request(), {"Content-Type": "application/x-protobuf"}
    )
    with OPENER.open(sent, timeout=10) as response:
        assert response.status == 200
    for bound in semconv.DURATION_BUCKETS:
        series = prometheus.query(f"ml_prediction_duration_seconds_bucket{{{_bound(bound)}}}")
        assert [float(each["metric"]["le"]) for each in series] == [bound]
