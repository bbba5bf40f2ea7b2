"""A fleet: a collector with fleet/front.yaml, two gateways, a collector with fleet/egress.yaml, Prometheus, Jaeger."""

from __future__ import annotations

import signal
import time

import numpy as np
import pytest
import trustme
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sent_sketches import SECOND, metrics, of, send

from backend_kit import until

SERVICES = [f"service-{at}" for at in range(12)]


class Fleet:
    """What fleet/ is about."""

    def __init__(self, backends, kit, prometheus, jaeger):
        files = [
            kit.configs / name for name in ("fleet/egress.yaml", "backends/prometheus.yaml", "backends/traces.yaml")
        ]
        environ = {"PROMETHEUS_OTLP": prometheus.otlp, "TRACES_OTLP": jaeger.otlp}
        self.egress = backends.collector(*files, environ=environ)
        self.gateways = [
            backends.gateway(self.egress.grpc, OTEL_RESOURCE_ATTRIBUTES=f"service.instance.id={at}") for at in "ab"
        ]
        gateways = ", ".join(gateway.grpc for gateway in self.gateways)
        environ = {"GATEWAYS": f"[{gateways}]", "EGRESS": self.egress.grpc.removeprefix("http://")}
        self.front = backends.collector(kit.configs / "fleet" / "front.yaml", environ=environ)

    def send(self, signal, message):
        send(self.front.http, signal, message)

    def log(self):
        return "\n".join(part.log() for part in (self.front, *self.gateways, self.egress))


@pytest.fixture
def fleet(backends, kit, prometheus, jaeger):
    return Fleet(backends, kit, prometheus, jaeger)


def by_gateway(prometheus, expression):
    return prometheus.values(f"sum by (instance) ({expression})", "instance")


def test_replicas_of_a_service_meet_in_one_gateway_and_services_are_shared_out(fleet, prometheus):
    start = time.time_ns() // SECOND * SECOND - SECOND
    for service in SERVICES:
        for replica in range(3):
            fleet.send("metrics", metrics(service, replica, start=start, values=np.arange(1, 101)))
    merged = "sum by (job) (histogram_count(ml_column_value))"
    until(lambda: prometheus.values(merged, "job") == dict.fromkeys(SERVICES, 300), otherwise=fleet.log)
    assert len(prometheus.query("ml_column_value")) == len(SERVICES)
    until(lambda: prometheus.values("max_over_time(ml_window_rows[5m])", "job") == dict.fromkeys(SERVICES, 300))
    until(lambda: sum(by_gateway(prometheus, "driftmeter_gateway_models").values()) == len(SERVICES))
    shares = by_gateway(prometheus, "driftmeter_gateway_models")
    assert set(shares) == {"a", "b"}
    assert min(shares.values()) > 0
    counted = by_gateway(prometheus, "driftmeter_gateway_points_total{driftmeter_outcome='counted'}")
    # Of each replica a sketch and a count of missing values.
    assert counted == {name: 2 * 3 * share for name, share in shares.items()}
    for collector in (fleet.front, fleet.egress):
        assert collector.lost() == {}
    assert prometheus.refused() == 0


def test_a_service_s_logs_come_to_the_gateway_of_its_metrics(fleet, prometheus):
    for service in SERVICES[:4]:
        start = time.time_ns() // SECOND * SECOND
        fleet.send("metrics", metrics(service, 0, start=start, values=[1, 2, 3]))
        logs = ExportLogsServiceRequest()
        resource_logs = logs.resource_logs.add()
        resource_logs.scope_logs.add().log_records.add(event_name="outcome", time_unix_nano=start)
        before = sum(by_gateway(prometheus, requests("logs")).values())
        fleet.send("logs", of(service, 0, logs, resource_logs.resource))
        until(lambda: sum(by_gateway(prometheus, requests("logs")).values()) == before + 1, otherwise=fleet.log)  # noqa: B023
    models = by_gateway(prometheus, "driftmeter_gateway_models")
    logs = by_gateway(prometheus, requests("logs"))
    assert {name: count for name, count in models.items() if count} == {
        name: count for name, count in logs.items() if count
    }


def requests(signal):
    return f"driftmeter_gateway_requests_total{{driftmeter_signal='{signal}',driftmeter_outcome='accepted'}}"


def test_a_gateway_that_was_killed_gets_what_waited_for_it(fleet, prometheus):
    start = time.time_ns() // SECOND * SECOND - 2 * SECOND
    for gateway in fleet.gateways:
        gateway.stop(signal.SIGKILL)
    for at in range(2):
        for service in SERVICES:
            fleet.send("metrics", metrics(service, at, start=start + at * SECOND, values=[1, 2, 3]))
    for gateway in fleet.gateways:
        gateway.start()
    merged = "sum by (job) (histogram_count(ml_column_value))"
    until(lambda: prometheus.values(merged, "job") == dict.fromkeys(SERVICES, 6), seconds=60, otherwise=fleet.log)
    assert fleet.front.lost() == {}


def test_traces_go_past_the_gateways(fleet, jaeger):
    message = ExportTraceServiceRequest()
    resource_spans = message.resource_spans.add()
    now = time.time_ns()
    resource_spans.scope_spans.add().spans.add(
        name="predict", trace_id=b"t" * 16, span_id=b"s" * 8, start_time_unix_nano=now - 1000, end_time_unix_nano=now
    )
    for gateway in fleet.gateways:
        gateway.stop()
    fleet.send("traces", of("service", 0, message, resource_spans.resource))
    until(lambda: [span["operationName"] for span in jaeger.spans("service")] == ["predict"], otherwise=fleet.log)


def test_gateways_that_ask_for_tls_and_a_token_get_both(backends, kit, prometheus, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "tls.key")
    for pem in certificate.cert_chain_pems:
        pem.write_to_path(tmp_path / "tls.crt", append=True)
    (tmp_path / "token").write_text("a-token-of-some-length")
    egress = backends.collector(
        kit.configs / "fleet" / "egress.yaml",
        kit.configs / "backends" / "prometheus.yaml",
        environ={"PROMETHEUS_OTLP": prometheus.otlp},
    )
    keys = {"TLS_CERTIFICATE": "tls.crt", "TLS_KEY": "tls.key", "TOKENS": "token"}
    secured = {f"DRIFTMETER_GATEWAY_{key}": str(tmp_path / name) for key, name in keys.items()}
    gateway = backends.gateway(egress.grpc, authority=tmp_path / "ca.crt", **secured)
    front = backends.collector(
        kit.configs / "fleet" / "front.yaml",
        kit.configs / "fleet" / "secure.yaml",
        environ={
            "GATEWAYS": f"[{gateway.grpc}]",
            "GATEWAY_TOKEN": str(tmp_path / "token"),
            "GATEWAY_CA": str(tmp_path / "ca.crt"),
        },
    )
    start = time.time_ns() // SECOND * SECOND
    send(front.http, "metrics", metrics("service", 0, start=start, values=[1, 2, 3]))
    until(lambda: prometheus.values("histogram_count(ml_column_value)") == {"": 3}, otherwise=gateway.log)
    assert front.lost() == {}
