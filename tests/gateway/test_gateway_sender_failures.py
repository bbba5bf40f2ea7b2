"""A backend by HTTP, as misbehaved as it can be, and what the sender makes of it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from gateway_sending import sending

from driftmeter import ConfigError
from driftmeter.gateway import _extra
from driftmeter.gateway._inbound import Signal
from driftmeter.gateway.sender._target import Target

ONE, TWO = b"\x0a\x02\x12\x00", b"\x0a\x04\x12\x00\x12\x00"


@contextmanager
def backend(respond: Callable[[BaseHTTPRequestHandler, bytes], None]) -> Iterator[tuple[str, list[bytes]]]:
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            bodies.append(body)
            respond(self, body)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", bodies
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    handler.send_response(status)
    for name, value in ({"Content-Type": "application/x-protobuf"} | headers).items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def http(endpoint: str) -> dict[Signal, Target]:
    return {"logs": Target(signal="logs", endpoint=endpoint, protocol="http/protobuf", timeout=2)}


def reset(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
    # Closed with data unsent and no lingering, a socket is reset.
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def cut(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def junk(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
    handler.wfile.write(b"\x00\x01 what? \r\n\r\n")
    handler.close_connection = True


def status(code: int, **headers: str) -> Callable[[BaseHTTPRequestHandler, bytes], None]:
    return lambda handler, _body: answer(handler, code, **headers)


@pytest.mark.parametrize(
    "failure",
    [reset, cut, junk, status(429), status(502), status(503), status(504), status(503, Retry_After="in a while")],
    ids=["reset", "cut", "junk", "429", "502", "503", "504", "odd Retry-After"],
)
def test_failures_of_a_connection_and_of_a_busy_backend_are_tried_again(
    failure: Callable[[BaseHTTPRequestHandler, bytes], None],
) -> None:
    left = [failure, failure]

    def respond(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        (left.pop() if left else status(200))(handler, body)

    with backend(respond) as (endpoint, bodies), sending(http(endpoint)) as made:
        made.put("logs", ONE)
        made.all_settled()
        counts = made.sender.counts["logs"]
        assert (counts.sent, counts.retries) == (1, 2)
        assert bodies == [ONE] * 3


@pytest.mark.parametrize("code", [301, 307, 400, 401, 404, 408, 413, 500, 501])
def test_other_statuses_are_not_tried_again_nor_followed(code: int) -> None:
    with (
        backend(status(code, Location="http://127.0.0.1:9/", Retry_After="1")) as (endpoint, bodies),
        sending(http(endpoint)) as made,
    ):
        made.put("logs", ONE)
        made.all_settled()
        counts = made.sender.counts["logs"]
        assert (counts.sent, counts.dropped, counts.retries) == (0, 1, 0)
        assert bodies == [ONE]


def test_a_retry_after_may_be_a_date() -> None:
    left = [status(503, Retry_After="Thu, 01 Jan 1970 00:00:00 GMT"), status(503, Retry_After="1 Jan 1970 00:00:00")]

    def respond(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        (left.pop() if left else status(200))(handler, body)

    with backend(respond) as (endpoint, bodies), sending(http(endpoint)) as made:
        made.put("logs", ONE)
        made.all_settled()
        assert bodies == [ONE] * 3


@pytest.mark.parametrize("body", [b"\xff\xff", bytes(4 << 20), b"fine, thanks"], ids=["junk", "endless", "text"])
def test_an_answer_that_cannot_be_read_still_says_that_the_request_arrived(body: bytes) -> None:
    with backend(lambda handler, _body: answer(handler, 200, body)) as (endpoint, bodies):
        with sending(http(endpoint)) as made:
            made.put("logs", ONE)
            made.all_settled()
            assert made.sender.counts["logs"].sent == 1
        assert bodies == [ONE]


def test_too_large_a_batch_is_sent_in_smaller_ones() -> None:
    def respond(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        if len(body) > 3 * len(ONE):
            answer(handler, 413)
        else:
            answer(handler, 200)

    with backend(respond) as (endpoint, bodies), sending(http(endpoint)) as made:
        made.put("logs", *[ONE] * 16)
        made.all_settled()
        counts = made.sender.counts["logs"]
        assert (counts.sent, counts.dropped) == (16, 0)
        assert sum(len(body) for body in bodies if len(body) <= 3 * len(ONE)) == 16 * len(ONE)


def test_what_never_works_is_given_up_and_the_rest_goes_on() -> None:
    def unavailable(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        answer(handler, 503 if body == ONE else 200)

    with backend(unavailable) as (endpoint, bodies), sending(http(endpoint), export_give_up=0.2) as made:
        made.put("logs", ONE)
        made.all_settled()
        made.put("logs", TWO)
        made.all_settled()
        counts = made.sender.counts["logs"]
        assert (counts.sent, counts.dropped) == (1, 1)
        assert bodies[-1] == TWO


def test_proxies_of_the_environment_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def respond(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
        asked.append(handler.path)
        answer(handler, 200)

    with backend(respond) as (proxy, bodies):
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        with sending(http("http://backend.invalid/v1/logs")) as made:
            made.put("logs", ONE)
            made.all_settled()
        assert bodies == [ONE]
        assert asked == ["http://backend.invalid/v1/logs"]


def test_without_aiohttp_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_extra, "find_spec", lambda name: None if name == "aiohttp" else name)
    with (
        pytest.raises(ConfigError, match=r"pip install 'driftmeter\[gateway\]'"),
        sending(http("http://127.0.0.1:1/v1/logs")),
    ):
        pass
