"""OTLP/HTTP out, in protobuf."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import aiohttp
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # it ships no types

from driftmeter.exceptions import ConfigError
from driftmeter.gateway.sender._attempt import Lasting, Outcome, Passing, first_line, read_response
from driftmeter.gateway.sender._target import Target

_PROTOBUF: Final = "application/x-protobuf"
_PASSING: Final = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
_WHATEVER: Final = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    }
)
_LONGEST_ANSWER: Final = 1 << 20
_LEVEL: Final = 1
"""Of gzip; higher ones take several times as long and save some percent of protobuf's size."""


class HttpTransport:
    """Keeps connections to one target alive between requests."""

    def __init__(self, target: Target) -> None:
        """Read the certificates; connect when something is sent.

        Raises:
            ConfigError: A certificate or key cannot be used.
        """
        self._target = target
        headers = {**target.headers, "Content-Type": _PROTOBUF, "Accept-Encoding": "identity"}
        if target.compression == "gzip":
            headers["Content-Encoding"] = "gzip"
        self._session = aiohttp.ClientSession(
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=target.timeout),
            connector=aiohttp.TCPConnector(ssl=_context(target) if target.secure else False, limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            # Proxies, as gRPC and the SDK's exporters take them: HTTPS_PROXY, NO_PROXY.
            trust_env=True,
        )

    async def send(self, body: bytes) -> Outcome:
        """Try once."""
        if self._target.compression == "gzip":
            body = await asyncio.to_thread(gzip.compress, body, _LEVEL)
        try:
            async with self._session.post(self._target.endpoint, data=body, allow_redirects=False) as response:
                return self._read(response, await _bounded(response))
        except asyncio.TimeoutError:
            return Passing(reason=f"no answer within {self._target.timeout:g} s")
        except (aiohttp.ClientError, OSError) as error:
            return Passing(reason=first_line(str(error)) or type(error).__name__)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    def _read(self, response: aiohttp.ClientResponse, body: bytes) -> Outcome:
        is_protobuf = response.content_type == _PROTOBUF
        if 200 <= response.status < 300:
            return read_response(self._target.signal, body if is_protobuf else b"")
        reason = f"HTTP {response.status} {response.reason or ''}".rstrip()
        said = _message(body) if is_protobuf else first_line(body.decode("utf-8", "replace"))
        if said:
            reason = f"{reason}: {said}"
        if response.status in _PASSING:
            return Passing(reason=reason, after=_seconds(response.headers.get("Retry-After", "")))
        return Lasting(reason=reason, whatever=response.status in _WHATEVER)


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    pieces, size = [], 0
    async for piece in response.content.iter_any():
        pieces.append(piece)
        size += len(piece)
        if size > _LONGEST_ANSWER:
            response.close()
            break
    return b"".join(pieces)


def _message(body: bytes) -> str:
    try:
        return first_line(Status.FromString(body).message)
    except DecodeError:
        return ""


def _seconds(retry_after: str) -> float | None:
    """Return the seconds of a ``Retry-After``, which is a number of them or a date."""
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        date = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=timezone.utc)
    return max(0.0, (date - datetime.now(timezone.utc)).total_seconds())


def _context(target: Target) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=target.certificate or None)
        if target.client_certificate:
            # With a password, even an empty one, nobody is asked for one at a terminal.
            context.load_cert_chain(target.client_certificate, target.client_key, password="")
    except (OSError, ValueError) as error:
        raise ConfigError(
            "the certificates for sending must be PEM, and the key the certificate's own, not encrypted; "
            f"{', '.join(filter(None, (target.certificate, target.client_certificate)))}: {error}"
        ) from None
    return context
