"""Between what has something to send and the sender: a queue that outlives both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from driftmeter.gateway._inbound import Signal


class Item(NamedTuple):
    """One serialized OTLP request that waits to be sent."""

    id: int
    body: bytes


class Outbox(Protocol):
    """Requests in the order of their ids, which rise. Called on the event loop; whoever adds calls ``Sender.wake``."""

    async def pending(self, signal: Signal, *, after: int, limit: int, size: int) -> Sequence[Item]:
        """Return the oldest items of a signal whose id is above ``after``, in the order of their ids.

        They stay until they are ``done``: those that are being sent are left out by ``after`` alone. A sender that
        starts asks for all of them (``after=0``), so what was sent but not yet done at a crash is sent again.

        Args:
            signal: Whose items.
            after: The last id that was returned before; ids begin at 1.
            limit: At most this many items.
            size: At most this many bytes of bodies in all, but always one item where there is one.
        """
        ...

    async def done(self, ids: Sequence[int]) -> None:
        """Forget items that were sent, or that can never be."""
        ...
