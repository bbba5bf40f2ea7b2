"""What is new in a request: of each point an outcome, since when it counts, and how much.

A delta point counts whole, from its start on, unless its interval was counted before; if a shorter one of its start
was, by what it is more, from the end of that on. A running total counts by what it has grown since the stream's last
point, and from then on.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from driftmeter.gateway.streams._cumulatives import Cumulatives, First
from driftmeter.gateway.streams._deltas import Deltas
from driftmeter.gateway.streams._identity import Series
from driftmeter.gateway.streams._intervals import by_interval
from driftmeter.gateway.streams._last import HISTOGRAM, NUMBER, Before, Given, Last
from driftmeter.gateway.streams._origins import Origin
from driftmeter.gateway.streams._outcomes import EXTENDED, NONE, OVERLAPPING, RESET, Codes
from driftmeter.gateway.streams._received import Group, Received
from driftmeter.gateway.streams._room import Room
from driftmeter.gateway.streams._streams import Shard
from driftmeter.typing import Int64Array


class Admission:
    """The points of one request.

    Args:
        received: The request.
        horizon: Nanoseconds that are looked back.

    Attributes:
        codes: The outcome of each point.
        begins: Since when it counts.
        counts: How much a point that holds a count counts.
        before: What sketches that are running totals were before; their places are those of points.
    """

    def __init__(self, received: Received, *, horizon: int) -> None:
        self._received = received
        self._horizon = horizon
        size = len(received.series)
        self._sketches = size - len(received.counts)
        self.codes: Codes = np.full(size, NONE, dtype=np.int8)
        self.begins = received.starts.copy()
        self.counts = received.counts.copy()
        self.before: list[Before] = []

    @cached_property
    def _given_sketches(self) -> Given:
        points = np.empty(self._sketches, dtype=HISTOGRAM)
        points["time"] = self._received.times[: self._sketches]
        lists: list[bytes] = []
        for piece in self._received.pieces:
            sketches = piece.histograms
            here = points[piece.first : piece.first + len(sketches.counts)]
            here["count"], here["zero_count"], here["scale"] = sketches.counts, sketches.zero_counts, sketches.scales
            here["sum"], here["least"], here["most"] = sketches.sums, sketches.least, sketches.most
            lists += piece.lists
        return Given(points, lists)

    @cached_property
    def _given_counts(self) -> Given:
        points = np.empty(len(self.counts), dtype=NUMBER)
        points["time"] = self._received.times[self._sketches :]
        points["count"] = self._received.counts
        return Given(points, ())

    def not_after(self, time: int, points: Int64Array) -> Int64Array:
        """Return those of the points that were not taken after a time."""
        return points[self._received.times[points] <= time]

    def admit(self, shard: Shard, group: Group, points: Int64Array, now: int, room: Room) -> None:
        """Let the positions of streams know of points.

        Args:
            shard: The streams of the group's model.
            group: Where the points come from.
            points: Those of the group that are looked at.
            now: When they came.
            room: What there is left for streams that are new.
        """
        if group.cumulative:
            for (start, time), members in by_interval(self._received.starts[points], self._received.times[points]):
                writer = shard.cumulatives(group.origin, start, now)
                self._admit_totals(writer, start, time, points[members], room)
        else:
            self._admit_deltas(shard, group.origin, points, now, room)

    def begin_anew(self, places: Int64Array) -> None:
        """Let points count whole, since what was known of their streams turns out to be no part of them."""
        anew = places[self.codes[places] == EXTENDED]
        self.codes[places] = RESET
        self.codes[anew] = OVERLAPPING
        self.begins[anew] = self._received.starts[anew]

    def _admit_deltas(self, shard: Shard, origin: Origin, points: Int64Array, now: int, room: Room) -> None:
        sketches, counts = points[points < self._sketches], points[points >= self._sketches]
        if len(sketches):
            writer = shard.deltas(origin, HISTOGRAM, now)
            before = self._take(writer, sketches, self._given_sketches, sketches, now=now, room=room)
            if before is not None:
                self.before.append(before)
        if len(counts):
            writer = shard.deltas(origin, NUMBER, now)
            rows = counts - self._sketches
            before = self._take(writer, counts, self._given_counts, rows, now=now, room=room)
            if before is not None:
                self._grow(before)

    def _take(
        self, writer: Deltas, points: Int64Array, given: Given, rows: Int64Array, *, now: int, room: Room
    ) -> Before | None:
        intervals = self._received.starts[points], self._received.times[points]
        codes, before = writer.admit(
            self._series(points), intervals, given, rows, now=now, horizon=self._horizon, room=room
        )
        self.codes[points] = codes
        return None if before is None else self._since(before, points[before.places])

    def _since(self, before: Before, places: Int64Array) -> Before:
        """Let points begin where the last ones of their streams end, if there are any."""
        known = before.points["time"]
        self.begins[places] = np.where(known >= 0, known, self.begins[places])
        return Before(places, before.points, before.lists)

    def _grow(self, before: Before) -> None:
        """Let counts count by what they are more."""
        at = before.places - self._sketches
        grown = self.counts[at] - before.points["count"]
        self.begin_anew(before.places[grown < 0])
        self.counts[at[grown >= 0]] = grown[grown >= 0]

    def _series(self, points: Int64Array) -> list[Series]:
        series = self._received.series
        return [series[at] for at in points.tolist()]

    def _admit_totals(self, writer: Cumulatives, start: int, time: int, points: Int64Array, room: Room) -> None:
        earlier = writer.note(time)
        is_recent = time - start <= self._horizon
        first: First = "grown" if earlier is not None else "whole" if is_recent else "left"
        self.begins[points] = start if earlier is None else earlier
        sketches, counts = points[points < self._sketches], points[points >= self._sketches]
        if len(sketches):
            given = self._given_sketches
            before = self._advance(writer, writer.histograms, sketches, given, sketches, first=first, room=room)
            self.before.append(before)
        if len(counts):
            rows = counts - self._sketches
            before = self._advance(writer, writer.numbers, counts, self._given_counts, rows, first=first, room=room)
            self._grow(before)

    def _advance(
        self,
        writer: Cumulatives,
        last: Last,
        points: Int64Array,
        given: Given,
        rows: Int64Array,
        *,
        first: First,
        room: Room,
    ) -> Before:
        codes, before = writer.advance(last, self._series(points), given, rows, first=first, room=room)
        self.codes[points] = codes
        return self._since(before, points[before.places])
