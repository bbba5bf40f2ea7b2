"""From OTLP protobuf back to snapshots; the exact inverse of `sketch_metrics`.

Metrics that are not column sketches are passed over. Delta points of one column add up. Of a column's cumulative
points only those of the last collection count, since they hold all the earlier ones.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from driftmeter import semconv
from driftmeter.exceptions import DecodeError
from driftmeter.otlp._bucket_counts import bucket_counts
from driftmeter.schema import KINDS, ROLES, Column, Kind, Model
from driftmeter.sketches import (
    MAX_SCALE,
    MIN_SCALE,
    OTHER,
    Buckets,
    CategoricalSketch,
    NumericSketch,
    Sketch,
    Snapshot,
    key_edges,
)

MAX_BUCKETS_A_POINT: Final = 1 << 16
_MIN_EXPONENT: Final = -1075
_MAX_EXPONENT: Final = 1024


@dataclass(slots=True)
class _ColumnInParts:
    """A column in the making: its points, in the order in which they came."""

    sketches: list[NumericSketch] = field(default_factory=list)
    categories: Counter[str] = field(default_factory=Counter)
    missing: int = 0
    non_finite: int = 0
    mismatched: int = 0

    def sketch(self, kind: Kind) -> Sketch:
        if kind == "categorical":
            counts = dict(self.categories)
            other = counts.pop(OTHER, 0)
            return CategoricalSketch(counts, other=other, missing=self.missing, mismatched=self.mismatched)
        whole = NumericSketch.merge_all(self.sketches) if len(self.sketches) != 1 else self.sketches[0]
        if not (self.missing or self.non_finite or self.mismatched):
            return whole
        return replace(whole, missing=self.missing, non_finite=self.non_finite, mismatched=self.mismatched)


@dataclass(slots=True)
class _ModelInParts:
    """A model's columns in the making, and the interval that their points span."""

    start: int
    end: int
    columns: defaultdict[Column, _ColumnInParts] = field(default_factory=lambda: defaultdict(_ColumnInParts))

    def snapshot(self, model: Model) -> Snapshot:
        columns = {column: parts.sketch(column.kind) for column, parts in self.columns.items()}
        return Snapshot(model, self.start, self.end, columns)


_NAMES_OF_A_COLUMN: Final = (
    semconv.ML_MODEL_NAME,
    semconv.ML_MODEL_VERSION,
    semconv.ML_COLUMN_NAME,
    semconv.ML_COLUMN_ROLE,
)


@dataclass(slots=True)
class _Collected:
    """A column's points of the last collection of a cumulative metric, by all their attributes.

    Earlier points go even where the last collection has none of their attributes: parts of a sketch join, and
    categories go over into the others.
    """

    metric: str
    time: int = -1
    points: dict[str, Any] = field(default_factory=dict)

    def add(self, point: Any, attributes: dict[str, Any]) -> None:
        if point.time_unix_nano > self.time:
            self.time = point.time_unix_nano
            self.points.clear()
        if point.time_unix_nano == self.time:
            self.points[str(sorted(attributes.items(), key=str))] = point


def snapshots(requests: Iterable[ExportMetricsServiceRequest]) -> list[Snapshot]:
    """Return the snapshots in the requests, one a model, all replicas and intervals merged.

    Raises:
        DecodeError: A point of ours breaks a rule, and which.
    """
    models: dict[Model, _ModelInParts] = {}
    cumulative: dict[tuple[Any, ...], _Collected] = {}
    for resource, metric in _metrics(requests):
        data = metric.exponential_histogram if metric.WhichOneof("data") == "exponential_histogram" else metric.sum
        for point in data.data_points:
            if data.aggregation_temporality == pb.AGGREGATION_TEMPORALITY_CUMULATIVE:
                attributes = _attributes(point)
                names = tuple(attributes.get(name) for name in _NAMES_OF_A_COLUMN)
                stream = (resource, metric.name, *names, point.start_time_unix_nano)
                cumulative.setdefault(stream, _Collected(metric.name)).add(point, attributes)
            else:
                _add_point(models, metric.name, point)
    for collected in cumulative.values():
        for point in collected.points.values():
            _add_point(models, collected.metric, point)
    return [parts.snapshot(model) for model, parts in models.items()]


