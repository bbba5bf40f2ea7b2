"""OTLP/gRPC: the three Export methods, bytes in and bytes out.

gRPC would decompress a message before it asks how large it becomes (so did its core until version 57), so it is told to
leave messages as they come, and they are decompressed here. It would also read the message before it calls a method;
these are declared as streaming their one request, so that who may not send is refused before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc  # type: ignore[import-untyped]  # its stubs are a package that nothing else here needs
from grpc import aio

from driftmeter.exceptions import ConfigError
from driftmeter.gateway._addresses import Address
from driftmeter.gateway._inbound import METHODS, Accepted, Answer, Malformed, Signal
from driftmeter.gateway.servers._answers import (
    Refusal,
    Refused,
    TooSlow,
    response_of,
    retry_after,
    retry_info,
    status_of,
)
from driftmeter.gateway.servers._gate import Gate, Held
from driftmeter.gateway.servers._inflate import MAGIC, inflate
from driftmeter.gateway.servers._server_config import ServerConfig
from driftmeter.gateway.servers._tls import ServerTls

_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}
_IDENTITY_AND_GZIP: Final = 0b101
"""Bits of the compression algorithms that are spoken; the one in between is deflate."""


class GrpcServer:
    """One listener, on the running event loop."""

    def __init__(self, gate: Gate, address: Address, *, tls: ServerTls | None = None) -> None:
        self._gate = gate
        self._address = address
        self._tls = tls
        self._server = aio.server(options=_options(gate.config))
        self._server.add_generic_rpc_handlers((_Methods(self._export),))

    async def start(self) -> Address:
        """Listen, and return the address with the port that was given.

        Raises:
            ConfigError: The address cannot be listened at.
        """
        try:
            if self._tls is None:
                port = self._server.add_insecure_port(str(self._address))
            else:
                port = self._server.add_secure_port(str(self._address), self._tls.credentials())
        except RuntimeError as error:
            raise ConfigError(f"grpc_address must be free to listen at; {self._address}: {error}") from None
        await self._server.start()
        return Address(self._address.host, port)

    async def stop(self, timeout: float) -> None:
        """Stop accepting, let what is in hand be answered within so many seconds, and close."""
        await self._server.stop(timeout)

    async def _export(self, signal: Signal, context: Any) -> bytes:
        answer: Answer | Refusal
        try:
            with self._gate.admit(_authorization(context)) as held:
                body = await self._unpack(await self._read(context, held), held)
                answer = await self._gate.deliver(held, signal, body)
        except Refused as refused:
            answer = refused.refusal
            self._gate.count(signal, answer)
        if isinstance(answer, Accepted):
            response = response_of(signal, answer)
            return b"" if response is None else response.SerializeToString()
        return await _abort(context, answer)

    async def _read(self, context: Any, held: Held) -> bytes:
        timeout = self._gate.config.request_timeout
        try:
            body = await asyncio.wait_for(context.read(), timeout)
        except asyncio.TimeoutError:
            raise Refused(TooSlow(reason=f"the request must arrive within {timeout:g} s")) from None
        if body is aio.EOF:
            raise Refused(Malformed(reason="the call has no message"))
        held.grow(len(body))
        return bytes(body)

    async def _unpack(self, body: bytes, held: Held) -> bytes:
        if not body.startswith(MAGIC):
            return body
        return await inflate(body, limit=self._gate.config.max_decompressed_bytes, grow=held.grow)


class _Methods(grpc.GenericRpcHandler):  # type: ignore[misc]  # it has no types
    """Finds the method that a call names."""

    def __init__(self, export: Callable[[Signal, Any], Awaitable[bytes]]) -> None:
        def handler(signal: Signal) -> Any:
            async def call(_requests: Any, context: Any) -> bytes:
                return await export(signal, context)

            return grpc.stream_unary_rpc_method_handler(call)

        self._handlers = {method: handler(signal) for signal, method in METHODS.items()}

    def service(self, handler_call_details: Any) -> Any:
        """Return the handler of a call; ``None`` becomes UNIMPLEMENTED."""
        return self._handlers.get(handler_call_details.method)


def _options(config: ServerConfig) -> list[tuple[str, int]]:
    """Return gRPC's channel arguments, which grpc_types.h describes."""
    return [
        ("grpc.max_receive_message_length", config.max_request_bytes),
        ("grpc.per_message_decompression", 0),
        ("grpc.compression_enabled_algorithms_bitset", _IDENTITY_AND_GZIP),
        ("grpc.max_metadata_size", config.max_header_bytes),
        ("grpc.absolute_max_metadata_size", config.max_header_bytes),
        # Above the limit of all, so that what is too much is told so, and does not wait in a client for a stream.
        ("grpc.max_concurrent_streams", min(2 * config.max_requests, 1 << 30)),
        ("grpc.max_allowed_incoming_connections", config.max_connections),
        ("grpc.server_handshake_timeout_ms", 10_000),
        ("grpc.max_connection_idle_ms", round(config.idle_timeout * 1000)),
        # Clients may ping as often as Go's do at most; more often is abuse.
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        # Else a second gateway could listen at the same port, and each would see half of the replicas.
        ("grpc.so_reuseport", 0),
    ]


def _authorization(context: Any) -> str | None:
    for name, value in context.invocation_metadata() or ():
        if name == "authorization":
            return str(value)
    return None


async def _abort(context: Any, refusal: Refusal) -> bytes:
    status = status_of(refusal)
    details = [("grpc-status-details-bin", status.SerializeToString())]
    seconds = retry_after(refusal)
    if seconds is not None:
        # The exporter of OpenTelemetry for Python looks here.
        details.append(("google.rpc.retryinfo-bin", retry_info(seconds).SerializeToString()))
    await context.abort(_CODES[status.code], status.message, tuple(details))
    return b""  # unreachable: abort raises
