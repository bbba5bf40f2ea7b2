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

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from driftmeter import semconv
from driftmeter.exceptions import DecodeError
from driftmeter.otlp._histogram_point import MAX_COUNT, numeric_sketch
from driftmeter.schema import KINDS, ROLES, Column, Kind, Model
from driftmeter.sketches import (
    OTHER,
    CategoricalSketch,
    NumericSketch,
    Sketch,
    Snapshot,
)


@dataclass(slots=True)
class _ColumnInParts:
    """A column in the making: its points, in the order in which they came."""

    sketches: list[NumericSketch] = field(default_factory=list)
    categories: Counter[str] = field(default_factory=Counter)
    missing: int = 0
    non_finite: int = 0
    mismatched: int = 0
    total: int = 0

    def counted(self, count: int, name: str) -> int:
        """Return a count that is about to be added, if the column's total stands it."""
        self.total += count
        if self.total >= MAX_COUNT:
            raise DecodeError(f"a column's counts must stay below 2**53; points of {name} bring it to {self.total}")
        return count

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
                names = tuple(str(attributes.get(name)) for name in _NAMES_OF_A_COLUMN)
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
        column.sketches.append(numeric_sketch(point))
        column.counted(point.count, name)
        return
    count = column.counted(_count(point, name), name)
    if name == semconv.COLUMN_CATEGORIES.name:
        column.categories[_text(attributes, semconv.ML_CATEGORY, name, OTHER)] += count
    elif name == semconv.COLUMN_MISSING.name:
        column.missing += count
    elif attributes.get(semconv.ML_QUALITY_CHECK) == "non_finite":
        column.non_finite += count
    else:
        column.mismatched += count


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


def _text(attributes: dict[str, Any], key: str, name: str, default: str | None = None) -> str:
    """Return what a point of the metric ``name`` is named in an attribute."""
    value = attributes.get(key, default)
    if not isinstance(value, str):
        raise DecodeError(f"a point of {name} must have the attribute {key}, a string; it has {_shown(attributes)}")
    return value


def _shown(attributes: dict[str, Any]) -> str:
    return " ".join(str(attributes).split())


def _model(attributes: dict[str, Any], name: str) -> Model:
    version = _text(attributes, semconv.ML_MODEL_VERSION, name, "")
    return Model(_text(attributes, semconv.ML_MODEL_NAME, name), version)


def _column(attributes: dict[str, Any], name: str, kind: Kind) -> Column:
    role = attributes.get(semconv.ML_COLUMN_ROLE, "feature")
    if role not in ROLES:
        raise DecodeError(
            f"a point of {name} must have a {semconv.ML_COLUMN_ROLE} out of {', '.join(ROLES)}; "
            f"it has {_shown(attributes)}"
        )
    return Column(_text(attributes, semconv.ML_COLUMN_NAME, name), role, kind)


def _count(point: Any, name: str) -> int:
    value = point.as_int if point.WhichOneof("value") == "as_int" else point.as_double
    if not (math.isfinite(value) and value >= 0 and value == int(value)):
        raise DecodeError(f"a point of {name} must hold a count; got {value}")
    return int(value)


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
