"""OTLP in, by the SDK's own exporters and by hand: what is sent arrives, and each answer is said in OTLP's words."""

from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any

import grpc
import pytest
from gateway_serving import Serving, eventually, serving
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from driftmeter.gateway._inbound import METHODS, SIGNALS, Accepted, Malformed, Overloaded, Signal, Unavailable
from driftmeter.gateway.servers._answers import REQUESTS

PROTOBUF, JSON = "application/x-protobuf", "application/json"
REQUEST = b"\x0a\x00" * 3
"""Three empty resources: the same bytes for each signal."""
RESPONSES = {
    "metrics": ExportMetricsServiceResponse,
    "traces": ExportTraceServiceResponse,
    "logs": ExportLogsServiceResponse,
}


@pytest.fixture(scope="module")
def shared():
    with serving() as served:
        yield served


@pytest.fixture
def served(shared: Serving) -> Serving:
    shared.inbox.taken.clear()
    shared.inbox.answers.clear()
    shared.servers.gate.outcomes.clear()
    return shared


def post(
    served: Serving, signal: str, body: bytes, *, kind: str = PROTOBUF, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = HTTPConnection(served.http, timeout=20)
    connection.request(
        "POST",
        f"/v1/{signal}",
        body,
        {"Content-Type": kind} | {k.replace("_", "-"): v for k, v in headers.items()},
    )
    answer = connection.getresponse()
    read = (answer.status, dict(answer.headers), answer.read())
    connection.close()
    return read


def call(served: Serving, signal: Signal, body: bytes, **options: Any) -> bytes:
    with grpc.insecure_channel(served.grpc) as channel:
        return channel.unary_unary(METHODS[signal])(body, timeout=20, **options)


def refused(served: Serving, signal: Signal, body: bytes = REQUEST) -> tuple[grpc.StatusCode, Status, dict[str, Any]]:
    with pytest.raises(grpc.RpcError) as caught:
        call(served, signal, body)
    trailing = dict(caught.value.trailing_metadata())
    return caught.value.code(), Status.FromString(trailing["grpc-status-details-bin"]), trailing


EXPORTERS = {
    "grpc": (GrpcMetrics, GrpcSpans, GrpcLogs),
    "http": (HttpMetrics, HttpSpans, HttpLogs),
}
COMPRESSIONS = {"grpc": grpc.Compression.Gzip, "http": Compression.Gzip}


@pytest.mark.parametrize("compressed", [False, True], ids=["identity", "gzip"])
@pytest.mark.parametrize("protocol", EXPORTERS)
def test_what_the_sdks_exporters_send_arrives(served: Serving, protocol: str, compressed: bool) -> None:
    def made(index: int) -> Any:
        signal = SIGNALS[index]
        address = f"http://{served.grpc}" if protocol == "grpc" else f"http://{served.http}/v1/{signal}"
        return EXPORTERS[protocol][index](
            endpoint=address, compression=COMPRESSIONS[protocol] if compressed else None, timeout=20
        )

    meters = MeterProvider([PeriodicExportingMetricReader(made(0), export_interval_millis=3_600_000)])
    meters.get_meter("m").create_counter("hits").add(3)
    meters.force_flush()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(made(1)))
    tracers.get_tracer("t").start_span("predict").end()
    logs = LoggerProvider()
    logs.add_log_record_processor(SimpleLogRecordProcessor(made(2)))
    logs.get_logger("l").emit(LogRecord(body="it moved"))

    parsed = {signal: REQUESTS[signal].FromString(body) for signal, body in served.inbox.taken}
    assert parsed["metrics"].resource_metrics[0].scope_metrics[0].metrics[0].name == "hits"
    assert parsed["traces"].resource_spans[0].scope_spans[0].spans[0].name == "predict"
    assert parsed["logs"].resource_logs[0].scope_logs[0].log_records[0].body.string_value == "it moved"
    for provider in (meters, tracers, logs):
        provider.shutdown()


@pytest.mark.parametrize("protocol", EXPORTERS)
def test_an_exporter_that_is_told_to_come_back_does(served: Serving, protocol: str) -> None:
    served.inbox.answers = [Overloaded(reason="busy", retry_after=0.05)]
    address = f"http://{served.grpc}" if protocol == "grpc" else f"http://{served.http}/v1/traces"
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(EXPORTERS[protocol][1](endpoint=address, timeout=20)))
    tracers.get_tracer("t").start_span("predict").end()
    tracers.shutdown()
    assert served.inbox.last().resource_spans[0].scope_spans[0].spans[0].name == "predict"
    assert dict(served.servers.gate.outcomes) == {("traces", Overloaded): 1, ("traces", Accepted): 1}


