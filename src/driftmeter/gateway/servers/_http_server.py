"""OTLP/HTTP, in protobuf and JSON: ``/v1/metrics``, ``/v1/traces``, ``/v1/logs``; and the probes of health.

aiohttp's low-level server has the sockets and the parser (llhttp). Its defaults are kept but where they would do more
than hand over bytes: it does not decompress, and it does not log what strangers send.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from google.protobuf.message import Message

from driftmeter.exceptions import ConfigError
from driftmeter.gateway._addresses import Address
from driftmeter.gateway._inbound import SIGNALS, Accepted, Answer, Malformed, Signal
from driftmeter.gateway.servers._answers import (
    Refusal,
    Refused,
    TooLarge,
    TooSlow,
    as_json,
    http_status,
    response_of,
    retry_after,
    retry_after_header,
    status_of,
)
from driftmeter.gateway.servers._gate import Gate, Held
from driftmeter.gateway.servers._http_connection import Closed, HttpConnection
from driftmeter.gateway.servers._inflate import inflate
from driftmeter.gateway.servers._json_body import to_protobuf
from driftmeter.gateway.servers._tls import ServerTls

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"

_PATHS: Final[dict[str, Signal]] = {f"/v1/{signal}": signal for signal in SIGNALS}
_SERVER: Final = {"Server": "driftmeter"}
"""Instead of the versions of Python and aiohttp, which are nobody's business."""
_LINGER: Final = 5.0
"""Seconds for which the rest of a refused body is thrown away, so that its sender can read why."""
_JSON_AT_ONCE: Final = 2
"""JSON is read in threads that share one interpreter lock with everything else."""


