"""The positions of a writer's delta streams: which intervals were counted, and of which streams.

A writer sends all of its streams for one interval at a time. So an interval is kept once, with a bit for each stream::

    start   time     | x | y | z |
    12:00   12:01    | 1 | 1 | 1 |
    12:01   12:02    | 1 | 0 | 1 |        y of 12:01 counts when it comes, and not again when it is resent

Where an interval starts, the writer began to add up; so points of a stream with one start are one sum as it grew. A
sender that takes an export for failed, and goes on adding, sends such a longer one. It counts by what it is more than
the stream's last point, if that is the shorter one; else it is undecided::

    start   time     value
    12:00   12:01        5      counts 5
    12:00   12:03        9      counts 4, since 12:01
    12:00   12:02        7      is part of the 9
    12:02   12:03        3      began anew: another sum, which counts whole

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
from driftmeter.gateway.streams._last import Before, Given, Last, joined
from driftmeter.gateway.streams._outcomes import (
    COUNTED,
    COUNTS,
    DUPLICATE,
    EXTENDED,
    NONE,
    OLD,
    OVERLAPPING,
    UNDECIDED,
    Codes,
)
from driftmeter.gateway.streams._ragged import grown
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
    """The delta streams of one writer, those of sketches or those of counts.

    Attributes:
        resource: The writer's resource attributes.
        last: The last point of each stream, that of the latest time, and the number of its bit.
        touched: When points came last.
        starts: When the last points began; -1 where there is none yet. Longer than it needs.
        intervals: Starts and times, of shape (k, 2), in the order in which they first came.
        bits: Which streams of each interval were counted, of shape (k, bytes), eight streams a byte.
        newest: The latest time of any point, but not later than it came: else, when a clock that was ahead is set
            right, what comes next would be old.
        forgotten: What ended by then is not remembered any more.
        forgotten_start: When the latest of that began.
        used: How many streams were in use when last looked for.
    """

    resource: Mapping[str, Any]
    last: Last
    touched: int = 0
    starts: Int64Array = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    intervals: Int64Array = field(default_factory=_no_intervals)
    bits: _Bits = field(default_factory=_no_bits)
    newest: int = 0
    forgotten: int = -1
    forgotten_start: int = -1
    used: int = 0

    def __len__(self) -> int:
        return len(self.last.slots)

    def admit(
        self,
        series: Sequence[Series],
        intervals: tuple[Int64Array, Int64Array],
        given: Given,
        rows: Int64Array,
        *,
        now: int,
        horizon: int,
        room: Room,
    ) -> tuple[Codes, Before | None]:
        """Return the outcome of each point, and what was known before of those that go on from a last point.

        Args:
            series: What the points are called.
            intervals: When each began, and when it was taken.
            given: All points of their type in the request.
            rows: Which of these they are.
            now: When they came.
            horizon: Nanoseconds that an interval is remembered.
            room: What there is left for streams that are new.
        """
        slots, codes = room.slots(self.last.slots, series)
        self._widen()
        before: list[Before] = []
        for (start, time), members in by_interval(*intervals):
            taken = members[codes[members] == NONE]
            if time <= max(self.forgotten, self.newest - horizon):
                codes[taken] = OLD
                continue
            self._advance(min(time, now), horizon)
            codes[taken] = self._judge((start, time), slots[taken])
            on = taken[codes[taken] == EXTENDED]
            if len(on):
                before.append(Before(on, self.last.points[slots[on]], self.last.lists_of(slots[on])))
            new = taken[COUNTS[codes[taken]]]
            new = new[self.last.points["time"][slots[new]] < time]
            self.last.set(slots[new], given, rows[new])
            self.starts[slots[new]] = start
            self._bound()
        return codes, joined(before)

    def _judge(self, interval: Interval, slots: Int64Array) -> Codes:
        """Return what becomes of the points of an interval, and note those as counted of which nothing is in doubt."""
        start, time = interval
        starts, times = self.intervals.T
        alike = starts == start
        others = (starts < time) & (times > start) & ~alike
        codes: Codes = np.full(len(slots), OVERLAPPING if others.any() else COUNTED, dtype=np.int8)
        goes_on = self.starts[slots] == start
        ends = np.where(goes_on, self.last.points["time"][slots], -1)
        if alike.any() and not goes_on.all():  # where a stream goes on, its last point is the latest
            ends = np.maximum(ends, self._latest(np.flatnonzero(alike), slots))
        # A shorter one of the same start may have been counted, and be forgotten.
        codes[(ends < 0) & (start <= self.forgotten_start)] = OLD
        codes[ends >= 0] = UNDECIDED
        codes[(ends >= 0) & goes_on] = EXTENDED
        codes[ends >= time] = DUPLICATE
        if len(set(slots.tolist())) < len(slots):
            again = np.ones(len(slots), dtype=bool)
            again[np.unique(slots, return_index=True)[1]] = False
            codes[again] = DUPLICATE
        self._mark(interval, slots[COUNTS[codes]])
        return codes

    def _latest(self, places: Int64Array, slots: Int64Array) -> Int64Array:
        """Return the latest end of the intervals that were counted of each stream, of some of them; or -1."""
        bits = self.bits[places][:, slots >> 3] >> (7 - (slots & 7)).astype(np.uint8) & 1
        latest: Int64Array = np.where(bits, self.intervals[places, 1][:, None], -1).max(axis=0)
        return latest

    def _counted(self, place: int) -> BoolArray:
        """Return which streams of an interval were counted."""
        return np.unpackbits(self.bits[place], count=len(self)).view(np.bool_)

    def _mark(self, interval: Interval, slots: Int64Array) -> None:
        """Note streams of an interval as counted."""
        if not len(slots):
            return
        places = np.flatnonzero((self.intervals == interval).all(axis=1))
        place = int(places[0]) if len(places) else self._open(interval)
        counted = self._counted(place)
        counted[slots] = True
        packed = np.packbits(counted)
        self.bits[place, : len(packed)] = packed

    def _open(self, interval: Interval) -> int:
        self.intervals = np.append(self.intervals, [interval], axis=0)
        self.bits = np.append(self.bits, np.zeros((1, self.bits.shape[1]), dtype=np.uint8), axis=0)
        return len(self.intervals) - 1

    def _widen(self) -> None:
        """Make place for all streams."""
        self.last.grow()
        self.starts = grown(self.starts, len(self), -1)
        more = (len(self) + 7) // 8 - self.bits.shape[1]
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
            self._keep(self.intervals[:, 1] > self.intervals[:, 1].min())

    def _keep(self, kept: BoolArray) -> None:
        if not kept.all():
            starts, times = self.intervals[~kept].max(axis=0).tolist()
            self.forgotten = max(self.forgotten, times)
            self.forgotten_start = max(self.forgotten_start, starts)
            self.intervals, self.bits = self.intervals[kept], self.bits[kept]

    def tidy(self) -> None:
        """Let go of streams of which no interval that is remembered has a point: of categories that came once, say."""
        if len(self) < 2 * self.used + _WASTE:
            return
        self._widen()
        counted = np.unpackbits(self.bits, axis=1, count=len(self))
        kept = np.flatnonzero(counted.any(axis=0))
        self.last = self.last.only(kept)
        self.starts = self.starts[kept]
        self.used = len(self)
        self.bits = np.packbits(counted[:, kept], axis=1)
