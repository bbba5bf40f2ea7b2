"""A connection of OTLP/HTTP, which must have sent the head of a request in time.

aiohttp closes a connection that lies idle, but one may take as long to send its first head, a byte now and then: enough
of them, and there is no connection left for anybody else.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web


class HttpConnection(web.RequestHandler):
    """Closed when the head of its first request has not come after so many seconds.

    Args:
        server: Whose connection it is.
        head_timeout: Seconds.
        options: Those of the server.
    """

    __slots__ = ("_head_timeout", "_headless")

    def __init__(self, server: web.Server, *, head_timeout: float, **options: Any) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **options)
        self._head_timeout = head_timeout
        self._headless: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a head."""
        super().connection_made(transport)
        self._headless = asyncio.get_running_loop().call_later(self._head_timeout, self.force_close)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Wait no longer."""
        self.head_came()
        super().connection_lost(exc)

    def head_came(self) -> None:
        """Wait no longer; from now on it is the server's limits that hold."""
        if self._headless is not None:
            self._headless.cancel()
            self._headless = None


class Closed(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close it."""
        transport.close()
