"""The backends themselves: they start on free ports, take OTLP, stop, and go on with what they had."""

from __future__ import annotations

import time
import urllib.error
import urllib.request

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from backend_kit import OPENER, free_port, until


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


def test_what_a_collector_cannot_send_is_told(backends, kit):
    files = [kit.configs / "direct.yaml", kit.configs / "backends" / "otlp.yaml"]
    settings = {"exporters::otlp_http/backend::retry_on_failure::enabled": False}
    environ = {"BACKEND_OTLP": f"http://127.0.0.1:{free_port()}"}
    collector = backends.collector(*files, environ=environ, settings=settings)
    assert collector.lost() == {}
    send(collector.http, gauge("ml.window.rows", 7))
    until(lambda: collector.lost() == {"otelcol_exporter_send_failed_metric_points": 1}, otherwise=collector.log)


def test_what_prometheus_refuses_is_told(prometheus):
    assert prometheus.refused() == 0
    send(prometheus.otlp, gauge("ml.window.rows", 7))
    assert prometheus.refused() == 0
    with pytest.raises(urllib.error.HTTPError):
        send(prometheus.otlp, b"no protobuf")
    assert prometheus.refused() == 1
