"""Whatever is sent to the servers, nothing of it is taken for what it is not, and the next good request passes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

import grpc
import pytest
from gateway_hostile import GOOD, MARK, PROTOBUF, call, head, post, raw, serves_on
from gateway_serving import Serving, serving
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from driftmeter.gateway._inbound import SIGNALS, Signal
from driftmeter.gateway.servers._answers import REQUESTS, Refused
from driftmeter.gateway.servers._inflate import gunzip
from driftmeter.gateway.servers._json_body import to_protobuf

FUZZ = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
MIB = 1 << 20


@pytest.fixture(scope="module")
def shared() -> Iterator[Serving]:
    with serving(request_timeout=5, idle_timeout=5, max_request_bytes=MIB, max_decompressed_bytes=MIB) as served:
        yield served


@pytest.fixture
def served(shared: Serving) -> Iterator[Serving]:
    shared.inbox.taken.clear()
    yield shared
    assert (shared.servers.gate.requests, shared.servers.gate.bytes) == (0, 0)


LINES = st.sampled_from(
    [
        b"POST /v1/metrics HTTP/1.1",
        b"GET /healthz HTTP/1.0",
        b"POST /v1/metrics HTTP/0.9",
        b"Host: h",
        b"Content-Type: application/x-protobuf",
        b"Content-Type: application/json",
        b"Content-Encoding: gzip",
        b"Content-Length: 2",
        b"Content-Length: 99999999999999999999",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: gzip, chunked",
        b"Connection: keep-alive, Upgrade",
        b"Upgrade: websocket",
        b"Expect: 100-continue",
        b"2",
        b"0",
        b"",
        b": x",
        b" folded",
        GOOD,
    ]
)
HTTP = st.lists(st.one_of(LINES, st.binary(max_size=30)), max_size=12).map(b"\r\n".join)


@FUZZ
@given(data=st.one_of(HTTP, HTTP.map(lambda lines: head("Content-Length: 2") + GOOD + lines), st.binary(max_size=300)))
def test_any_bytes_at_the_http_port(served: Serving, data: bytes) -> None:
    raw(served.http, data, end=True)
    serves_on(served)
    # Among the bytes may be good requests; nothing else is taken.
    assert {body for _, body in served.inbox.taken} <= {b"", GOOD, MARK}
    served.inbox.taken.clear()


FRAMES = st.lists(
    st.one_of(
        st.builds(
            lambda size, kind, flags, stream, body: size.to_bytes(3, "big") + bytes([kind, flags]) + stream + body,
            st.integers(0, 40) | st.just(0xFFFFFF),
            st.integers(0, 12),
            st.integers(0, 255),
            st.sampled_from([bytes(4), b"\x00\x00\x00\x01", b"\xff\xff\xff\xff"]),
            st.binary(max_size=40),
        ),
        st.binary(max_size=30),
    ),
    max_size=8,
).map(b"".join)


@FUZZ
@given(data=FRAMES, begins=st.booleans())
def test_any_frames_at_the_grpc_port(served: Serving, data: bytes, begins: bool) -> None:
    raw(served.grpc, (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" if begins else b"") + data, end=True)
    assert served.inbox.taken == []
    serves_on(served)
    served.inbox.taken.clear()


BODIES = st.one_of(
    st.binary(max_size=200),
    st.binary(max_size=200).map(gzip.compress),
    st.builds(lambda body, cut: gzip.compress(body)[:cut], st.binary(max_size=200), st.integers(0, 60)),
    st.binary(max_size=50).map(lambda tail: b"\x1f\x8b\x08" + tail),
    st.binary(max_size=40).map(lambda body: b"\x0a" + bytes([len(body)]) + body),
)


@FUZZ
@given(body=BODIES, packed=st.booleans())
def test_any_body_is_taken_as_it_is_or_refused_for_good(served: Serving, body: bytes, packed: bool) -> None:
    compression = grpc.Compression.Gzip if packed else grpc.Compression.NoCompression
    code = call(served, body, compression=compression)
    taken = [bytes(body) for _, body in served.inbox.taken]
    if code is grpc.StatusCode.OK:
        assert taken in ([body], [gzip.decompress(body)] if body.startswith(b"\x1f\x8b\x08") else None)
    else:
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert taken == []
    served.inbox.taken.clear()
    for encoding in ("identity", "gzip"):
        assert post(served, body, Content_Encoding=encoding)[0] in {200, 400}
    served.inbox.taken.clear()
    serves_on(served)
    served.inbox.taken.clear()


NAMES = st.sampled_from(
    [
        "resourceMetrics",
        "resourceSpans",
        "resourceLogs",
        "scopeMetrics",
        "scopeSpans",
        "spans",
        "metrics",
        "name",
        "gauge",
        "dataPoints",
        "asInt",
        "asDouble",
        "attributes",
        "key",
        "value",
        "timeUnixNano",
        "traceId",
        "spanId",
        "x",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("00ff"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


def read_json(signal: Signal, text: bytes) -> bytes | None:
    """Return the request as protobuf; ``None`` when it is refused."""
    try:
        return to_protobuf(signal, text)
    except Refused:
        return None


@settings(max_examples=100)
@given(value=JSON, signal=st.sampled_from(SIGNALS))
def test_any_json_is_a_request_or_refused(value: object, signal: Signal) -> None:
    body = read_json(signal, json.dumps(value).encode())
    assert body is None or isinstance(value, dict)
    REQUESTS[signal].FromString(body or b"")


@settings(max_examples=100)
@given(text=st.binary(max_size=60), signal=st.sampled_from(SIGNALS))
def test_any_bytes_as_json_are_refused_unless_they_are_an_object(text: bytes, signal: Signal) -> None:
    assert read_json(signal, text) is None or isinstance(json.loads(text), dict)


@settings(max_examples=100)
@given(body=st.binary(max_size=3000), limit=st.integers(0, 3000))
def test_gzip_within_the_limit_is_unpacked_and_beyond_it_refused(body: bytes, limit: int) -> None:
    grown: list[int] = []
    if len(body) > limit:
        with pytest.raises(Refused, match=f"at most {limit} bytes"):
            gunzip(gzip.compress(body), limit=limit, grow=grown.append)
        return
    assert gunzip(gzip.compress(body), limit=limit, grow=grown.append) == body
    assert sum(grown) == len(body)


def test_what_is_unpacked_stops_where_there_is_no_room_for_it() -> None:
    room = [3 * MIB]

    def grow(size: int) -> None:
        room[0] -= size
        if room[0] < 0:
            raise MemoryError

    with pytest.raises(MemoryError):
        gunzip(gzip.compress(bytes(64 * MIB)), limit=64 * MIB, grow=grow)
    assert room[0] >= -MIB, "it was stopped at the first piece too many"


def test_the_kind_of_a_body_is_told_by_its_header_alone(served: Serving) -> None:
    assert post(served, GOOD, Content_Type=f"{PROTOBUF}; charset=utf-8")[0] == 200
    assert post(served, GOOD, Content_Type="application/json")[0] == 400
    assert post(served, b"{}", Content_Type=PROTOBUF)[0] == 400
