"""OTLP/gRPC out: bytes are passed on as they are, without a serializer in either direction."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import grpc  # type: ignore[import-untyped]  # its stubs are a package that nothing else here needs
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]  # it ships no types
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from grpc import aio

from driftmeter.exceptions import ConfigError
from driftmeter.gateway._inbound import METHODS
from driftmeter.gateway.sender._attempt import Lasting, Outcome, Passing, first_line, read_response
from driftmeter.gateway.sender._target import Target

_PASSING: Final = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
_WHATEVER: Final = frozenset(
    {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNIMPLEMENTED}
)
_COMPRESSIONS: Final = {"none": grpc.Compression.NoCompression, "gzip": grpc.Compression.Gzip}
_OPTIONS: Final = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", 1 << 20),
    # The sender waits by itself; a channel that waits longer would answer for a backend that is up again.
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # A new channel shall be a new connection.
    ("grpc.use_local_subchannel_pool", 1),
)


class GrpcTransport:
    """Keeps one connection to one target."""

    def __init__(self, target: Target) -> None:
        """Read the certificates; connect when something is sent.

        Raises:
            ConfigError: A certificate or key cannot be read.
        """
        self._target = target
        self._credentials = _credentials(target) if target.secure else None
        self._metadata = tuple((name.lower(), value) for name, value in target.headers.items())
        self._channel, self._call = self._connect()

    async def send(self, body: bytes) -> Outcome:
        """Try once."""
        target = self._target
        try:
            answer = await self._call(
                body, timeout=target.timeout, metadata=self._metadata, compression=_COMPRESSIONS[target.compression]
            )
        except aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                await self._connect_anew()
            return _failure(error)
        return read_response(target.signal, answer)

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close()

    def _connect(self) -> tuple[Any, Any]:
        address = str(self._target.host_and_port)
        if self._credentials is None:
            channel = aio.insecure_channel(address, options=_OPTIONS)
        else:
            channel = aio.secure_channel(address, self._credentials, options=_OPTIONS)
        return channel, channel.unary_unary(METHODS[self._target.signal])

    async def _connect_anew(self) -> None:
        """Leave a connection on which nothing is answered: its other end may be gone without a word."""
        before, (self._channel, self._call) = self._channel, self._connect()
        await before.close()


def _failure(error: Any) -> Outcome:
    code = error.code()
    reason = f"{code.name}: {first_line(error.details() or '')}"
    after = _retry_delay(error)
    # OTLP: where resources are exhausted, only those that give a time expect to have some again.
    if code in _PASSING or (code is grpc.StatusCode.RESOURCE_EXHAUSTED and after is not None):
        return Passing(reason=reason, after=after)
    return Lasting(reason=reason, whatever=code in _WHATEVER)


def _retry_delay(error: Any) -> float | None:
    for name, value in error.trailing_metadata() or ():
        if name == "grpc-status-details-bin":
            try:
                for detail in Status.FromString(value).details:
                    info = RetryInfo()
                    if detail.Unpack(info):
                        return float(info.retry_delay.ToNanoseconds() / 1e9)
            except DecodeError:
                return None
    return None


def _credentials(target: Target) -> Any:
    def read(path: str) -> bytes | None:
        try:
            return Path(path).read_bytes() if path else None
        except OSError as error:
            raise ConfigError(f"a certificate for sending must be a readable file; {path}: {error.strerror}") from None

    return grpc.ssl_channel_credentials(
        read(target.certificate), read(target.client_key), read(target.client_certificate)
    )
