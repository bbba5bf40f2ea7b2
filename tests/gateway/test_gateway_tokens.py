"""Bearer tokens: only who has one is served, and is asked for it before anything else."""

from __future__ import annotations

import socket
from http.client import HTTPConnection
from pathlib import Path
from threading import Event

import grpc
import pytest
from gateway_serving import Serving, serving

from driftmeter.gateway import _watched
from driftmeter.gateway._inbound import METHODS

REQUEST = b"\x0a\x00"
PROTOCOLS = ("grpc", "http")


def bearing(served: Serving, protocol: str, authorization: str | None) -> int | grpc.StatusCode:
    """Return how a request with such a header is answered."""
    if protocol == "grpc":
        metadata = () if authorization is None else (("authorization", authorization),)
        with grpc.insecure_channel(served.grpc) as channel:
            _, call = channel.unary_unary(METHODS["logs"]).with_call(REQUEST, timeout=10, metadata=metadata)
            return call.code()
    connection = HTTPConnection(served.http, timeout=10)
    headers = {} if authorization is None else {"Authorization": authorization}
    connection.request("POST", "/v1/logs", REQUEST, {"Content-Type": "application/x-protobuf"} | headers)
    return connection.getresponse().status


def is_refused(served: Serving, protocol: str, authorization: str | None) -> bool:
    if protocol == "grpc":
        with pytest.raises(grpc.RpcError) as caught:
            bearing(served, protocol, authorization)
        return caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    return bearing(served, protocol, authorization) == 401


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_only_those_who_bear_a_known_token_are_served(tokens: Path, protocol: str) -> None:
    with serving(tokens=str(tokens)) as served:
        wrong = (None, "", "Bearer", "Bearer ", "Bearer first-toke", "Bearer first-token1", "Bearer # the replicas")
        for authorization in (*wrong, "Basic first-token", "first-token", "Bearer first-token second-token"):
            assert is_refused(served, protocol, authorization), authorization
        assert served.inbox.taken == []
        for authorization in ("Bearer first-token", "Bearer second-token", "bearer second-token"):
            bearing(served, protocol, authorization)
        assert len(served.inbox.taken) == 3


def test_a_token_is_asked_for_before_the_body_is_read(tokens: Path) -> None:
    with serving(tokens=str(tokens)) as served:
        host, port = served.http.split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(
                b"POST /v1/metrics HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-protobuf\r\n"
                b"Content-Length: 10000000\r\n\r\n"
            )
            assert connection.recv(100).startswith(b"HTTP/1.1 401 ")
        unsent = Event()
        with grpc.insecure_channel(served.grpc) as channel:
            # The first request of the stream does not come before the answer is there.
            call = channel.stream_unary(METHODS["metrics"]).future(iter(unsent.wait, True), timeout=10)
            assert call.code() is grpc.StatusCode.UNAUTHENTICATED
            unsent.set()


def test_probes_need_no_token(tokens: Path) -> None:
    with serving(tokens=str(tokens)) as served:
        connection = HTTPConnection(served.http, timeout=10)
        connection.request("GET", "/readyz")
        assert connection.getresponse().status == 200


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_tokens_that_are_replaced_hold_from_then_on(
    tokens: Path, protocol: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_watched, "LOOK_AGAIN", 0.0)
    with serving(tokens=str(tokens)) as served:
        bearing(served, protocol, "Bearer first-token")
        tokens.write_text("third-token\n")
        assert is_refused(served, protocol, "Bearer first-token")
        bearing(served, protocol, "Bearer third-token")
        tokens.write_text("\n")
        bearing(served, protocol, "Bearer third-token")
    assert "the tokens stay as they were" in caplog.text
    assert "third-token" not in caplog.text