_READERS: Final = {
    semconv.COLUMN_VALUE.name: "exponential_histogram",
    semconv.COLUMN_CATEGORIES.name: "sum",
    semconv.COLUMN_MISSING.name: "sum",
    semconv.COLUMN_INVALID.name: "sum",
}


def _metrics(requests: Iterable[ExportMetricsServiceRequest]) -> Iterator[tuple[bytes, pb.Metric]]:
    for request in requests:
        for resource_metrics in request.resource_metrics:
            resource = resource_metrics.resource.SerializeToString(deterministic=True)
            for scope_metrics in resource_metrics.scope_metrics:
                for metric in scope_metrics.metrics:
                    if _READERS.get(metric.name) == metric.WhichOneof("data"):
                        yield resource, metric


def _add_point(models: dict[Model, _ModelInParts], name: str, point: Any) -> None:
    attributes = _attributes(point)
    model = _model(attributes, name)
    start, end = point.start_time_unix_nano, point.time_unix_nano
    parts = models.get(model)
    if parts is None:
        parts = models[model] = _ModelInParts(start, end)
    parts.start, parts.end = min(parts.start, start), max(parts.end, end)
    column = parts.columns[_column(attributes, name, _kind(name, attributes))]
    if name == semconv.COLUMN_VALUE.name:
        column.sketches.append(_numeric(point))
    elif name == semconv.COLUMN_CATEGORIES.name:
        column.categories[str(attributes.get(semconv.ML_CATEGORY, OTHER))] += _count(point, name)
    elif name == semconv.COLUMN_MISSING.name:
        column.missing += _count(point, name)
    elif attributes.get(semconv.ML_QUALITY_CHECK) == "non_finite":
        column.non_finite += _count(point, name)
    else:
        column.mismatched += _count(point, name)


def _kind(name: str, attributes: dict[str, Any]) -> Kind:
    if name == semconv.COLUMN_VALUE.name:
        return "numeric"
    if name == semconv.COLUMN_CATEGORIES.name:
        return "categorical"
    kind: Kind = attributes.get(semconv.ML_COLUMN_KIND, "numeric")
    if kind not in KINDS:
        raise DecodeError(f"{semconv.ML_COLUMN_KIND} must be one of {', '.join(KINDS)}; got {kind!r}")
    return kind


def _attributes(point: Any) -> dict[str, Any]:
    return {pair.key: pair.value.string_value or _any_value(pair.value) for pair in point.attributes}


def _any_value(value: Any) -> Any:
    """Return a protobuf AnyValue as a Python value; arrays are tuples."""
    kind = value.WhichOneof("value") or "string_value"
    if kind == "array_value":
        return tuple(_any_value(item) for item in value.array_value.values)
    return getattr(value, kind)


def _model(attributes: dict[str, Any], name: str) -> Model:
    if semconv.ML_MODEL_NAME not in attributes:
        raise DecodeError(f"a point of {name} must have the attribute {semconv.ML_MODEL_NAME}; it has {attributes}")
    return Model(str(attributes[semconv.ML_MODEL_NAME]), str(attributes.get(semconv.ML_MODEL_VERSION, "")))


def _column(attributes: dict[str, Any], name: str, kind: Kind) -> Column:
    role = attributes.get(semconv.ML_COLUMN_ROLE, "feature")
    if semconv.ML_COLUMN_NAME not in attributes or role not in ROLES:
        raise DecodeError(
            f"a point of {name} must have the attribute {semconv.ML_COLUMN_NAME} and a {semconv.ML_COLUMN_ROLE} "
            f"out of {', '.join(ROLES)}; it has {attributes}"
        )
    return Column(str(attributes[semconv.ML_COLUMN_NAME]), role, kind)


