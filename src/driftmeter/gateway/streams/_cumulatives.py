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
from functools import partial
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from driftmeter.gateway.streams._identity import Series
from driftmeter.gateway.streams._last import HISTOGRAM, NUMBER, Before, Given, Last
from driftmeter.gateway.streams._outcomes import COUNTED, DUPLICATE, FIRST, NONE, OLD, Codes
from driftmeter.gateway.streams._room import Room
from driftmeter.typing import Int64Array

_TIMES: Final = 8
"""Times of a writer's points that are remembered."""

First: TypeAlias = Literal["whole", "grown", "left"]
"""What becomes of first points: they count whole, or as grown from nothing, or not."""


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
    numbers: Last = field(default_factory=partial(Last.of, NUMBER))
    histograms: Last = field(default_factory=partial(Last.of, HISTOGRAM))

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
