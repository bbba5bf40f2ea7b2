"""A small OTLP/HTTP receiver on loopback: protobuf, gzip, bounded."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from driftmeter.demo._inbox import Message
from driftmeter.gateway._inbound import Signal

REQUESTS: Final[dict[Signal, type[Message]]] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}

MAX_BODY: Final = 16 * 1024 * 1024
"""Bytes of a request, as sent and unpacked; more is answered with 413."""

PROTOBUF: Final = "application/x-protobuf"
_PATHS: Final[dict[str, Signal]] = {f"/v1/{signal}": signal for signal in REQUESTS}


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request as it came: the signal, its unpacked bytes, and what they say."""

    signal: Signal
    body: bytes
    message: Message


class Refused(Exception):  # noqa: N818 - it is an answer, not a failure of ours
    """The request is answered with a status other than 200."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class Receiver:
    """Accept OTLP/HTTP on a free loopback port and hand each request to a function.

    The function runs on the request's own thread, before the answer is sent.
    """

    def __init__(self, deliver: Callable[[Delivery], None]) -> None:
        class _Handler(_ExportHandler):
            # BaseHTTPRequestHandler is made anew for each connection, by the server: a subclass carries the function.
            accept = staticmethod(deliver)

        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), name="demo-receiver", daemon=True)

    @property
    def endpoint(self) -> str:
        """The base address, for OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        """Listen."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(timeout=5)
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that went away, as one does that is interrupted: it has been told all there is."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _ExportHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    accept: Callable[[Delivery], None]

    def do_POST(self) -> None:
        try:
            delivery = self._read()
        except Refused as refused:
            # What is left of the body would be taken for the next request.
            self.close_connection = True
            self._answer(refused.status, b"")
            return
        self.accept(delivery)
        # Each signal's empty Export...ServiceResponse is empty on the wire too.
        self._answer(HTTPStatus.OK, b"")

    def _read(self) -> Delivery:
        signal = _PATHS.get(self.path)
        if signal is None:
            raise Refused(HTTPStatus.NOT_FOUND)
        if self.headers.get_content_type() != PROTOBUF:
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            raise Refused(HTTPStatus.LENGTH_REQUIRED)
        if int(length) > MAX_BODY:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        body = _unpack(self.rfile.read(int(length)), encoding=self.headers.get("Content-Encoding", "identity"))
        message = REQUESTS[signal]()
        try:
            message.ParseFromString(body)
        except DecodeError as error:
            raise Refused(HTTPStatus.BAD_REQUEST) from error
        return Delivery(signal, body, message)

    def _answer(self, status: HTTPStatus, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", PROTOBUF)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the overridden method's name for it
        """Stay silent: the terminal is the table's."""


def _unpack(body: bytes, *, encoding: str) -> bytes:
    if encoding == "identity":
        return body
    if encoding not in {"gzip", "deflate"}:
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    # 32: detect a gzip or a zlib header. The limit stops a small body that unpacks to gigabytes.
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        unpacked = unpacker.decompress(body, MAX_BODY)
    except zlib.error as error:
        raise Refused(HTTPStatus.BAD_REQUEST) from error
    if unpacker.unconsumed_tail:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    if not unpacker.eof:
        raise Refused(HTTPStatus.BAD_REQUEST)
    return unpacked
