"""The positions of a writer's cumulative streams: the last point of each.

A point counts by how much it is more than the last one, over the time between the two. Running totals that began at
another time are another writer's, since a process that restarts counts from zero again::

    time    12:00    12:01    12:02    12:03
    total       5        9        9        2     a fall: the total began anew, and counts whole
    counts      5        4        0        2

Where other streams of its writer came before, a new one (a category, a part of a sketch) has grown since then from
nothing: had it counted anything, it would have come too. The first ones of a writer count whole if they began a horizon
ago at most. Else what they hold may have been counted by a state that was lost, or by one that forgot the writer as
idle, and only what comes on top of it counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import numpy as np

from driftmeter.gateway.streams._identity import Series
from driftmeter.gateway.streams._outcomes import COUNTED, DUPLICATE, FIRST, NONE, OLD, Codes
from driftmeter.gateway.streams._ragged import run
from driftmeter.gateway.streams._room import Room
from driftmeter.sketches import MAX_SCALE
from driftmeter.typing import AnyArray, Int64Array

_TIMES: Final = 8
"""Times of a writer's points that are remembered."""

NUMBER: Final = np.dtype([("time", "<i8"), ("count", "<i8")])
"""The last point of a stream of counts."""
HISTOGRAM: Final = np.dtype(
    [
        ("time", "<i8"),
        ("count", "<i8"),
        ("zero_count", "<i8"),
        ("scale", "<i8"),
        ("sum", "<f8"),
        ("least", "<f8"),
        ("most", "<f8"),
    ]
)
"""That of a stream of sketches, but for its buckets."""


_NOTHING: Final = {
    NUMBER: np.array((-1, 0), dtype=NUMBER),
    HISTOGRAM: np.array((-1, 0, 0, MAX_SCALE, 0.0, np.nan, np.nan), dtype=HISTOGRAM),
}
"""What a stream has counted of which no point has come."""

First: TypeAlias = Literal["whole", "grown", "left"]
"""What becomes of first points: they count whole, or as grown from nothing, or not."""


class Given(NamedTuple):
    """Points of one type, of the dtype `NUMBER` or `HISTOGRAM`; of sketches their bucket lists too, as in `Last`."""

    points: AnyArray
    lists: Sequence[bytes]


@dataclass(slots=True)
class Last:
    """The last points of a writer's streams of one type, by the numbers of these.

    Attributes:
        points: Of the dtype `NUMBER` or `HISTOGRAM`; with a time of -1 where there is none yet. Longer than it needs.
        slots: Of each stream, by its key, its number.
        lists: Of a stream of sketches the bucket lists in wire form: 2i is the positive one of stream i.
    """

    points: AnyArray
    slots: dict[bytes, int] = field(default_factory=dict)
    lists: list[bytes] = field(default_factory=list)

    def lists_of(self, slots: Int64Array) -> list[bytes]:
        """Return the bucket lists of streams."""
        if not self.lists:
            return []
        # As a rule a writer's streams come in the same order as before.
        at = run(slots)
        if at is not None:
            return self.lists[2 * at.start : 2 * at.stop]
        return [wire for slot in slots.tolist() for wire in self.lists[2 * slot : 2 * slot + 2]]

    def set(self, slots: Int64Array, given: Given, rows: Int64Array) -> None:
        """Let points be the last ones of their streams."""
        at, source = run(slots), run(rows)
        if at is None or source is None:
            self.points[slots] = given.points[rows]
            if self.lists:
                for slot, row in zip(slots.tolist(), rows.tolist(), strict=True):
                    self.lists[2 * slot : 2 * slot + 2] = given.lists[2 * row : 2 * row + 2]
            return
        self.points[at] = given.points[source]
        if self.lists:
            self.lists[2 * at.start : 2 * at.stop] = given.lists[2 * source.start : 2 * source.stop]

    def grow(self) -> None:
        """Make place for all streams that have a number."""
        size = len(self.slots)
        if size > len(self.points):
            longer = np.full(max(size, len(self.points) * 3 // 2), _NOTHING[self.points.dtype], dtype=self.points.dtype)
            longer[: len(self.points)] = self.points
            self.points = longer
        if self.points.dtype == HISTOGRAM and 2 * size > len(self.lists):
            self.lists += [b""] * (2 * size - len(self.lists))


@dataclass(frozen=True, slots=True)
class Before:
    """What was known of some points' streams before them.

    Attributes:
        places: Which points, of those that were given.
        points: The last points of their streams.
        lists: The bucket lists of these, if they hold sketches.
    """

    places: Int64Array
    points: AnyArray
    lists: Sequence[bytes]


def _no_numbers() -> Last:
    return Last(np.zeros(0, dtype=NUMBER))


def _no_histograms() -> Last:
    return Last(np.zeros(0, dtype=HISTOGRAM))


@dataclass(slots=True)
class Cumulatives:
    """The cumulative streams of one writer that began at one time.

    Attributes:
        resource: The writer's resource attributes.
        touched: When points came last.
        times: The latest times of points, ascending.
        numbers: The streams of counts.
        histograms: The streams of sketches.
    """

    resource: Mapping[str, Any]
    touched: int = 0
    times: tuple[int, ...] = ()
    numbers: Last = field(default_factory=_no_numbers)
    histograms: Last = field(default_factory=_no_histograms)

    def __len__(self) -> int:
        return len(self.numbers.slots) + len(self.histograms.slots)

    def note(self, time: int) -> int | None:
        """Note that points of a time came; return the latest time before, if one is known."""
        if time not in self.times:
            self.times = tuple(sorted((*self.times, time)))[-_TIMES:]
        return max((known for known in self.times if known < time), default=None)

    def advance(
        self, last: Last, series: Sequence[Series], given: Given, rows: Int64Array, *, first: First, room: Room
    ) -> tuple[Codes, Before]:
        """Take points of one time as the last ones; return the outcome of each, and what was known before.

        Those of outcome `COUNTED` count: by the difference where something was known before, else whole.

        Args:
            last: `numbers` or `histograms`.
            series: What the points are called.
            given: All points of their type in the request.
            rows: Which of these they are.
            first: What becomes of first points of streams.
            room: What there is left for streams that are new.
        """
        slots, codes = room.slots(last.slots, series)
        last.grow()
        if len(set(slots.tolist())) < len(slots):
            again = np.ones(len(slots), dtype=bool)
            again[np.unique(slots, return_index=True)[1]] = False
            codes[again & (codes == NONE)] = DUPLICATE
        at = np.flatnonzero(codes == NONE)
        known = last.points[slots[at]]
        is_known, ahead = known["time"] >= 0, known["time"] - given.points["time"][rows[at]]
        codes[at] = np.where(is_known | (first != "left"), COUNTED, FIRST)
        codes[at[ahead >= 0]] = np.where(ahead[ahead >= 0] > 0, OLD, DUPLICATE)
        grown = (is_known | (first == "grown")) & (ahead < 0)
        before = Before(at[grown], known[grown], last.lists_of(slots[at[grown]]))
        new = at[ahead < 0]
        last.set(slots[new], given, rows[new])
        return codes, before
