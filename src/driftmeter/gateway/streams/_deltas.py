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
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from driftmeter.gateway.streams._identity import Series
from driftmeter.gateway.streams._intervals import Interval, by_interval
from driftmeter.gateway.streams._outcomes import COUNTED, DUPLICATE, NONE, OLD, OVERLAPPING, Codes
from driftmeter.gateway.streams._room import Room
from driftmeter.typing import BoolArray, Int64Array

INTERVALS: Final = 1024
"""Intervals of a writer that are remembered at most."""
_WASTE: Final = 1024
"""Streams that a writer may have and not use, before they are looked for."""

_Bits: TypeAlias = npt.NDArray[np.uint8]


def _no_intervals() -> Int64Array:
    return np.zeros((0, 2), dtype=np.int64)


def _no_bits() -> _Bits:
    return np.zeros((0, 0), dtype=np.uint8)


@dataclass(slots=True)
class Deltas:
    """The delta streams of one writer.

    Attributes:
        resource: The writer's resource attributes.
        touched: When points came last.
        slots: Of each stream, by its key, the number of its bit.
        intervals: Starts and times, of shape (k, 2), in the order in which they first came.
        bits: Which streams of each interval were counted, of shape (k, bytes), eight streams a byte.
        newest: The latest time of any point.
        forgotten: What ended by then is not remembered any more.
        used: How many streams were in use when last looked for.
    """

    resource: Mapping[str, Any]
    touched: int = 0
    slots: dict[bytes, int] = field(default_factory=dict)
    intervals: Int64Array = field(default_factory=_no_intervals)
    bits: _Bits = field(default_factory=_no_bits)
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
        self._widen()
        for (start, time), members in by_interval(starts, times):
            if time <= max(self.forgotten, self.newest - horizon):
                codes[members] = np.where(codes[members] == NONE, OLD, codes[members])
                continue
            taken = members[codes[members] == NONE]
            self._advance(time, horizon)
            codes[taken] = self._mark((start, time), slots[taken])
            self._bound()
        return codes

    def _mark(self, interval: Interval, slots: Int64Array) -> Codes:
        """Note streams of an interval as counted; return what becomes of the points."""
        start, time = interval
        starts, times = self.intervals.T
        overlapping = (starts < time) & (times > start)
        same = (starts == start) & (times == time)
        places = np.flatnonzero(same)
        place = int(places[0]) if len(places) else self._open(interval)
        seen = np.unpackbits(self.bits[place], count=len(self.slots))
        counted = OVERLAPPING if (overlapping & ~same).any() else COUNTED
        codes = np.where(seen[slots], DUPLICATE, counted).astype(np.int8)
        before = np.count_nonzero(seen)
        seen[slots] = 1
        if np.count_nonzero(seen) - before < np.count_nonzero(codes != DUPLICATE):
            again = np.ones(len(slots), dtype=bool)
            again[np.unique(slots, return_index=True)[1]] = False
            codes[again] = DUPLICATE
        packed = np.packbits(seen)
        self.bits[place, : len(packed)] = packed
        return codes

    def _open(self, interval: Interval) -> int:
        self.intervals = np.append(self.intervals, [interval], axis=0)
        self.bits = np.append(self.bits, np.zeros((1, self.bits.shape[1]), dtype=np.uint8), axis=0)
        return len(self.intervals) - 1

    def _widen(self) -> None:
        """Make place for a bit for each stream."""
        more = (len(self.slots) + 7) // 8 - self.bits.shape[1]
        if more > 0:
            self.bits = np.pad(self.bits, ((0, 0), (0, more)))

    def _advance(self, time: int, horizon: int) -> None:
        """Forget what a horizon lies between and the newest point."""
        if time > self.newest:
            self.newest = time
            self._keep(self.intervals[:, 1] > time - horizon)

    def _bound(self) -> None:
        """Forget the earliest interval, if there are too many."""
        if len(self.intervals) > INTERVALS:
            self.forgotten = max(self.forgotten, int(self.intervals[:, 1].min()))
            self._keep(self.intervals[:, 1] > self.forgotten)

    def _keep(self, kept: BoolArray) -> None:
        if not kept.all():
            self.intervals, self.bits = self.intervals[kept], self.bits[kept]

    def tidy(self) -> None:
        """Let go of streams of which no interval that is remembered has a point: of categories that came once, say."""
        if len(self.slots) < 2 * self.used + _WASTE:
            return
        self._widen()
        seen = np.unpackbits(self.bits, axis=1, count=len(self.slots))
        kept = np.flatnonzero(seen.any(axis=0))
        names = list(self.slots)
        self.slots = {names[slot]: at for at, slot in enumerate(kept.tolist())}
        self.used = len(self.slots)
        self.bits = np.packbits(seen[:, kept], axis=1)
