"""The ledger in plain words: one point after the other, with sketches that are merged and subtracted one by one.

It says what `Ledger` must say, which does the same for many points at once. It knows no bounds.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from driftmeter import otlp, semconv
from driftmeter.schema import Column, Model
from driftmeter.sketches import (
    OTHER,
    Buckets,
    CategoricalSketch,
    NumericSketch,
    Sketch,
    Snapshot,
    key_edges,
    merge_sketches,
)

Value = NumericSketch | int


@dataclass
class Point:
    """One point, and which stream it is of."""

    resource: bytes
    cumulative: bool
    metric: str
    attributes: dict[str, Any]
    start: int
    time: int
    value: Value

    @property
    def stream(self) -> tuple[Any, ...]:
        return self.metric, tuple(sorted(self.attributes.items()))

    @property
    def model(self) -> Model:
        return otlp.model_of(self.attributes, self.metric)


@dataclass
class Delta:
    """The delta streams of a writer, those of sketches or those of counts."""

    newest: int = 0
    forgotten: int = -1
    forgotten_start: int = -1
    counted: set[tuple[Any, int, int]] = field(default_factory=set)
    last: dict[Any, Point] = field(default_factory=dict)

    def admit(self, point: Point, horizon: int, now: int) -> tuple[str, Value, int]:
        if point.time <= max(self.forgotten, self.newest - horizon):
            return "old", 0, 0
        self.forget(max(self.newest, min(point.time, now)), horizon)
        outcome, value, begin = self.judge(point)
        if outcome not in {"old", "duplicate", "undecided"}:
            self.counted.add((point.stream, point.start, point.time))
            last = self.last.get(point.stream)
            if last is None or last.time < point.time:
                self.last[point.stream] = point
        return outcome, value, begin

    def forget(self, newest: int, horizon: int) -> None:
        self.newest = newest
        gone = {interval for interval in self.counted if interval[2] <= newest - horizon}
        self.forgotten = max([self.forgotten, *(time for _, _, time in gone)])
        self.forgotten_start = max([self.forgotten_start, *(start for _, start, _ in gone)])
        self.counted -= gone

    def judge(self, point: Point) -> tuple[str, Value, int]:
        overlaps = any(
            start < point.time and point.start < time and start != point.start for _, start, time in self.counted
        )
        whole = "overlapping" if overlaps else "counted", point.value, point.start
        known = self.last.get(point.stream)
        last = known if known is not None and known.start == point.start else None
        of_one_start = [0 if last is None else last.time]
        of_one_start += [time for stream, start, time in self.counted if (stream, start) == (point.stream, point.start)]
        if of_one_start == [0]:
            return ("old", 0, 0) if point.start <= self.forgotten_start else whole
        if point.time <= max(of_one_start):
            return "duplicate", 0, 0
        if last is None:
            return "undecided", 0, 0
        more = difference(point.value, last.value)
        return ("overlapping", point.value, point.start) if more is None else ("extended", more, last.time)


@dataclass
class Cumulative:
    """The running totals of a writer that began at one time."""

    times: set[int] = field(default_factory=set)
    last: dict[Any, tuple[int, Value]] = field(default_factory=dict)

    def admit(self, point: Point, horizon: int, now: int) -> tuple[str, Value, int]:
        before = self.last.get(point.stream)
        self.times.add(point.time)
        if before is not None and point.time <= before[0]:
            return "duplicate" if point.time == before[0] else "old", 0, 0
        self.last[point.stream] = point.time, point.value
        if before is not None:
            more = difference(point.value, before[1])
            return ("reset", point.value, before[0]) if more is None else ("counted", more, before[0])
        earlier = max((time for time in self.times if time < point.time), default=None)
        if earlier is not None:
            nothing = NumericSketch() if isinstance(point.value, NumericSketch) else 0
            return "counted", difference(point.value, nothing), earlier
        if point.time - point.start <= horizon:
            return "counted", point.value, point.start
        return "first", 0, 0


class PlainLedger:
    """Counts requests."""

    def __init__(self, *, window: int, step: int) -> None:
        self.window, self.step = window, step
        self.writers: dict[Any, Delta | Cumulative] = {}
        self.sums: dict[tuple[Model, int], dict[Column, Sketch]] = {}
        self.outcomes: Counter[str] = Counter()

    def apply(self, body: bytes, *, now: int) -> None:
        groups: dict[Any, list[Point]] = {}
        for point in points_in(body):
            key = point.resource, point.model.whole, point.cumulative
            groups.setdefault(key, []).append(point)
        for key, points in groups.items():
            for point in sorted(points, key=lambda point: (point.time, point.start)):
                self._count(key, point, now)

    def _count(self, key: Any, point: Point, now: int) -> None:
        is_sketch = isinstance(point.value, NumericSketch)
        name = (*key, point.start) if point.cumulative else (*key, "sketches" if is_sketch else "counts")
        if name not in self.writers:
            self.writers[name] = Cumulative() if point.cumulative else Delta()
        outcome, value, begin = self.writers[name].admit(point, self.window, now)
        self.outcomes[outcome] += 1
        sketch = sketch_of(point, value)
        if sketch.total or getattr(sketch, "sum", 0):
            columns = self.sums.setdefault((point.model, begin // self.step * self.step), {})
            column = otlp.column_of(point.attributes, point.metric)
            known = columns.get(column)
            columns[column] = sketch if known is None else merge_sketches(known, sketch)

    def take(self) -> dict[tuple[Model, int], Snapshot]:
        return {of: Snapshot(of[0], of[1], of[1] + self.step, columns) for of, columns in self.sums.items()}


def points_in(body: bytes) -> list[Point]:
    """Return the points of a request that keep every rule."""
    found = []
    for resource_metrics in ExportMetricsServiceRequest.FromString(body).resource_metrics:
        resource = resource_metrics.resource.SerializeToString()
        for scope_metrics in resource_metrics.scope_metrics:
            for metric in scope_metrics.metrics:
                is_sketch = metric.name == semconv.COLUMN_VALUE.name
                data = metric.exponential_histogram if is_sketch else metric.sum
                for point in data.data_points:
                    attributes = dict(map(otlp.key_and_value, point.attributes))
                    cumulative = data.aggregation_temporality == 2
                    start = point.start_time_unix_nano or (0 if cumulative else point.time_unix_nano)
                    value = sketch_in(metric, point) if is_sketch else point.as_int
                    found.append(
                        Point(resource, cumulative, metric.name, attributes, start, point.time_unix_nano, value)
                    )
    return found


def sketch_in(metric: Any, point: Any) -> NumericSketch:
    """Return the sketch that a point holds, as `otlp.snapshots` reads it."""
    alone = ExportMetricsServiceRequest()
    made = alone.resource_metrics.add().scope_metrics.add().metrics.add(name=metric.name)
    made.exponential_histogram.aggregation_temporality = 1
    made.exponential_histogram.data_points.append(point)
    (snapshot,) = otlp.snapshots([alone])
    (sketch,) = snapshot.columns.values()
    assert isinstance(sketch, NumericSketch)
    return sketch


def sketch_of(point: Point, value: Value) -> Sketch:
    """Return what a point counts as a sketch of its column."""
    if isinstance(value, NumericSketch):
        return value
    detail = point.attributes.get
    if point.metric == semconv.COLUMN_CATEGORIES.name:
        name = detail(semconv.ML_CATEGORY, OTHER)
        return CategoricalSketch(other=value) if name == OTHER else CategoricalSketch({name: value} if value else {})
    kind = detail(semconv.ML_COLUMN_KIND, "numeric")
    if point.metric == semconv.COLUMN_MISSING.name:
        return NumericSketch(missing=value) if kind == "numeric" else CategoricalSketch(missing=value)
    if kind == "categorical":
        return CategoricalSketch(mismatched=value)
    if detail(semconv.ML_QUALITY_CHECK) == "non_finite":
        return NumericSketch(non_finite=value)
    return NumericSketch(mismatched=value)


def difference(more: Value, less: Value) -> Value | None:
    """Return by how much a running total has grown, or None if any count of it has fallen."""
    if isinstance(more, NumericSketch) and isinstance(less, NumericSketch):
        return _sketch_difference(more, less)
    return more - less if more >= less else None


def _sketch_difference(more: NumericSketch, less: NumericSketch) -> NumericSketch | None:
    if less.scale < more.scale:
        return None
    before = less.at_scale(more.scale)
    positive = _bucket_difference(more.positive, before.positive)
    negative = _bucket_difference(more.negative, before.negative)
    zero_count = more.zero_count - less.zero_count
    if positive is None or negative is None or zero_count < 0:
        return None
    found = NumericSketch(more.scale, positive, negative, zero_count, more.sum - less.sum)
    if not found.count:
        return found
    lower, upper = key_edges(found.keys()[0], found.scale)
    least = more.min if more.min < less.min else float(np.clip(lower[0], more.min, more.max))
    most = more.max if more.max > less.max else float(np.clip(upper[-1], more.min, more.max))
    return replace(found, min=least, max=most)


def _bucket_difference(more: Buckets, less: Buckets) -> Buckets | None:
    counts = dict(zip(more.indexes.tolist(), more.counts.tolist(), strict=True))
    for index, count in zip(less.indexes.tolist(), less.counts.tolist(), strict=True):
        counts[index] = counts.get(index, 0) - count
    if min(counts.values(), default=0) < 0:
        return None
    kept = sorted((index, count) for index, count in counts.items() if count)
    return Buckets(
        np.array([index for index, _ in kept], dtype=np.int64), np.array([count for _, count in kept], dtype=np.int64)
    )
