"""From snapshots to the SDK's metric objects, which every OTel exporter understands.

Numeric columns become exponential histograms, categorical ones sums by category; nulls and invalid values are sums
of their own. Values are Python ints and floats: the SDK's encoder accepts nothing else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    Metric,
    NumberDataPoint,
    Sum,
)

from driftmeter import semconv
from driftmeter.otlp._dense import DenseBuckets, dense
from driftmeter.otlp._parts import Layout, Part, cut
from driftmeter.schema import Column, Model
from driftmeter.sketches import OTHER, CategoricalSketch, NumericSketch, Sketch, Snapshot

Attributes = dict[str, Any]
DELTA: Final = AggregationTemporality.DELTA
CUMULATIVE: Final = AggregationTemporality.CUMULATIVE


Layouts: TypeAlias = defaultdict[tuple[Model, Column], Layout]
"""The parts that the numeric columns of a running total are sent in."""


@dataclass(slots=True)
class Points:
    """Data points of one interval, by metric."""

    start: int
    time: int
    by_metric: dict[semconv.Metric, list[Any]] = field(default_factory=dict)

    def numbers(self, metric: semconv.Metric, pairs: Iterable[tuple[Attributes, float]]) -> None:
        """Add points that are numbers."""
        start, time = self.start, self.time
        found = self.by_metric.setdefault(metric, [])
        found += [NumberDataPoint(attributes, start, time, value) for attributes, value in pairs]

    def number(self, metric: semconv.Metric, attributes: Attributes, value: float) -> None:
        """Add a point that is a number."""
        self.add(metric, NumberDataPoint(attributes, self.start, self.time, value))

    def add(self, metric: semconv.Metric, point: Any) -> None:
        """Add a point."""
        self.by_metric.setdefault(metric, []).append(point)

    def __len__(self) -> int:
        return sum(map(len, self.by_metric.values()))


def model_attributes(model: Model) -> Attributes:
    """Return the attributes that name a model."""
    attributes: Attributes = {semconv.ML_MODEL_NAME: model.name}
    if model.version:
        attributes[semconv.ML_MODEL_VERSION] = model.version
    if model.segment is not None:
        attributes[semconv.ML_SEGMENT + model.segment.column] = model.segment.value
    return attributes


def column_attributes(model: Model, column: Column) -> Attributes:
    """Return the attributes that name a model's column."""
    return _name_column(model_attributes(model), column)


def _name_column(model: Attributes, column: Column) -> Attributes:
    return {**model, semconv.ML_COLUMN_NAME: column.name, semconv.ML_COLUMN_ROLE: column.role}


def sketch_points(snapshot: Snapshot, *, layouts: Layouts | None = None, exponential: bool = True) -> Points:
    """Return the points that carry a snapshot; its interval becomes theirs.

    Args:
        snapshot: The sketches; of a cumulative stream, those of all that was recorded.
        layouts: The parts of the running totals so far, for a cumulative stream; they are brought up to date.
        exponential: Whether to send the exponential histograms of numeric columns.
    """
    points = Points(snapshot.start, snapshot.end)
    model = model_attributes(snapshot.model)
    cuts = [
        _cut(snapshot.model, column, sketch, layouts) if exponential else (0, [])
        for column, sketch in snapshot.columns.items()
    ]
    buckets = dense([(side, down) for down, parts in cuts for part in parts for side in (part.positive, part.negative)])
    for (column, sketch), cut_ in zip(snapshot.columns.items(), cuts, strict=True):
        attributes = _name_column(model, column)
        if isinstance(sketch, CategoricalSketch):
            _add_categorical(points, attributes, sketch)
        else:
            _add_numeric(points, attributes, sketch, cut_, buckets)
        _add_unseen(points, {**attributes, semconv.ML_COLUMN_KIND: column.kind}, sketch)
    return points


