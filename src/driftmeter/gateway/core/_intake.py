"""What a request becomes: an entry of the log where it holds points of ours, and what is sent on of it."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from driftmeter import otlp
from driftmeter.baseline import Baseline
from driftmeter.exceptions import BaselineError, DecodeError
from driftmeter.gateway._inbound import Accepted, Answer, Malformed, Overloaded, Signal
from driftmeter.gateway.core._core_config import CoreConfig
from driftmeter.gateway.core._engine import Engine, baseline_name
from driftmeter.gateway.core._outputs import Output
from driftmeter.gateway.core._store import Changes, Entry
from driftmeter.gateway.servers._answers import REQUESTS
from driftmeter.gateway.streams._decode import Decoder, Received
from driftmeter.gateway.streams._identity import Service
from driftmeter.gateway.streams._outcomes import BASELINE
from driftmeter.recorder import guard

_logger = logging.getLogger("driftmeter.gateway")
_SAY_AGAIN: Final = 60.0
"""Seconds between two lines of the log about points that are refused."""
_RESERVE: Final = 0.25
"""Of the outbox's size, room that is for the gateway's own signals alone."""


@dataclass(slots=True)
class Taken:
    """A request that was read, and what is to be kept of it."""

    now: int
    received: Received = field(default_factory=Received)
    entry: Entry | None = None
    forward: tuple[Signal, bytes] | None = None
    baselines: list[tuple[Service, Baseline, bytes]] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    """Why baselines among it cannot be read."""

    def add_baseline(self, service: Service, body: bytes) -> None:
        """Read a baseline among it."""
        try:
            self.baselines.append((service, Baseline.from_otlp(body), body))
        except BaselineError as error:
            self.unread.append(str(error))

    def add_to(self, changes: Changes) -> int:
        """Add it to a transaction; return by how much the outbox grows."""
        if self.entry is not None:
            changes.log.append(self.entry)
        changes.baselines += [(baseline_name(service, baseline), body) for service, baseline, body in self.baselines]
        if self.forward is None:
            return 0
        changes.outbox.append(self.forward)
        return len(self.forward[1])


class Intake:
    """Reads requests, and decides what is sent on."""

    def __init__(self, own: CoreConfig, decoder: Decoder) -> None:
        self._own = own
        self.decoder = decoder
        self._tell_again = 0.0
        self.outcomes: Counter[str] = Counter()
        """What became of the points of ours that were received, see `Outcomes`."""
        self.left_out: Counter[Signal] = Counter()
        """Requests of the gateway itself for which there was no room."""

    def room(self, outbox_bytes: int) -> int:
        """Return how many bytes of requests may still be sent on."""
        return self._own.max_outbox_bytes - outbox_bytes

    def take(self, signal: Signal, body: bytes, now: int, *, room: int) -> Taken | Answer:
        """Read a request; return it, or the answer that it is not taken with.

        Args:
            signal: What it is of.
            body: The request.
            now: When it came, Unix nanoseconds.
            room: Bytes that may still be sent on.
        """
        try:
            taken = self._metrics(body, now) if signal == "metrics" else self._passing(signal, body, now)
        except DecodeError as error:
            return Malformed(reason=str(error))
        if taken.forward is not None and len(taken.forward[1]) > room:
            return Overloaded(
                reason=f"more than {self._own.max_outbox_bytes} bytes wait to be sent (max_outbox_bytes)",
                retry_after=5.0,
            )
        return taken

    def _passing(self, signal: Signal, body: bytes, now: int) -> Taken:
        # What cannot be read would be refused by whoever it is sent on to.
        otlp.parse(REQUESTS[signal], body)
        return Taken(now, forward=None if self._own.signals_only or not body else (signal, body))

    def _metrics(self, body: bytes, now: int) -> Taken:
        received = self.decoder.decode(body)
        taken = Taken(now, received, Entry(now, body) if received.points else None)
        rest = received.rest if self._own.sketches != "replicas" or received.baselines else body
        if rest and not self._own.signals_only:
            taken.forward = "metrics", rest
        for service, wire in received.baselines:
            taken.add_baseline(service, wire)
        return taken

    def apply(self, taken: Taken, engine: Engine, at: int) -> Accepted:
        """Let the state know of a request that is safe, as an entry of the log if it is one; return the answer."""
        for service, baseline, _ in taken.baselines:
            engine.take_baseline(service, baseline)
        refused = Counter({BASELINE: len(taken.unread)} if taken.unread else {})
        if taken.entry is None:
            refused.update(taken.received.refused)
        else:
            with guard:
                outcomes = engine.apply(at, taken.received, now=taken.now)
                refused.update(outcomes.refused)
                self.outcomes.update(outcomes.passed)
        self.outcomes.update(refused)
        if refused:
            self._tell_refused(taken, refused)
        reasons = [f"{count} refused: {reason}" for reason, count in sorted(refused.items())]
        return Accepted(rejected=sum(refused.values()), message="; ".join([*reasons, *taken.unread]))

    def _tell_refused(self, taken: Taken, refused: Counter[str]) -> None:
        """Say in the log what was refused, at most once a minute: senders rarely read the answers."""
        now = time.monotonic()
        if now < self._tell_again:
            return
        self._tell_again = now + _SAY_AGAIN
        services = sorted({service.name for service, _ in taken.received.shards})
        _logger.warning(
            "points are refused: %s; in a request of %s; driftmeter.gateway.points counts all of them",
            "; ".join([*(f"{count} for {reason}" for reason, count in sorted(refused.items())), *taken.unread]),
            ", ".join(services) or "a service without a point that is taken",
        )

    def fitting(self, outputs: Sequence[Output], outbox_bytes: int) -> list[Output]:
        """Return what there is room for of what the gateway says itself: all events, and metrics until it is full."""
        room = self.room(outbox_bytes) + int(_RESERVE * self._own.max_outbox_bytes)
        fitting: list[Output] = []
        for output in outputs:
            room -= len(output.body)
            if room >= 0 or output.signal == "logs":
                fitting.append(output)
            else:
                self.left_out[output.signal] += 1
        return fitting