@pytest.mark.parametrize("signal", SIGNALS)
def test_bytes_are_handed_on_as_they_came_also_unknown_fields(served: Serving, signal: Signal) -> None:
    unknown = REQUEST + b"\xfa\x3f\x03new"  # field 1023, three bytes
    assert call(served, signal, unknown) == b""
    assert post(served, signal, unknown)[::2] == (200, b"")
    assert call(served, signal, unknown, compression=grpc.Compression.Gzip) == b""
    assert post(served, signal, gzip.compress(unknown), Content_Encoding="gzip")[::2] == (200, b"")
    assert served.inbox.taken == [(signal, unknown)] * 4


@pytest.mark.parametrize("signal", SIGNALS)
def test_what_was_rejected_is_told_as_partial_success(served: Serving, signal: Signal) -> None:
    served.inbox.answers = [Accepted(rejected=3, message="no room for them")] * 3
    field = {"metrics": "rejected_data_points", "traces": "rejected_spans", "logs": "rejected_log_records"}[signal]
    for body in (call(served, signal, REQUEST), post(served, signal, REQUEST)[2]):
        partial = RESPONSES[signal].FromString(body).partial_success
        assert (getattr(partial, field), partial.error_message) == (3, "no room for them")
    status, headers, body = post(served, signal, b"{}", kind=JSON)
    camel = field.split("_")[0] + "".join(word.title() for word in field.split("_")[1:])
    assert (status, headers["Content-Type"]) == (200, JSON)
    assert json.loads(body) == {"partialSuccess": {camel: "3", "errorMessage": "no room for them"}}


def test_an_empty_json_request_is_answered_in_json(served: Serving) -> None:
    status, headers, body = post(served, "metrics", b"{}", kind=f"{JSON}; charset=utf-8")
    assert (status, headers["Content-Type"], body) == (200, JSON, b"{}")
    assert served.inbox.taken == [("metrics", b"")]


@pytest.mark.parametrize(
    ("answer", "code", "status"),
    [
        (Overloaded(reason="too much", retry_after=2.5), grpc.StatusCode.RESOURCE_EXHAUSTED, 429),
        (Unavailable(reason="the disk is full", retry_after=30), grpc.StatusCode.UNAVAILABLE, 503),
    ],
)
def test_a_refusal_that_passes_says_when_to_come_back(
    served: Serving, answer: Overloaded | Unavailable, code: grpc.StatusCode, status: int
) -> None:
    served.inbox.answers = [answer] * 3
    got, details, trailing = refused(served, "metrics")
    assert (got, details.code, details.message) == (code, code.value[0], answer.reason)
    info = RetryInfo()
    assert details.details[0].Unpack(info)
    assert info.retry_delay.ToTimedelta().total_seconds() == answer.retry_after
    # OpenTelemetry's own exporter for Python looks for it under this name.
    assert RetryInfo.FromString(trailing["google.rpc.retryinfo-bin"]) == info

    got_status, headers, body = post(served, "metrics", REQUEST)
    assert (got_status, headers["Content-Type"]) == (status, PROTOBUF)
    assert headers["Retry-After"] == {2.5: "3", 30: "30"}[answer.retry_after]
    assert Status.FromString(body) == details
    got_status, headers, body = post(served, "metrics", b"{}", kind=JSON)
    assert (got_status, headers["Content-Type"]) == (status, JSON)
    assert json.loads(body)["message"] == answer.reason


def test_a_malformed_request_is_not_to_be_sent_again(served: Serving) -> None:
    served.inbox.answers = [Malformed(reason="no metric has a name")] * 2
    code, details, trailing = refused(served, "metrics")
    assert (code, details.message) == (grpc.StatusCode.INVALID_ARGUMENT, "no metric has a name")
    assert not details.details
    assert "google.rpc.retryinfo-bin" not in trailing
    status, headers, body = post(served, "metrics", REQUEST)
    assert (status, Status.FromString(body)) == (400, details)
    assert "Retry-After" not in headers


def test_a_receiver_that_raises_is_answered_as_unavailable_and_logged(
    served: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    served.inbox.answers = [ZeroDivisionError("oops"), ZeroDivisionError("oops")]
    code, details, _trailing = refused(served, "logs")
    assert code is grpc.StatusCode.UNAVAILABLE
    assert "oops" not in details.message
    assert post(served, "logs", REQUEST)[0] == 503
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError] * 2


