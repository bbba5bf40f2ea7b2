"""The positions of streams: what of each point has not been counted before.

    delta        the intervals that were counted     a point of another interval counts whole
    cumulative   the last point                      a later one counts by how much it is more

A writer is what sends streams: an origin, and, of cumulative streams, the time that they started, since a process that
restarts counts from zero again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

import numpy as np

from driftmeter.gateway._decode import Point
from driftmeter.sketches import Buckets, NumericSketch, key_edges

INTERVALS: Final = 1024
"""Intervals of a writer that are remembered."""
TIMES: Final = 8
"""Times of a cumulative writer that are remembered."""

Value: TypeAlias = NumericSketch | int


@dataclass(slots=True)
class Delta:
    """What was counted of a writer's delta streams: by interval, which of them."""

    resource: Mapping[str, Any]
    touched: int = 0
    newest: int = 0
    forgotten: int = -1
    intervals: dict[tuple[int, int], set[bytes]] = field(default_factory=dict)
    series: set[bytes] = field(default_factory=set)

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return len(self.series)

    def admit(self, point: Point, horizon: int) -> tuple[str, Value | None, int]:
        """Return the outcome, and what is to be counted from when on."""
        key, interval = point.series.key, (point.start, point.time)
        if point.time <= max(self.forgotten, self.newest - horizon):
            return "old", None, 0
        seen = self.intervals.get(interval)
        if seen is None:
            seen = self.intervals[interval] = set()
        elif key in seen:
            return "duplicate", None, 0
        seen.add(key)
        self.series.add(key)
        others = (other for other in self.intervals if other != interval)
        overlapping = any(start < point.time and point.start < end for start, end in others)
        self._forget(point.time, horizon)
        return "overlapping" if overlapping else "counted", point.value, point.start

    def _forget(self, time: int, horizon: int) -> None:
        self.newest = max(self.newest, time)
        if len(self.intervals) > INTERVALS:
            earliest = min(self.intervals, key=lambda interval: interval[::-1])
            self.forgotten = max(self.forgotten, earliest[1])
        for interval in [interval for interval in self.intervals if interval[1] <= self.newest - horizon]:
            del self.intervals[interval]


@dataclass(slots=True)
class Cumulative:
    """What was counted of a writer's cumulative streams: the last point of each, and when points came lately."""

    resource: Mapping[str, Any]
    touched: int = 0
    times: tuple[int, ...] = ()
    last: dict[bytes, tuple[int, Value]] = field(default_factory=dict)

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return len(self.last)

    def admit(self, point: Point, horizon: int) -> tuple[str, Value | None, int]:
        """Return the outcome, and what is to be counted from when on."""
        key = point.series.key
        before = self.last.get(key)
        if before is not None and point.time <= before[0]:
            return ("duplicate" if point.time == before[0] else "old"), None, 0
        earlier = max((time for time in self.times if time < point.time), default=None)
        self.last[key] = point.time, point.value
        self.times = tuple(sorted({*self.times, point.time})[-TIMES:])
        if before is not None:
            more = difference(point.value, before[1])
            return ("reset", point.value, before[0]) if more is None else ("counted", more, before[0])
        if earlier is not None:
            # Its writer is known: had it counted anything by then, it would have been sent.
            return "counted", point.value, earlier
        if point.time - point.start <= horizon:
            return "counted", point.value, point.start
        return "first", None, 0


Writer: TypeAlias = Delta | Cumulative


@dataclass(slots=True)
class Shard:
    """The streams of one model, its segments included, in one service."""

    writers: dict[tuple[bytes, int], Writer] = field(default_factory=dict)
    columns: dict[object, None] = field(default_factory=dict)

    def writer(self, point: Point) -> Writer:
        """Return who sent a point."""
        key = point.origin.key, point.start if point.cumulative else -1
        if key not in self.writers:
            self.writers[key] = (Cumulative if point.cumulative else Delta)(point.origin.resource)
        return self.writers[key]

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return sum(writer.streams for writer in self.writers.values())

    def resource(self) -> Mapping[str, Any] | None:
        """Return the resource attributes that all writers share; None if there is no writer."""
        return shared(writer.resource for writer in self.writers.values()) if self.writers else None


def shared(resources: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the attributes that all resources have in common; none of none."""
    found: dict[str, Any] | None = None
    for resource in resources:
        if found is None:
            found = dict(resource)
        found = {name: value for name, value in found.items() if name in resource and resource[name] == value}
    return found or {}


def difference(more: Value, less: Value) -> Value | None:
    """Return what a cumulative value has grown by, or None if any count of it has fallen."""
    if isinstance(more, NumericSketch) and isinstance(less, NumericSketch):
        return _sketch_difference(more, less)
    assert isinstance(more, int)  # noqa: S101  # a metric holds values of one type
    assert isinstance(less, int)  # noqa: S101
    return more - less if more >= less else None


def _sketch_difference(more: NumericSketch, less: NumericSketch) -> NumericSketch | None:
    if less.scale < more.scale:
        return None
    before = less.at_scale(more.scale)
    positive, negative = (
        _bucket_difference(more.positive, before.positive),
        _bucket_difference(more.negative, before.negative),
    )
    zero_count = more.zero_count - less.zero_count
    if positive is None or negative is None or zero_count < 0:
        return None
    found = NumericSketch(more.scale, positive, negative, zero_count, more.sum - less.sum)
    if not found.count:
        return NumericSketch(scale=more.scale)
    lower, upper = key_edges(found.keys()[0], found.scale)
    least = more.min if more.min < less.min or not less.count else float(np.clip(lower[0], more.min, more.max))
    most = more.max if more.max > less.max or not less.count else float(np.clip(upper[-1], more.min, more.max))
    return replace(found, min=least, max=most)


def _bucket_difference(more: Buckets, less: Buckets) -> Buckets | None:
    places = np.searchsorted(more.indexes, less.indexes)
    inside = places < len(more)
    if not inside.all() or (more.indexes[places] != less.indexes).any():
        return None
    counts = more.counts.copy()
    counts[places] -= less.counts
    if (counts < 0).any():
        return None
    return Buckets(more.indexes[counts > 0], counts[counts > 0])
