"""From snapshots to the SDK's metric objects, which every OTel exporter understands.

Numeric columns become exponential histograms, categorical ones sums by category; nulls and invalid values are sums
of their own. Values are Python ints and floats: the SDK's encoder accepts nothing else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Metric,
    NumberDataPoint,
    Sum,
)
from opentelemetry.sdk.metrics.export import Buckets as SdkBuckets

from driftmeter import semconv
from driftmeter.otlp._parts import DenseBuckets, Layout, cut
from driftmeter.schema import Column, Model
from driftmeter.sketches import OTHER, CategoricalSketch, NumericSketch, Sketch, Snapshot

Attributes = dict[str, Any]
DELTA: Final = AggregationTemporality.DELTA


Layouts: TypeAlias = defaultdict[tuple[Model, Column], Layout]
"""The parts that the numeric columns of a running total are sent in."""


@dataclass(slots=True)
class Points:
    """Data points of one interval, by metric."""

    start: int
    time: int
    by_metric: dict[semconv.Metric, list[Any]] = field(default_factory=dict)

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
    return attributes


def column_attributes(model: Model, column: Column) -> Attributes:
    """Return the attributes that name a model's column."""
    return {
        **model_attributes(model),
        semconv.ML_COLUMN_NAME: column.name,
        semconv.ML_COLUMN_ROLE: column.role,
    }


def sketch_points(snapshot: Snapshot, *, layouts: Layouts | None = None) -> Points:
    """Return the points that carry a snapshot; its interval becomes theirs.

    Args:
        snapshot: The sketches; of a cumulative stream, those of all that was recorded.
        layouts: The parts of the running totals so far, for a cumulative stream; they are brought up to date.
    """
    points = Points(snapshot.start, snapshot.end)
    for column, sketch in snapshot.columns.items():
        attributes = column_attributes(snapshot.model, column)
        layout = None if layouts is None else layouts[snapshot.model, column]
        _add_column(points, attributes, column, sketch, layout)
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


def _add_column(points: Points, attributes: Attributes, column: Column, sketch: Sketch, layout: Layout | None) -> None:
    if isinstance(sketch, NumericSketch):
        _add_numeric(points, attributes, sketch, layout)
    else:
        _add_categorical(points, attributes, sketch)
    kind = {**attributes, semconv.ML_COLUMN_KIND: column.kind}
    points.number(semconv.COLUMN_MISSING, kind, sketch.missing)
    invalid = {"type_mismatch": sketch.mismatched}
    if isinstance(sketch, NumericSketch):
        invalid["non_finite"] = sketch.non_finite
    for check, count in invalid.items():
        if count:
            points.number(semconv.COLUMN_INVALID, {**kind, semconv.ML_QUALITY_CHECK: check}, count)


def _add_numeric(points: Points, attributes: Attributes, sketch: NumericSketch, layout: Layout | None) -> None:
    if not sketch.count:
        return
    scale, parts = cut(sketch, layout)
    for part in parts:
        main = not part.name
        zero_count = sketch.zero_count if main else 0
        points.add(
            semconv.COLUMN_VALUE,
            ExponentialHistogramDataPoint(
                attributes=attributes if main else {**attributes, semconv.ML_COLUMN_PART: part.name},
                start_time_unix_nano=points.start,
                time_unix_nano=points.time,
                count=sum(part.positive.counts) + sum(part.negative.counts) + zero_count,
                # One part carries the whole sum, so that the sum over the parts is the column's.
                sum=sketch.sum if main else 0.0,
                scale=scale,
                zero_count=zero_count,
                positive=_sdk_buckets(part.positive),
                negative=_sdk_buckets(part.negative),
                flags=0,
                min=sketch.min,
                max=sketch.max,
            ),
        )


def _sdk_buckets(buckets: DenseBuckets) -> SdkBuckets:
    return SdkBuckets(offset=buckets.offset, bucket_counts=buckets.counts)


def _add_categorical(points: Points, attributes: Attributes, sketch: CategoricalSketch) -> None:
    for name, count in sketch.counts.items():
        points.number(semconv.COLUMN_CATEGORIES, {**attributes, semconv.ML_CATEGORY: name}, count)
    if sketch.other:
        points.number(semconv.COLUMN_CATEGORIES, {**attributes, semconv.ML_CATEGORY: OTHER}, sketch.other)


def _metric(metric: semconv.Metric, data_points: Sequence[Any], temporality: AggregationTemporality) -> Metric:
    data: ExponentialHistogram | Sum
    if metric.kind == "exponential_histogram":
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