def test_a_client_that_leaves_does_not_stop_the_receiver(served: Serving) -> None:
    served.inbox.free.clear()
    with grpc.insecure_channel(served.grpc) as channel:
        pending = channel.unary_unary(METHODS["metrics"]).future(REQUEST)
        eventually(lambda: served.inbox.waiting == 1)
        pending.cancel()
    connection = HTTPConnection(served.http, timeout=20)
    connection.request("POST", "/v1/logs", REQUEST, {"Content-Type": PROTOBUF})
    eventually(lambda: served.inbox.waiting == 2)
    connection.close()
    assert served.servers.gate.bytes == 2 * len(REQUEST)
    served.inbox.free.set()
    eventually(lambda: len(served.inbox.taken) == 2)
    eventually(lambda: (served.servers.gate.requests, served.servers.gate.bytes) == (0, 0))


def test_many_clients_at_once_are_all_answered(served: Serving) -> None:
    bodies = [b"\x0a\x00" * number for number in range(1, 41)]
    with grpc.insecure_channel(served.grpc) as channel, ThreadPoolExecutor(16) as pool:
        method = channel.unary_unary(METHODS["metrics"])
        calls = [pool.submit(method, body, timeout=20) for body in bodies]
        posts = [pool.submit(post, served, "metrics", body) for body in bodies]
        assert [made.result() for made in calls] == [b""] * len(bodies)
        assert [made.result()[0] for made in posts] == [200] * len(bodies)
    assert sorted(body for _, body in served.inbox.taken) == sorted(bodies * 2)


def test_probes_tell_alive_from_ready(served: Serving) -> None:
    def get(path: str, method: str = "GET") -> tuple[int, bytes]:
        connection = HTTPConnection(served.http, timeout=20)
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()

    assert get("/healthz") == (200, b"ok\n")
    assert get("/readyz") == (200, b"ok\n")
    assert get("/readyz", "HEAD") == (200, b"")
    served.inbox.why_not_ready = "the disk is full"
    try:
        assert get("/healthz") == (200, b"ok\n")
        assert get("/readyz") == (503, b"the disk is full\n")
    finally:
        served.inbox.why_not_ready = ""
    assert get("/readyz", "DELETE")[0] == 405


@pytest.mark.parametrize(
    ("method", "path", "kind", "encoding", "status"),
    [
        ("POST", "/", PROTOBUF, "identity", 404),
        ("POST", "/v1/metrics/", PROTOBUF, "identity", 404),
        ("POST", "/v1/profiles", PROTOBUF, "identity", 404),
        ("GET", "/v1/metrics", PROTOBUF, "identity", 405),
        ("POST", "/v1/metrics", "text/plain", "identity", 415),
        ("POST", "/v1/metrics", PROTOBUF, "zstd", 415),
    ],
)
def test_what_otlp_does_not_have_is_told_by_its_status(
    served: Serving, method: str, path: str, kind: str, encoding: str, status: int
) -> None:
    connection = HTTPConnection(served.http, timeout=20)
    connection.request(method, path, REQUEST, {"Content-Type": kind, "Content-Encoding": encoding})
    assert connection.getresponse().status == status
    assert served.inbox.taken == []


def test_a_method_that_otlp_does_not_have_is_unimplemented(served: Serving) -> None:
    with grpc.insecure_channel(served.grpc) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/opentelemetry.proto.collector.metrics.v1.MetricsService/Import")(b"", timeout=20)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_drain_answers_what_is_in_hand_and_refuses_what_is_new() -> None:
    with serving() as served:
        kept = HTTPConnection(served.http, timeout=20)
        kept.request("GET", "/readyz")
        assert kept.getresponse().read() == b"ok\n"
        served.inbox.free.clear()
        with grpc.insecure_channel(served.grpc) as channel, ThreadPoolExecutor() as pool:
            called = channel.unary_unary(METHODS["metrics"]).future(REQUEST, timeout=20)
            posted = pool.submit(post, served, "logs", REQUEST)
            eventually(lambda: served.inbox.waiting == 2)
            stopped = pool.submit(served.loop.run, served.servers.stop(20))
            eventually(served.servers.gate.trouble)
            with pytest.raises(ConnectionError):
                post(served, "metrics", REQUEST)
            served.inbox.free.set()
            assert called.result() == b""
            assert posted.result()[0] == 200
            assert stopped.result() is True
        assert sorted(signal for signal, _ in served.inbox.taken) == ["logs", "metrics"]


def test_a_drain_ends_in_time_though_a_receiver_does_not() -> None:
    with serving() as served:
        served.inbox.free.clear()
        with grpc.insecure_channel(served.grpc) as channel:
            called = channel.unary_unary(METHODS["metrics"]).future(REQUEST, timeout=20)
            eventually(lambda: served.inbox.waiting == 1)
            assert served.loop.run(served.servers.stop(0.1)) is False
            assert called.code() is not grpc.StatusCode.OK
        served.inbox.free.set()
        eventually(lambda: served.servers.gate.requests == 0)
