"""What strangers send: each is refused, and the next good request passes."""

from __future__ import annotations

import gzip
import json
import socket
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import grpc
import pytest
from gateway_hostile import GOOD, answered, bomb, call, head, post, raw, serves_on
from gateway_serving import Serving, eventually, serving
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from driftmeter.gateway._inbound import METHODS

MIB = 1 << 20


@pytest.fixture(scope="module")
def shared() -> Iterator[Serving]:
    with serving(max_request_bytes=2 * MIB, max_decompressed_bytes=8 * MIB, max_json_bytes=MIB) as served:
        yield served


@pytest.fixture
def served(shared: Serving) -> Iterator[Serving]:
    shared.inbox.taken.clear()
    shared.servers.gate.outcomes.clear()
    yield shared
    serves_on(shared)
    eventually(lambda: (shared.servers.gate.requests, shared.servers.gate.bytes) == (0, 0))


def test_a_gigabyte_in_a_megabyte_is_refused_long_before_it_is_unpacked(served: Serving) -> None:
    packed = bomb(1 << 30)
    assert len(packed) < 1.1 * MIB
    tracemalloc.start()
    try:
        assert post(served, packed, Content_Encoding="gzip")[0] == 413
        # To gRPC it is a message that is not compressed, so that its own library does not pack it once more.
        assert call(served, packed) is grpc.StatusCode.RESOURCE_EXHAUSTED
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 32 * MIB
    assert served.inbox.taken == []


def test_what_grpc_itself_packed_is_measured_unpacked(served: Serving) -> None:
    assert call(served, bytes(64 * MIB), compression=grpc.Compression.Gzip) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert served.inbox.taken == []


def test_a_bomb_in_json_is_refused(served: Serving) -> None:
    assert post(served, bomb(64 * MIB), Content_Encoding="gzip", Content_Type="application/json")[0] == 413


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(GOOD)[:-1],
        gzip.compress(GOOD) + b"more",
        gzip.compress(GOOD) + gzip.compress(GOOD),
        b"\x1f\x8b\x08",
        gzip.compress(GOOD)[:-8] + bytes(8),
        gzip.compress(gzip.compress(GOOD)),
        b"not gzip",
        b"",
    ],
    ids=["cut off", "goes on", "two", "header only", "wrong checksum", "twice", "something else", "nothing"],
)
def test_what_is_no_gzip_of_a_request_is_malformed(served: Serving, body: bytes) -> None:
    assert post(served, body, Content_Encoding="gzip")[0] == 400
    if body.startswith(b"\x1f\x8b\x08"):
        assert call(served, body) is grpc.StatusCode.INVALID_ARGUMENT
    assert served.inbox.taken == []


