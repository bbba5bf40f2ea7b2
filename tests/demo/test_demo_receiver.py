"""The receiver over real HTTP."""

from __future__ import annotations

import gzip
import socket
import struct
import threading
import time
import zlib

import httpx
import pytest

from driftmeter.demo import _receiver

PROTOBUF = {"Content-Type": "application/x-protobuf"}


@pytest.fixture
def message(otlp):
    return otlp.metrics([("ml.window.rows", {}, 12)])


@pytest.mark.parametrize(
    ("encoding", "pack"), [(None, bytes), ("gzip", gzip.compress), ("deflate", zlib.compress)], ids=str
)
def test_a_request_is_delivered_as_it_was_sent(receiver, message, encoding, pack):
    headers = {**PROTOBUF, **({"Content-Encoding": encoding} if encoding else {})}
    body = pack(message.SerializeToString())
    response = httpx.post(f"{receiver.endpoint}/v1/metrics", content=body, headers=headers)
    assert (response.status_code, response.content) == (200, b"")
    [delivery] = receiver.delivered
    assert delivery.signal == "metrics"
    assert delivery.message == message
    assert delivery.body == message.SerializeToString()


@pytest.mark.parametrize("signal", ["traces", "metrics", "logs"])
def test_each_signal_has_its_path(receiver, otlp, signal):
    message = {
        "traces": otlp.spans([(1000.5, 0.01)]),
        "metrics": otlp.metrics([("ml.window.rows", {}, 12)]),
        "logs": otlp.events([("ml.skew.detected", {}, "temp: warmer", 1000.0)]),
    }[signal]
    response = httpx.post(f"{receiver.endpoint}/v1/{signal}", content=message.SerializeToString(), headers=PROTOBUF)
    assert response.status_code == 200
    assert [delivery.message for delivery in receiver.delivered] == [message]


@pytest.mark.parametrize(
    ("path", "headers", "body", "status"),
    [
        ("/v1/profiles", PROTOBUF, b"", 404),
        ("/v1/metrics", {"Content-Type": "application/json"}, b"{}", 415),
        ("/v1/metrics", {**PROTOBUF, "Content-Encoding": "br"}, b"", 415),
        ("/v1/metrics", PROTOBUF, b"\xff\xff not protobuf", 400),
        ("/v1/metrics", {**PROTOBUF, "Content-Encoding": "gzip"}, b"not gzip", 400),
        ("/v1/metrics", {**PROTOBUF, "Content-Encoding": "gzip"}, gzip.compress(b"cut short" * 100)[:-12], 400),
    ],
)
def test_what_cannot_be_read_is_refused_and_not_delivered(receiver, path, headers, body, status):
    response = httpx.post(f"{receiver.endpoint}{path}", content=body, headers=headers)
    assert response.status_code == status
    assert not receiver.delivered


def test_a_body_without_a_length_is_refused(receiver):
    response = httpx.post(f"{receiver.endpoint}/v1/metrics", content=iter([b"x"]), headers=PROTOBUF)
    assert response.status_code == 411


def test_a_small_body_that_unpacks_to_too_much_is_refused(receiver, monkeypatch):
    monkeypatch.setattr(_receiver, "MAX_BODY", 10_000)
    headers = {**PROTOBUF, "Content-Encoding": "gzip"}
    packed = gzip.compress(bytes(100_000))
    assert len(packed) < 10_000
    assert httpx.post(f"{receiver.endpoint}/v1/metrics", content=packed, headers=headers).status_code == 413
    too_long = httpx.post(f"{receiver.endpoint}/v1/metrics", content=bytes(10_001), headers=PROTOBUF)
    assert too_long.status_code == 413


def test_one_connection_carries_many_requests(receiver, message):
    with httpx.Client(headers=PROTOBUF) as client:
        for _ in range(5):
            client.post(f"{receiver.endpoint}/v1/metrics", content=message.SerializeToString()).raise_for_status()
    assert len(receiver.delivered) == 5


def test_a_client_that_resets_its_connection_leaves_nothing_in_the_terminal(receiver, message, capfd):
    _, port = receiver.endpoint.rsplit(":", 1)
    before = threading.active_count()
    with socket.create_connection(("127.0.0.1", int(port)), timeout=5) as client:
        body = message.SerializeToString()
        head = (
            f"POST /v1/metrics HTTP/1.1\r\nContent-Type: application/x-protobuf\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        client.sendall(head.encode() + body)
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
        # To close without the usual exchange, which is what the system does for a process that was killed.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.01)
    assert threading.active_count() == before
    assert capfd.readouterr() == ("", "")
