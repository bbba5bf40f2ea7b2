"""The last points of streams, of all of one type that a writer sends, in arrays.

Of a sketch its buckets are kept as they came, in wire form::

    stream   time    count   scale   sum     lists
    x        12:01      80       7   412.5   b"..." b""        those of positive and of negative values
    y           -1       0      20     0.0   b""    b""        no point has come yet
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, NamedTuple

import numpy as np

from driftmeter.gateway.streams._ragged import run
from driftmeter.sketches import MAX_SCALE
from driftmeter.typing import AnyArray, Int64Array

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

    @classmethod
    def of(cls, points: np.dtype[np.void]) -> Last:
        """Return streams whose points are of a dtype, of which there are none yet."""
        return cls(np.zeros(0, dtype=points))

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

    def only(self, slots: Int64Array) -> Last:
        """Return the last points of some streams, which are numbered anew in this order."""
        names = list(self.slots)
        return Last(
            self.points[slots],
            {names[slot]: at for at, slot in enumerate(slots.tolist())},
            self.lists_of(slots),
        )


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


def joined(parts: Sequence[Before]) -> Before | None:
    """Return what was known of several points as one; None of none."""
    if len(parts) <= 1:
        return parts[0] if parts else None
    places, points = (
        np.concatenate(arrays) for arrays in zip(*((part.places, part.points) for part in parts), strict=True)
    )
    return Before(places, points, list(chain.from_iterable(part.lists for part in parts)))