class _Calm(logging.LoggerAdapter):  # type: ignore[type-arg]  # Python 3.10 takes no argument here
    """aiohttp logs each request that is no HTTP with a traceback, so that a stranger could fill the disk."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        return msg, kwargs

    def exception(self, msg: object, *args: object, **kwargs: Any) -> None:
        self.debug(msg, *args, **kwargs)


_calm_log: Any = _Calm(logging.getLogger(__name__), {})


class HttpServer:
    """One listener, on the running event loop."""

    def __init__(self, gate: Gate, address: Address, *, tls: ServerTls | None = None) -> None:
        config = gate.config
        self._gate = gate
        self._address = address
        self._tls = tls
        self._json = asyncio.Semaphore(_JSON_AT_ONCE)
        self._server = web.Server(self._answer)
        self._options: dict[str, Any] = {
            "logger": _calm_log,
            "access_log": None,
            "auto_decompress": False,
            "keepalive_timeout": config.idle_timeout,
            "lingering_time": _LINGER,
            "max_line_size": config.max_header_bytes,
            "max_field_size": config.max_header_bytes,
        }
        self._listener: asyncio.Server | None = None

    async def start(self) -> Address:
        """Listen, and return the address with the port that was given.

        Raises:
            ConfigError: The address cannot be listened at.
        """
        host, port = self._address
        try:
            self._listener = await asyncio.get_running_loop().create_server(
                self._connection,
                host,
                port,
                ssl=self._tls.context() if self._tls else None,
                ssl_handshake_timeout=10.0 if self._tls else None,
            )
        except OSError as error:
            raise ConfigError(f"http_address must be free to listen at; {self._address}: {error}") from None
        return Address(host, self._listener.sockets[0].getsockname()[1])

    async def stop(self, timeout: float) -> None:
        """Stop accepting, let what is in hand be answered within so many seconds, and close."""
        if self._listener is not None:
            self._listener.close()
        self._server.pre_shutdown()
        await self._server.shutdown(timeout)

    def _connection(self) -> asyncio.Protocol:
        if len(self._server.connections) >= self._gate.config.max_connections:
            return Closed()
        return HttpConnection(self._server, head_timeout=self._gate.config.request_timeout, **self._options)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if isinstance(request.protocol, HttpConnection):
            request.protocol.head_came()
        if sum(len(name) + len(value) for name, value in request.raw_headers) > self._gate.config.max_header_bytes:
            return _last_text(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the headers are too large")
        signal = _PATHS.get(request.path)
        if signal is None:
            return self._probe(request)
        if request.method != "POST":
            return _text(HTTPStatus.METHOD_NOT_ALLOWED, "POST is expected", Allow="POST")
        kind = request.content_type
        encoding = request.headers.get("Content-Encoding", "identity").lower()
        if kind not in {PROTOBUF, JSON} or encoding not in {"identity", "gzip"}:
            return _unsupported(kind, encoding)
        answer: Answer | Refusal
        try:
            with self._gate.admit(request.headers.get("Authorization")) as held:
                body = await self._read(request, held)
                body = await self._unpack(signal, body, held, json=kind == JSON, compressed=encoding == "gzip")
                answer = await self._gate.deliver(held, signal, body)
        except Refused as refused:
            answer = refused.refusal
            self._gate.count(signal, answer)
        return _response(request, signal, answer, json=kind == JSON)

    async def _read(self, request: web.BaseRequest, held: Held) -> bytes:
        limit = self._gate.config.max_request_bytes
        too_large = Refused(TooLarge(reason=f"a request must have at most {limit} bytes"))
        if (request.content_length or 0) > limit:
            raise too_large
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            # What is left is the whole of the answer: aiohttp answers an error only where nothing was written.
            request.writer.output_size = 0
        timeout = self._gate.config.request_timeout
        too_slow = Refused(TooSlow(reason=f"the request must arrive within {timeout:g} s"))
        timer = asyncio.get_running_loop().call_later(timeout, request.content.set_exception, too_slow)
        pieces: list[bytes] = []
        try:
            async for piece in request.content.iter_any():
                if held.bytes + len(piece) > limit:
                    raise too_large
                held.grow(len(piece))
                pieces.append(piece)
        except web.RequestPayloadError as error:
            raise Refused(Malformed(reason=f"the body is not HTTP: {error}")) from None
        except ConnectionError:
            raise Refused(Malformed(reason="the body is cut off")) from None
        finally:
            timer.cancel()
        return b"".join(pieces)

    async def _unpack(self, signal: Signal, body: bytes, held: Held, *, json: bool, compressed: bool) -> bytes:
        config = self._gate.config
        if compressed:
            limit = config.max_json_bytes if json else config.max_decompressed_bytes
            body = await inflate(body, limit=limit, grow=held.grow)
        if not json:
            return body
        if len(body) > config.max_json_bytes:
            raise Refused(TooLarge(reason=f"a request in JSON must have at most {config.max_json_bytes} bytes"))
        async with self._json:
            return await asyncio.to_thread(to_protobuf, signal, body)

    def _probe(self, request: web.BaseRequest) -> web.Response:
        if request.path not in {"/healthz", "/readyz"}:
            return _text(HTTPStatus.NOT_FOUND, f"there is /healthz, /readyz, {', '.join(_PATHS)}")
        if request.method not in {"GET", "HEAD"}:
            return _text(HTTPStatus.METHOD_NOT_ALLOWED, "GET is expected", Allow="GET, HEAD")
        trouble = self._gate.trouble() if request.path == "/readyz" else ""
        return _text(HTTPStatus.SERVICE_UNAVAILABLE if trouble else HTTPStatus.OK, trouble or "ok")


def _response(request: web.BaseRequest, signal: Signal, answer: Answer | Refusal, *, json: bool) -> web.Response:
    if isinstance(answer, Accepted):
        return web.Response(
            body=_encoded(response_of(signal, answer), json=json),
            content_type=JSON if json else PROTOBUF,
            headers=_SERVER,
        )
    response = web.Response(
        status=http_status(answer),
        body=_encoded(status_of(answer), json=json),
        content_type=JSON if json else PROTOBUF,
        headers=_SERVER,
    )
    seconds = retry_after(answer)
    if seconds is not None:
        response.headers["Retry-After"] = retry_after_header(seconds)
    if response.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    if not request.content.is_eof():
        # What is left of the body would be taken for the next request.
        response.force_close()
    return response


def _encoded(message: Message | None, *, json: bool) -> bytes:
    if json:
        return as_json(message)
    return b"" if message is None else message.SerializeToString()


def _unsupported(kind: str, encoding: str) -> web.Response:
    return _last_text(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        f"Content-Type must be {PROTOBUF} or {JSON}, Content-Encoding identity or gzip; got {kind}, {encoding}",
    )


def _last_text(status: HTTPStatus, text: str) -> web.Response:
    """Return an answer to a request whose body is not read: what there is of it would be taken for the next one."""
    response = _text(status, text)
    response.force_close()
    return response


def _text(status: HTTPStatus, text: str, **headers: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n", headers=_SERVER | headers)
