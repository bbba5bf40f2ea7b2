"""The backends themselves: they start on free ports, take OTLP, stop, and go on with what they had."""

from __future__ import annotations

import time
import urllib.request

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from backend_kit import OPENER, until


def gauge(name: str, value: float) -> bytes:
    message = ExportMetricsServiceRequest()
    resource_metrics = message.resource_metrics.add()
    resource_metrics.resource.attributes.add(key="service.name").value.string_value = "service"
    metric = resource_metrics.scope_metrics.add().metrics.add(name=name)
    metric.gauge.data_points.add(as_double=value, time_unix_nano=time.time_ns())
    return message.SerializeToString()


def send(url: str, body: bytes) -> None:
    request = urllib.request.Request(f"{url}/v1/metrics", body, {"Content-Type": "application/x-protobuf"})
    with OPENER.open(request, timeout=10) as response:
        assert response.status == 200


def test_prometheus_takes_otlp_and_keeps_it_over_a_kill(prometheus):
    send(prometheus.otlp, gauge("ml.window.rows", 7))
    assert prometheus.values("ml_window_rows", "job") == {"service": 7}
    prometheus.kill()
    prometheus.start()
    assert prometheus.values("ml_window_rows") == {"": 7}


def test_an_alert_goes_from_a_rule_to_alertmanager_and_resolves(backends, alertmanager, tmp_path):
    rules = tmp_path / "rules.yml"
    rules.write_text("groups: [{name: g, rules: [{alert: Many, expr: ml_window_rows > 5, labels: {severity: page}}]}]")
    prometheus = backends.prometheus(rule_files=[rules], alertmanagers=[alertmanager.url])
    send(prometheus.otlp, gauge("ml.window.rows", 7))
    until(lambda: [alert["labels"]["alertname"] for alert in alertmanager.alerts()] == ["Many"])
    assert alertmanager.alerts()[0]["labels"]["severity"] == "page"
    send(prometheus.otlp, gauge("ml.window.rows", 3))
    until(lambda: not alertmanager.alerts())
