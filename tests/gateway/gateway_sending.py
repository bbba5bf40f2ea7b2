"""A sender on an event loop in a thread, with an outbox in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from gateway_serving import Loop, eventually

from driftmeter.gateway._inbound import Signal
from driftmeter.gateway._outbox import Item
from driftmeter.gateway.sender._sender import Sender
from driftmeter.gateway.sender._sender_config import SenderConfig
from driftmeter.gateway.sender._target import Target


class MemoryOutbox:
    """Items in a list; `broken` makes it fail."""

    def __init__(self) -> None:
        self.items: list[tuple[Signal, Item]] = []
        self.broken = False
        self._next = 1

    def put(self, signal: Signal, *bodies: bytes) -> None:
        for body in bodies:
            self.items.append((signal, Item(self._next, body)))
            self._next += 1

    async def pending(self, signal: Signal, *, after: int, limit: int, size: int) -> Sequence[Item]:
        self._fail_if_broken()
        found: list[Item] = []
        for of, item in self.items:
            if of == signal and item.id > after:
                size -= len(item.body)
                if found and size < 0:
                    break
                found.append(item)
        return found[:limit]

    async def done(self, ids: Sequence[int]) -> None:
        self._fail_if_broken()
        self.items = [(signal, item) for signal, item in self.items if item.id not in ids]

    def _fail_if_broken(self) -> None:
        if self.broken:
            raise OSError("no space left on device")


class Sending:
    def __init__(self, loop: Loop, sender: Sender, outbox: MemoryOutbox) -> None:
        self.loop = loop
        self.sender = sender
        self.outbox = outbox

    def put(self, signal: Signal, *bodies: bytes) -> None:
        def add() -> None:
            self.outbox.put(signal, *bodies)
            self.sender.wake()

        self.loop.call(add)

    def all_settled(self) -> None:
        eventually(lambda: not self.outbox.items)

    def stop(self, timeout: float) -> bool:
        return bool(self.loop.run(self.sender.stop(timeout)))


@contextmanager
def sending(targets: Mapping[Signal, Target], **settings: Any) -> Iterator[Sending]:
    settings = {"export_retry_least": 0.01, "export_retry_most": 0.05} | settings
    loop, outbox = Loop(), MemoryOutbox()

    async def start() -> Sender:
        sender = Sender(outbox, targets, SenderConfig(**settings))
        sender.start()
        return sender

    try:
        made = Sending(loop, loop.run(start()), outbox)
        try:
            yield made
        finally:
            made.stop(5)
            assert all(count.in_flight == 0 for count in made.sender.counts.values())
    finally:
        loop.close()
