"""The positions of a writer's delta streams: which intervals were counted, and of which streams.

A writer sends all of its streams for one interval at a time. So an interval is kept once, with a bit for each stream::

    start   time     | x | y | z |
    12:00   12:01    | 1 | 1 | 1 |
    12:01   12:02    | 1 | 0 | 1 |        y of 12:01 counts when it comes, and not again when it is resent

An interval that ended a horizon before the newest is forgotten, and what comes of it then is old: no window that is
still open holds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from driftmeter.gateway.streams._identity import Series
from driftmeter.gateway.streams._intervals import Interval, by_interval
from driftmeter.gateway.streams._outcomes import COUNTED, DUPLICATE, NONE, OLD, OVERLAPPING, Codes
from driftmeter.gateway.streams._room import Room
from driftmeter.typing import Int64Array

INTERVALS: Final = 1024
"""Intervals of a writer that are remembered at most."""
_WASTE: Final = 1024
"""Streams that a writer may have and not use, before they are looked for."""


@dataclass(slots=True)
class Deltas:
    """The delta streams of one writer.

    Attributes:
        resource: The writer's resource attributes.
        touched: When points came last.
        slots: Of each stream, by its key, the number of its bit.
        intervals: By start and time: the bits of the streams that were counted, and whether another interval overlaps.
        newest: The latest time of any point.
        forgotten: What ended by then is not remembered any more.
    """

    resource: Mapping[str, Any]
    touched: int = 0
    slots: dict[bytes, int] = field(default_factory=dict)
    intervals: dict[Interval, tuple[bytes, bool]] = field(default_factory=dict)
    newest: int = 0
    forgotten: int = -1
    used: int = 0

    def __len__(self) -> int:
        return len(self.slots)

    def admit(
        self, series: Sequence[Series], starts: Int64Array, times: Int64Array, *, horizon: int, room: Room
    ) -> Codes:
        """Return the outcome of each point.

        Args:
            series: What the points are called.
            starts: When each began.
            times: When each was taken.
            horizon: Nanoseconds that an interval is remembered.
            room: What there is left for streams that are new.
        """
        slots, codes = room.slots(self.slots, series)
        for (start, time), members in by_interval(starts, times):
            if time <= max(self.forgotten, self.newest - horizon):
                codes[members] = np.where(codes[members] == NONE, OLD, codes[members])
                continue
            taken = members[codes[members] == NONE]
            codes[taken] = self._mark((start, time), slots[taken])
            self._forget(time, horizon)
        return codes

    def _mark(self, interval: Interval, slots: Int64Array) -> Codes:
        known = self.intervals.get(interval)
        if known is None:
            start, time = interval
            overlapping = any(begin < time and start < end for begin, end in self.intervals)
            seen = np.zeros(len(self.slots), dtype=np.uint8)
        else:
            bits, overlapping = known
            seen = _unpacked(bits, len(self.slots))
        codes = np.where(seen[slots], DUPLICATE, OVERLAPPING if overlapping else COUNTED).astype(np.int8)
        before = np.count_nonzero(seen)
        seen[slots] = 1
        if np.count_nonzero(seen) - before < np.count_nonzero(codes != DUPLICATE):
            again = np.ones(len(slots), dtype=bool)
            again[np.unique(slots, return_index=True)[1]] = False
            codes[again] = DUPLICATE
        self.intervals[interval] = np.packbits(seen).tobytes(), overlapping
        return codes

    def _forget(self, time: int, horizon: int) -> None:
        if time > self.newest:
            self.newest = time
            for interval in [interval for interval in self.intervals if interval[1] <= time - horizon]:
                del self.intervals[interval]
        if len(self.intervals) > INTERVALS:
            earliest = min(self.intervals, key=lambda interval: interval[::-1])
            self.forgotten = max(self.forgotten, earliest[1])
            for interval in [interval for interval in self.intervals if interval[1] <= self.forgotten]:
                del self.intervals[interval]

    def tidy(self) -> None:
        """Let go of streams of which no interval that is remembered has a point: of categories that came once, say."""
        if len(self.slots) < 2 * self.used + _WASTE:
            return
        used = np.zeros(len(self.slots), dtype=np.uint8)
        for bits, _ in self.intervals.values():
            used |= _unpacked(bits, len(used))
        kept = np.flatnonzero(used)
        names = list(self.slots)
        self.slots = {names[slot]: at for at, slot in enumerate(kept.tolist())}
        self.used = len(self.slots)
        for interval, (bits, overlapping) in self.intervals.items():
            self.intervals[interval] = np.packbits(_unpacked(bits, len(used))[kept]).tobytes(), overlapping


def _unpacked(bits: bytes, size: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return bits as zeros and ones; those of streams that were not known then are zeros."""
    seen = np.zeros(size, dtype=np.uint8)
    known = np.unpackbits(np.frombuffer(bits, dtype=np.uint8))[:size]
    seen[: len(known)] = known
    return seen