def test_too_large_a_request_is_refused_and_not_read(served: Serving) -> None:
    large = GOOD * (2 * MIB)
    assert call(served, large) is grpc.StatusCode.RESOURCE_EXHAUSTED
    answer = answered(served.http, head(f"Content-Length: {1 << 40}"))
    assert answer.startswith(b"HTTP/1.1 413 ")
    chunk = b"100000\r\n" + bytes(MIB) + b"\r\n"
    answer = answered(served.http, head("Transfer-Encoding: chunked") + chunk * 3)
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_an_attribute_of_megabytes_within_the_limit_is_the_receivers_to_judge(served: Serving) -> None:
    # resource_metrics { resource { attributes { key: "k", value { string_value: "xxx..." } } } }
    def field(number: int, content: bytes) -> bytes:
        size, varint = len(content), b""
        while size > 0x7F:
            varint += bytes([size & 0x7F | 0x80])
            size >>= 7
        return bytes([number << 3 | 2]) + varint + bytes([size]) + content

    value = field(1, b"x" * (3 * MIB // 2))
    body = field(1, field(1, field(1, field(1, b"k") + field(2, value))))
    assert post(served, body)[0] == 200
    assert call(served, body) is grpc.StatusCode.OK
    assert [taken for _, taken in served.inbox.taken] == [body, body]


@pytest.mark.parametrize("size", [17_000, 10 * MIB])
def test_headers_beyond_the_limit_are_refused(served: Serving, size: int) -> None:
    answer = raw(served.http, head(f"X-Large: {'x' * size}", "Content-Length: 2") + GOOD)
    assert answer.startswith((b"HTTP/1.0 400 ", b"HTTP/1.1 431 ")) or not answer
    metadata = (("x-large", "x" * size),)
    assert call(served, GOOD, metadata=metadata) is not grpc.StatusCode.OK
    assert served.inbox.taken == []


def test_many_small_headers_count_together(served: Serving) -> None:
    lines = [f"X-{number}: {'x' * 200}" for number in range(100)]
    answer = raw(served.http, head(*lines, "Content-Length: 2") + GOOD)
    assert answer.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "data",
    [
        head("Content-Length: 100") + GOOD,
        head("Transfer-Encoding: chunked") + b"64\r\n" + GOOD,
        head("Transfer-Encoding: chunked") + b"2\r\n" + GOOD + b"\r\n",
        b"POST /v1/metrics HTTP/1.1\r\nHost: h\r\n",
        b"POST",
        b"",
    ],
    ids=["body", "chunk", "last chunk", "head", "line", "nothing"],
)
def test_what_breaks_off_is_not_taken(served: Serving, data: bytes) -> None:
    raw(served.http, data, end=True)
    assert served.inbox.taken == []


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
OPEN_HEAD = bytes([0, 0, 2, 1, 0, 0, 0, 0, 1]) + b"\x83\x86"
"""Of the first call: POST and http, and it is not the end."""
NO_MORE_OF_IT = bytes([0, 0, 0, 9, 0, 0, 0, 0, 1])
"""How a client of HTTP/2 begins, and a frame of settings that sets nothing."""
SMUGGLED = b"POST /v1/logs HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    "data",
    [
        head("Content-Length: 2", "Transfer-Encoding: chunked") + b"0\r\n\r\n" + SMUGGLED,
        head("Transfer-Encoding: chunked", "Content-Length: 2") + b"0\r\n\r\n" + SMUGGLED,
        head("Content-Length: 2", "Content-Length: 4") + GOOD + SMUGGLED,
        head("Content-Length: 2, 2") + GOOD + SMUGGLED,
        head("Content-Length: +2") + GOOD + SMUGGLED,
        head("Content-Length: -2") + GOOD + SMUGGLED,
        head("Content-Length: 0x2") + GOOD + SMUGGLED,
        head("Content-Length: ") + GOOD + SMUGGLED,
        head("Content-Length : 2") + GOOD + SMUGGLED,
        head("Transfer-Encoding: chunked, identity") + b"0\r\n\r\n" + SMUGGLED,
        head("Transfer-Encoding: xchunked") + b"0\r\n\r\n" + SMUGGLED,
        head("Transfer-Encoding: chunked") + b"-1\r\n\r\n" + SMUGGLED,
        head("Transfer-Encoding: chunked") + b"ffffffffffffffffff\r\n" + SMUGGLED,
        head("Transfer-Encoding: chunked") + b"2;\n" + GOOD + b"\r\n0\r\n\r\n" + SMUGGLED,
        head("X: a\r\n b", "Content-Length: 2") + GOOD + SMUGGLED,
        head("X: a\rContent-Length: 0", "Content-Length: 2") + GOOD + SMUGGLED,
        head("X: \x00", "Content-Length: 2") + GOOD + SMUGGLED,
        head("Upgrade: h2c", "Connection: Upgrade", "Content-Length: x") + SMUGGLED,
        b"GET / HTTP/1.1 HTTP/1.1\r\nHost: h\r\n\r\n" + SMUGGLED,
        b"POST /v1/metrics HTTP/9.9\r\nHost: h\r\n\r\n" + SMUGGLED,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SMUGGLED,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + SMUGGLED,
        bytes(range(256)) * 10 + SMUGGLED,
    ],
)
def test_what_can_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_taken(served: Serving, data: bytes) -> None:
    answer = raw(served.http, data)
    assert answer.startswith((b"HTTP/1.0 400 ", b"HTTP/1.1 400 "))
    assert answer.count(b"\r\nDate: ") == 1, "nothing behind it is answered"
    assert [signal for signal, _ in served.inbox.taken] == []


