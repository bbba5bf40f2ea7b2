"""What both servers ask of a request before they hand it on: who sends it, and is there room for it?"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from threading import Lock
from typing import final

from driftmeter.gateway._inbound import Answer, Overloaded, Receiver, Signal, Unavailable
from driftmeter.gateway.servers._answers import Refusal, Refused
from driftmeter.gateway.servers._auth import Tokens
from driftmeter.gateway.servers._server_config import ServerConfig

_log = logging.getLogger(__name__)


class Gate:
    """One for all servers, on one event loop.

    Attributes:
        outcomes: How many requests were answered, by signal and by the answer's class.
        requests: How many are in hand.
        bytes: How many bytes these have, as sent and decompressed.
    """

    def __init__(self, receiver: Receiver, config: ServerConfig) -> None:
        """Read the tokens.

        Raises:
            ConfigError: The file with the tokens cannot be used.
        """
        self.config = config
        self.outcomes: Counter[tuple[Signal, type[Answer | Refusal]]] = Counter()
        self.requests = 0
        self.bytes = 0
        self._receiver = receiver
        self._tokens = Tokens(config.tokens) if config.tokens else None
        self._deliveries: set[asyncio.Task[Answer]] = set()
        self._draining = False
        self.lock = Lock()

    def admit(self, authorization: str | None) -> Held:
        """Return the room for one request, before its body is read, as a context.

        Raises:
            Refused: The sender is not known, or there is no room.
        """
        if self._tokens is not None:
            self._tokens.check(authorization)
        if self._draining:
            raise Refused(Unavailable(reason="the gateway is shutting down"))
        if self.requests >= self.config.max_requests:
            raise Refused(Overloaded(reason=f"{self.requests} requests are in hand"))
        return Held(self)

    async def deliver(self, held: Held, signal: Signal, body: bytes) -> Answer:
        """Hand a request on and return its answer; what is held is held until the receiver is done with it.

        It goes on when the caller is cancelled, as gRPC does when a client leaves.
        """
        held.handed_on = True
        delivery = asyncio.ensure_future(self._receive(held, signal, body))
        self._deliveries.add(delivery)
        delivery.add_done_callback(self._deliveries.discard)
        return await asyncio.shield(delivery)

    async def _receive(self, held: Held, signal: Signal, body: bytes) -> Answer:
        answer: Answer = Unavailable(reason="the gateway failed; its log says how")
        try:
            answer = await self._receiver.receive(signal, body)
        except Exception:  # noqa: BLE001 - whatever it is, the client is to send it again and others are to be served
            _log.exception("a request of %s could not be taken", signal)
        finally:
            self.count(signal, answer)
            held.release()
        return answer

    def count(self, signal: Signal, outcome: Answer | Refusal) -> None:
        """Count one answer: a refusal that the receiver has not seen, that is; the others are counted here."""
        self.outcomes[signal, type(outcome)] += 1

    def trouble(self) -> str:
        """Return why requests are refused at present; empty when they are taken."""
        return "the gateway is shutting down" if self._draining else self._receiver.trouble()

    def close(self) -> None:
        """Refuse every further request."""
        self._draining = True

    async def drain(self, timeout: float) -> bool:
        """Wait until the receiver has answered all it was handed, for at most so many seconds; return if so."""
        if self._deliveries:
            await asyncio.wait(self._deliveries, timeout=timeout)
        return not self._deliveries


@final
class Held:
    """The room that one request takes. Bodies are decompressed in threads, so it may grow in one.

    Leaving its context releases it, unless the request was handed on.
    """

    __slots__ = ("_gate", "_open", "bytes", "handed_on")

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._open = True
        self.handed_on = False
        self.bytes = 0
        gate.requests += 1

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *_error: object) -> None:
        if not self.handed_on:
            self.release()

    def grow(self, size: int) -> None:
        """Take room for so many bytes more.

        Raises:
            Refused: There is not enough, or the request was given up meanwhile.
        """
        gate = self._gate
        with gate.lock:
            if not self._open:
                raise Refused(Unavailable(reason="the request was given up"))
            if gate.bytes + size > gate.config.max_bytes:
                raise Refused(Overloaded(reason=f"{gate.bytes} bytes of requests are in hand"))
            gate.bytes += size
            self.bytes += size

    def release(self) -> None:
        """Give the room back; a second time does nothing."""
        gate = self._gate
        with gate.lock:
            if self._open:
                self._open = False
                gate.requests -= 1
                gate.bytes -= self.bytes