def sketch_metrics(snapshots: Iterable[Snapshot], *, temporality: AggregationTemporality) -> list[Metric]:
    """Return the metrics that carry the snapshots; a snapshot's interval becomes its points' interval."""
    return points_metrics(map(sketch_points, snapshots), temporality=temporality)


def points_metrics(parts: Iterable[Points], *, temporality: AggregationTemporality) -> list[Metric]:
    """Return the metrics that hold the points of all the parts, each metric once."""
    joined: defaultdict[semconv.Metric, list[Any]] = defaultdict(list)
    for points in parts:
        for metric, data_points in points.by_metric.items():
            joined[metric] += data_points
    return [_metric(metric, data_points, temporality) for metric, data_points in joined.items()]


_Cut: TypeAlias = tuple[int, list[Part]]


def _cut(model: Model, column: Column, sketch: Sketch, layouts: Layouts | None) -> _Cut:
    """Return by how many scales a column goes down, and its parts: none where no value is in a bucket."""
    if isinstance(sketch, CategoricalSketch) or not (sketch.zero_count or len(sketch.positive) or len(sketch.negative)):
        return 0, []
    return cut(sketch, None if layouts is None else layouts[model, column])


def _add_numeric(
    points: Points,
    attributes: Attributes,
    sketch: NumericSketch,
    cut_: _Cut,
    buckets: Iterator[tuple[int, DenseBuckets]],
) -> None:
    down, parts = cut_
    for part in parts:
        (above, positive), (below, negative) = next(buckets), next(buckets)
        main = not part.name
        zero_count = sketch.zero_count if main else 0
        points.add(
            semconv.COLUMN_VALUE,
            ExponentialHistogramDataPoint(
                attributes=attributes if main else {**attributes, semconv.ML_COLUMN_PART: part.name},
                start_time_unix_nano=points.start,
                time_unix_nano=points.time,
                count=above + below + zero_count,
                # One part carries the whole sum, so that the sum over the parts is the column's.
                sum=sketch.sum if main else 0.0,
                scale=sketch.scale - down,
                zero_count=zero_count,
                positive=positive,
                negative=negative,
                flags=0,
                min=sketch.min,
                max=sketch.max,
            ),
        )


def _add_categorical(points: Points, attributes: Attributes, sketch: CategoricalSketch) -> None:
    counts = [*sketch.counts.items(), *([(OTHER, sketch.other)] if sketch.other else [])]
    if counts:
        named = (({**attributes, semconv.ML_CATEGORY: name}, count) for name, count in counts)
        points.numbers(semconv.COLUMN_CATEGORIES, named)


def _add_unseen(points: Points, attributes: Attributes, sketch: Sketch) -> None:
    points.number(semconv.COLUMN_MISSING, attributes, sketch.missing)
    non_finite = sketch.non_finite if isinstance(sketch, NumericSketch) else 0
    for check, count in (("type_mismatch", sketch.mismatched), ("non_finite", non_finite)):
        if count:
            points.number(semconv.COLUMN_INVALID, {**attributes, semconv.ML_QUALITY_CHECK: check}, count)


def _metric(metric: semconv.Metric, data_points: Sequence[Any], temporality: AggregationTemporality) -> Metric:
    data: ExponentialHistogram | Histogram | Sum
    if metric.kind == "histogram":
        data = Histogram(data_points, temporality)
    elif metric.kind == "exponential_histogram":
        data = ExponentialHistogram(data_points, temporality)
    else:
        data = Sum(data_points, temporality, is_monotonic=True)
    return Metric(metric.name, metric.says, metric.unit, data)


def gauge_metrics(values: Mapping[semconv.Metric, Iterable[tuple[Attributes, float]]], *, time: int) -> list[Metric]:
    """Return gauges from (attributes, value) pairs by metric, all at one time in Unix nanoseconds."""
    return [
        Metric(
            metric.name,
            metric.says,
            metric.unit,
            Gauge([NumberDataPoint(attributes, time, time, value) for attributes, value in pairs]),
        )
        for metric, pairs in values.items()
    ]