def test_requests_one_behind_the_other_are_all_answered(served: Serving) -> None:
    whole = head("Content-Length: 2") + GOOD
    answer = raw(served.http, whole * 50 + head("Content-Length: 2", "Connection: close") + GOOD)
    assert answer.count(b"HTTP/1.1 200 OK") == 51
    assert served.inbox.taken == [("metrics", GOOD)] * 51


def test_a_client_that_asks_first_is_told_to_go_on_or_not(served: Serving) -> None:
    host, port = served.http.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head("Content-Length: 2", "Expect: 100-continue"))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(GOOD)
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
    answer = answered(served.http, head(f"Content-Length: {1 << 30}", "Expect: 100-continue"))
    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "data",
    [
        b"\x00" * 1000,
        b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 1000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
        + bytes([0xFF, 0xFF, 0xFF, 1, 4, 0, 0, 0, 1]),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
        + bytes([0, 0, 4, 8, 0, 0, 0, 0, 0]) * 9,
    ],
    ids=["zeros", "HTTP/1.1", "no frames", "endless headers", "windows of nothing"],
)
def test_what_is_no_http_2_does_not_disturb_grpc(served: Serving, data: bytes) -> None:
    raw(served.grpc, data, end=True)
    assert served.inbox.taken == []


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "null",
        "5",
        '"x"',
        "[" * 100_000,
        '{"a":' * 50_000,
        '{"resourceMetrics": 5}',
        '{"resourceMetrics": [null]}',
        '{"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "\\ud800"}]}]}]}',
        '{"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": 5}]}]}]}',
        '{"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"gauge": {"dataPoints": [{"timeUnixNano": 1e99}]}}]}]}]}',
        '{"resourceMetrics": [{"traceId": 5}]}',
        '{"resourceMetrics": [{"spanId": "xy"}]}',
        '{"x": ' + "9" * 5000 + "}",
        "\x00",
    ],
)
def test_what_is_no_otlp_json_is_malformed_and_told_why(served: Serving, text: str) -> None:
    status, body = post(served, text.encode(), Content_Type="application/json")
    assert status == 400
    said = json.loads(body)
    assert said["code"] == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert 0 < len(said["message"]) <= 500
    assert served.inbox.taken == []


def test_more_json_than_the_limit_is_refused(served: Serving) -> None:
    assert post(served, b" " * (MIB + 1), Content_Type="application/json")[0] == 413


def test_json_may_hold_fields_that_are_not_known_and_ids_are_hexadecimal(served: Serving) -> None:
    ids = {"traceId": "00112233445566778899aabbccddeeff", "spanId": "0123456789ABCDEF"}
    named = {"key": "traceId", "value": {"stringValue": "not hex"}}
    point = {"asInt": "3", "exemplars": [ids | {"asDouble": 1.5}], "attributes": [named], "newField": [1, {}]}
    request = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "n", "gauge": {"dataPoints": [point]}}]}]}]}
    assert post(served, json.dumps(request).encode(), Content_Type="application/json") == (200, b"{}")
    [read] = served.inbox.last().resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points
    assert read.exemplars[0].trace_id.hex() == ids["traceId"]
    assert read.exemplars[0].span_id.hex() == ids["spanId"].lower()
    assert (read.as_int, read.attributes[0].key, read.attributes[0].value.string_value) == (3, "traceId", "not hex")


def trickle(connection: socket.socket) -> float:
    """Send a head that does not end; return after how many seconds nothing is taken any more."""
    began = time.monotonic()
    while time.monotonic() < began + 10:
        try:
            connection.sendall(b"P")
        except ConnectionError:
            return time.monotonic() - began
        time.sleep(0.02)
    raise AssertionError("all of it was taken, for ten seconds")


def test_what_comes_too_slowly_is_given_up() -> None:
    with serving(request_timeout=0.3, idle_timeout=0.6) as served:
        host, port = served.http.split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(head("Content-Length: 2") + GOOD[:1])
            assert connection.recv(100).startswith(b"HTTP/1.1 408 ")
        never = Event()
        with grpc.insecure_channel(served.grpc) as channel:
            unsent = channel.stream_unary(METHODS["metrics"]).future(iter(never.wait, True), timeout=10)
            assert unsent.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            assert "must arrive within 0.3 s" in unsent.details()
            never.set()
        serves_on(served)


