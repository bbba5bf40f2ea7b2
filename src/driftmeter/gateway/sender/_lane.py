"""One signal's way out of the outbox: in order, several requests as one, again and again until it is settled."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from driftmeter.gateway._inbound import Signal
from driftmeter.gateway._outbox import Item, Outbox
from driftmeter.gateway.sender._attempt import Lasting, Outcome, Passing, Sent
from driftmeter.gateway.sender._sender_config import SenderConfig

_log = logging.getLogger(__name__)

_ITEMS: Final = 1000
"""Waiting requests that are sent as one, at most."""
_MOST_WAIT: Final = 3600.0
"""Seconds that a backend may ask to wait; more is a mistake of its."""
_OUTBOX_WAIT: Final = 1.0
"""Seconds after which an outbox that failed is asked again."""
_SAY_AGAIN: Final = 60.0
"""Seconds between two lines of the log about one kind of trouble."""


@dataclass(slots=True)
class Counts:
    """What became of one signal's items so far; an item is one request of the outbox.

    Attributes:
        sent: Items that the backend has.
        dropped: Items that it never will: refused for good, or given up.
        rejected: Data points, spans or log records that it did not take of items it has.
        retries: Attempts that failed and were to be repeated.
        bytes: Of the items that were sent, not compressed.
        in_flight: Items that are on their way now.
        trouble: Why sending does not work at present; empty when it does.
    """

    sent: int = 0
    dropped: int = 0
    rejected: int = 0
    retries: int = 0
    bytes: int = 0
    in_flight: int = 0
    trouble: str = ""


class Lane:
    """Sends one signal's items with up to ``export_requests`` workers; one of them keeps the order."""

    def __init__(
        self, signal: Signal, outbox: Outbox, send: Callable[[bytes], Awaitable[Outcome]], config: SenderConfig
    ) -> None:
        self.counts = Counts()
        self._signal = signal
        self._outbox = outbox
        self._send = send
        self._config = config
        self._after = 0
        self._taking = asyncio.Lock()
        self._woken = asyncio.Event()
        self._ending = asyncio.Event()
        self._said: dict[str, float] = {}

    def wake(self) -> None:
        """Look into the outbox."""
        self._woken.set()

    def end(self) -> None:
        """Send what there is and return from ``work``; what fails from now on stays in the outbox."""
        self._ending.set()
        self._woken.set()

    async def work(self) -> None:
        """Send what there is and what comes, until the end."""
        while items := await self._take():
            self.counts.in_flight += len(items)
            try:
                if not await self._settle(items):
                    return
            finally:
                self.counts.in_flight -= len(items)

    async def _take(self) -> Sequence[Item]:
        async with self._taking:
            while True:
                self._woken.clear()
                try:
                    items = await self._outbox.pending(
                        self._signal, after=self._after, limit=_ITEMS, size=self._config.export_batch_bytes
                    )
                except Exception as error:  # noqa: BLE001 - whatever the outbox is made of, it may work again
                    self._trouble("outbox", f"the outbox cannot be read: {error}")
                    if await self._ends_within(_OUTBOX_WAIT):
                        return ()
                    continue
                if items:
                    self._after = items[-1].id
                    return items
                if self._ending.is_set():
                    return ()
                await self._woken.wait()

    async def _settle(self, items: Sequence[Item]) -> bool:
        """Send items as one and forget them; return whether all are settled."""
        # Each is a message with one repeated field, and protobuf's messages are merged by writing one after the other.
        outcome = await self._persist(b"".join(item.body for item in items))
        if outcome is None:
            return False
        if isinstance(outcome, Lasting) and not outcome.whatever and len(items) > 1:
            # One of them spoils it, or they are too much together.
            half = len(items) // 2
            return await self._settle(items[:half]) and await self._settle(items[half:])
        self._account(items, outcome)
        while not await self._forget(items):
            if await self._ends_within(_OUTBOX_WAIT):
                return False
        return True

    def _account(self, items: Sequence[Item], outcome: Sent | Lasting) -> None:
        counts = self.counts
        if isinstance(outcome, Lasting):
            counts.dropped += len(items)
            if outcome.whatever:
                counts.trouble = outcome.reason
            self._say("dropped", f"{len(items)} requests are dropped, they cannot be sent: {outcome.reason}")
            return
        if counts.trouble:
            _log.info("%s: sending works again", self._signal)
            counts.trouble = ""
            self._said.clear()
        counts.sent += len(items)
        counts.bytes += sum(len(item.body) for item in items)
        counts.rejected += outcome.rejected
        if outcome.rejected:
            self._say("rejected", f"the backend took all but {outcome.rejected} of a request: {outcome.message}")
        elif outcome.message:
            self._say("warned", f"the backend warns: {outcome.message}")

    async def _persist(self, body: bytes) -> Sent | Lasting | None:
        """Try until it is settled; ``None`` when the end came first."""
        loop = asyncio.get_running_loop()
        config = self._config
        begin = loop.time()
        wait = config.export_retry_least
        while isinstance(outcome := await self._attempt(body), Passing):
            self.counts.retries += 1
            if loop.time() - begin > config.export_give_up:
                return Lasting(reason=f"given up after {config.export_give_up:g} s: {outcome.reason}", whatever=True)
            self._trouble("failing", f"sending does not work and is tried again: {outcome.reason}")
            # Spread out, so that gateways that failed together do not come back together.
            pause = random.uniform(0.5, 1.5) * wait  # noqa: S311 - nothing to guess here
            if outcome.after is not None:
                pause = max(min(outcome.after, _MOST_WAIT) * random.uniform(1.0, 1.1), pause)  # noqa: S311
            wait = min(wait * 2, config.export_retry_most)
            if await self._ends_within(pause):
                return None
        return outcome

    async def _attempt(self, body: bytes) -> Outcome:
        try:
            return await self._send(body)
        except Exception as error:  # noqa: BLE001 - no failure may end the lane
            _log.exception("%s: sending failed", self._signal)
            return Passing(reason=repr(error))

    async def _forget(self, items: Sequence[Item]) -> bool:
        try:
            await self._outbox.done([item.id for item in items])
        except Exception as error:  # noqa: BLE001 - as above
            self._trouble("outbox", f"the outbox cannot be written: {error}")
            return False
        return True

    async def _ends_within(self, seconds: float) -> bool:
        """Wait for so long, or until the end; return whether it came."""
        try:
            await asyncio.wait_for(self._ending.wait(), seconds)
        except asyncio.TimeoutError:
            return False
        return True

    def _trouble(self, kind: str, what: str) -> None:
        self.counts.trouble = what
        self._say(kind, what)

    def _say(self, kind: str, what: str) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._said.get(kind, -_SAY_AGAIN) >= _SAY_AGAIN:
            self._said[kind] = now
            _log.warning("%s: %s", self._signal, what)