def _count(point: Any, name: str) -> int:
    value = point.as_int if point.WhichOneof("value") == "as_int" else point.as_double
    if not (math.isfinite(value) and value >= 0 and value == int(value)):
        raise DecodeError(f"a point of {name} must hold a count; got {value}")
    return int(value)


def _numeric(point: pb.ExponentialHistogramDataPoint) -> NumericSketch:
    if not MIN_SCALE <= point.scale <= MAX_SCALE:
        raise DecodeError(f"scale must be from {MIN_SCALE} to {MAX_SCALE}; got {point.scale}")
    sketch = NumericSketch(
        scale=point.scale,
        positive=_buckets(point.positive, point.scale),
        negative=_buckets(point.negative, point.scale),
        zero_count=point.zero_count,
        sum=point.sum,
    )
    if sketch.count != point.count:
        raise DecodeError(f"count must be the sum of the bucket counts, {sketch.count}; got {point.count}")
    least, most = _extremes(sketch, point)
    return replace(sketch, min=least, max=most)


def _extremes(sketch: NumericSketch, point: pb.ExponentialHistogramDataPoint) -> tuple[float, float]:
    """Return min and max; where a point does not tell them, the outer edges of its outer buckets."""
    if not point.count:
        return math.nan, math.nan
    if point.HasField("min") and point.HasField("max"):
        return point.min, point.max
    keys, _ = sketch.keys()
    lower, upper = key_edges(keys[[0, -1]], sketch.scale)
    return (
        point.min if point.HasField("min") else float(lower[0]),
        point.max if point.HasField("max") else float(upper[1]),
    )


def _buckets(buckets: pb.ExponentialHistogramDataPoint.Buckets, scale: int) -> Buckets:
    if len(buckets.bucket_counts) > MAX_BUCKETS_A_POINT:
        raise DecodeError(f"a point must have at most {MAX_BUCKETS_A_POINT} buckets; got {len(buckets.bucket_counts)}")
    try:
        counts = bucket_counts(buckets)
    except OverflowError:
        counts = np.array([-1])
    if counts.min(initial=0) < 0:
        raise DecodeError("bucket counts must be below 2**63")
    occupied = counts.nonzero()[0]
    indexes = occupied + buckets.offset
    if len(indexes) and not (_MIN_EXPONENT << scale <= indexes[0] and indexes[-1] < _MAX_EXPONENT << scale):
        raise DecodeError(f"an offset must not lie beyond float64's range; got {buckets.offset} at scale {scale}")
    return Buckets(indexes, counts[occupied])


def split_scopes(
    requests: Iterable[ExportMetricsServiceRequest], attribute: str
) -> tuple[list[ExportMetricsServiceRequest], list[list[ExportMetricsServiceRequest]]]:
    """Part scopes with the attribute from those without; the former by its value, in its order."""
    without: list[ExportMetricsServiceRequest] = []
    by_value: defaultdict[int, list[ExportMetricsServiceRequest]] = defaultdict(list)
    for request in requests:
        for resource_metrics in request.resource_metrics:
            for scope_metrics in resource_metrics.scope_metrics:
                alone = ExportMetricsServiceRequest()
                taken = alone.resource_metrics.add(resource=resource_metrics.resource)
                taken.scope_metrics.append(scope_metrics)
                value = _attributes(scope_metrics.scope).get(attribute)
                if isinstance(value, int):
                    by_value[value].append(alone)
                else:
                    without.append(alone)
    return without, [by_value[value] for value in sorted(by_value)]


def scope_attributes(requests: Iterable[ExportMetricsServiceRequest]) -> dict[str, Any]:
    """Return the attributes of the scopes that hold our metrics, all of them together."""
    found: dict[str, Any] = {}
    for request in requests:
        for resource_metrics in request.resource_metrics:
            for scope_metrics in resource_metrics.scope_metrics:
                if scope_metrics.scope.name == semconv.SCOPE_NAME:
                    found |= _attributes(scope_metrics.scope)
    return found