def gone(connection: socket.socket, more: bytes) -> bool:
    """Send some more, and say whether the other side has closed."""
    try:
        connection.sendall(more)
        return not connection.recv(1000)
    except TimeoutError:
        return False
    except ConnectionError:
        return True


@pytest.mark.parametrize("start", [b"POST /v1/", b"POST /v1/metrics HTTP/1.1\r\nX: "], ids=["a line", "a header"])
def test_a_connection_whose_first_head_trickles_in_is_closed_long_before_an_idle_one(start: bytes) -> None:
    with serving(request_timeout=0.3, idle_timeout=60) as served:
        host, port = served.http.split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(start)
            assert trickle(connection) >= 0.2
        serves_on(served)


def test_a_connection_that_sent_a_request_may_wait_for_the_next_one_and_trickle_no_longer_than_idle() -> None:
    with serving(request_timeout=0.2, idle_timeout=1.5) as served:
        host, port = served.http.split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            for _ in range(2):
                connection.sendall(head("Content-Length: 2") + GOOD)
                assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
                time.sleep(0.4)
            connection.sendall(b"POST /v1/")
            assert trickle(connection) >= 0.5


@pytest.mark.parametrize(
    ("greeting", "more"), [(PREFACE, b""), (PREFACE + OPEN_HEAD, NO_MORE_OF_IT)], ids=["no call", "a call's head"]
)
def test_a_grpc_connection_whose_head_does_not_come_is_closed_as_an_idle_one(greeting: bytes, more: bytes) -> None:
    with serving(idle_timeout=0.5) as served:
        host, port = served.grpc.split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(greeting)
            connection.settimeout(0.05)
            eventually(lambda: gone(connection, more))
        serves_on(served)


def test_more_requests_than_the_limit_are_told_to_come_back() -> None:
    with serving(max_requests=2) as served, grpc.insecure_channel(served.grpc) as channel:
        served.inbox.free.clear()
        held = [channel.unary_unary(METHODS["metrics"]).future(GOOD, timeout=20) for _ in range(2)]
        eventually(lambda: served.inbox.waiting == 2)
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(METHODS["metrics"])(GOOD, timeout=20)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        status = Status.FromString(dict(caught.value.trailing_metadata())["grpc-status-details-bin"])
        assert status.details[0].Unpack(RetryInfo())
        answer = raw(served.http, head("Content-Length: 2", "Connection: close") + GOOD)
        assert answer.startswith(b"HTTP/1.1 429 ")
        assert b"Retry-After: 1\r\n" in answer
        served.inbox.free.set()
        assert [call.result() for call in held] == [b"", b""]
        serves_on(served)


def test_more_bytes_than_the_limit_are_told_to_come_back() -> None:
    size = 300_000
    body = GOOD * (size // 2)
    with serving(max_bytes=MIB, max_request_bytes=MIB) as served, ThreadPoolExecutor() as pool:
        served.inbox.free.clear()
        held = [pool.submit(post, served, body) for _ in range(3)]
        eventually(lambda: served.servers.gate.bytes == 3 * size)
        assert post(served, body)[0] == 429
        assert call(served, body) is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert post(served, bomb(4 * MIB), Content_Encoding="gzip")[0] == 429
        assert served.servers.gate.bytes == 3 * size
        served.inbox.free.set()
        assert [made.result()[0] for made in held] == [200, 200, 200]
        serves_on(served)


def test_more_connections_than_the_limit_are_closed() -> None:
    with serving(max_connections=3) as served:
        kept = []
        for address, greeting in (
            (served.http, b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"),
            (served.grpc, PREFACE),
        ):
            host, port = address.split(":")
            for _ in range(3):
                connection = socket.create_connection((host, int(port)), timeout=10)
                connection.sendall(greeting)
                assert connection.recv(1000)
                kept.append(connection)
            assert raw(address, greeting) == b""
        for connection in kept:
            connection.close()
        eventually(lambda: raw(served.http, b"GET /healthz HTTP/1.0\r\n\r\n"))
        eventually(lambda: call(served, GOOD) is grpc.StatusCode.OK)
        serves_on(served)
