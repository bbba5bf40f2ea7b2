"""Forwarding to the user's endpoint: a real HTTP receiver and a real gRPC server."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc

from driftmeter.demo import _forward
from driftmeter.demo._forward import Forwarder
from driftmeter.demo._receiver import Delivery
from driftmeter.gateway.sender._target import Target


@pytest.fixture
def delivery(otlp):
    message = otlp.metrics([("ml.window.rows", {}, 12)])
    return Delivery("metrics", message.SerializeToString(), message)


def test_http_carries_the_same_bytes(receiver, delivery):
    forwarder = Forwarder(
        {"metrics": Target(signal="metrics", protocol="http/protobuf", endpoint=f"{receiver.endpoint}/v1/metrics")}
    )
    forwarder.put(delivery)
    forwarder.close()
    assert receiver.delivered == [delivery]


def test_a_signal_without_a_target_is_left_out(receiver, delivery):
    forwarder = Forwarder(
        {"logs": Target(signal="logs", protocol="http/protobuf", endpoint=f"{receiver.endpoint}/v1/logs")}
    )
    forwarder.put(delivery)
    forwarder.close()
    assert receiver.delivered == []


class _Metrics(metrics_service_pb2_grpc.MetricsServiceServicer):
    def __init__(self):
        self.got = []

    def Export(self, request, context):  # noqa: N802
        self.got.append((request, dict(context.invocation_metadata())))
        return metrics_service_pb2.ExportMetricsServiceResponse()


def test_grpc_carries_the_same_message_and_the_headers(delivery):
    service, server = _Metrics(), grpc.server(ThreadPoolExecutor(2))
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    forwarder = Forwarder(
        {"metrics": Target(signal="metrics", endpoint=f"http://127.0.0.1:{port}", headers={"API-Key": "abc"})}
    )
    forwarder.put(delivery)
    forwarder.close()
    server.stop(None)
    [(request, metadata)] = service.got
    assert request == delivery.message
    assert metadata["api-key"] == "abc"


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_an_endpoint_that_nobody_listens_at_is_one_log_line(delivery, caplog, protocol):
    forwarder = Forwarder(
        {"metrics": Target(signal="metrics", protocol=protocol, endpoint="http://127.0.0.1:9", timeout=1.0)}
    )
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            forwarder.put(delivery)
        forwarder.close(timeout=10)
    [record] = [record for record in caplog.records if record.name.startswith("driftmeter")]
    assert "http://127.0.0.1:9" in record.getMessage()
    assert "\n" not in record.getMessage()


def test_a_slow_endpoint_never_blocks_the_caller(delivery, monkeypatch, caplog):
    released = Event()

    class _Slow:
        def __init__(self, target):
            pass

        def send(self, delivery):
            released.wait(10)

        def close(self):
            pass

    monkeypatch.setattr(_forward, "_HttpSender", _Slow)
    forwarder = Forwarder({"metrics": Target(signal="metrics", protocol="http/protobuf", endpoint="http://slow")})
    for _ in range(_forward.MAX_WAITING + 10):
        forwarder.put(delivery)
    assert "too slow" in caplog.text
    released.set()
    forwarder.close(timeout=10)
