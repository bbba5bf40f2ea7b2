"""From OTLP protobuf back to snapshots; the exact inverse of `sketch_metrics`.

Metrics that are not column sketches are passed over. Delta points of one column add up. Of a column's cumulative
points only those of the last collection count, since they hold all the earlier ones.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, Final

from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from driftmeter import semconv
from driftmeter.exceptions import DecodeError
from driftmeter.otlp._attributes import Pairs, column_of, kind_of, model_of, segment_of, text_of
from driftmeter.otlp._histogram_points import Point, Unseen, numeric_sketches
from driftmeter.otlp._histograms import MAX_COUNT
from driftmeter.otlp._wire import Request, metrics_in
from driftmeter.schema import Column, Model
from driftmeter.sketches import OTHER, CategoricalSketch, NumericSketch, Snapshot

_VALUE: Final = semconv.COLUMN_VALUE.name
_CATEGORIES: Final = semconv.COLUMN_CATEGORIES.name
_MISSING: Final = semconv.COLUMN_MISSING.name
_NOTHING: Final = (0, 0, 0)
_READERS: Final = {
    _VALUE: "exponential_histogram",
    _CATEGORIES: "sum",
    _MISSING: "sum",
    semconv.COLUMN_INVALID.name: "sum",
}


@dataclass(slots=True)
class _ColumnInParts:
    """A column in the making: its points, in the order in which they came."""

    points: list[Point] = field(default_factory=list)
    categories: dict[str, int] = field(default_factory=dict)
    missing: int = 0
    non_finite: int = 0
    mismatched: int = 0
    total: int = 0

    def counted(self, count: int, name: str) -> None:
        """Check that the column's total stands a count that is about to be added."""
        self.total += count
        if self.total >= MAX_COUNT:
            raise DecodeError(f"a column's counts must stay below 2**53; points of {name} bring it to {self.total}")

    def add(self, name: str, count: int, attributes: dict[str, Any]) -> None:
        """Add a point of the metric ``name`` that is a count."""
        self.counted(count, name)
        if name == _MISSING:
            self.missing += count
        elif name == _CATEGORIES:
            category = text_of(attributes, semconv.ML_CATEGORY, name, OTHER)
            self.categories[category] = self.categories.get(category, 0) + count
        elif attributes.get(semconv.ML_QUALITY_CHECK) == "non_finite":
            self.non_finite += count
        else:
            self.mismatched += count

    def unseen(self) -> Unseen:
        """Return what the column counts beside its finite values."""
        return self.missing, self.non_finite, self.mismatched

    def numeric(self, sketches: Iterator[NumericSketch]) -> NumericSketch:
        """Return the sketch; those of its points come next from ``sketches``, the first with all that is unseen."""
        mine = list(islice(sketches, len(self.points)))
        for point in self.points:
            self.counted(point.count, _VALUE)
        if not mine:
            return NumericSketch(missing=self.missing, non_finite=self.non_finite, mismatched=self.mismatched)
        return mine[0] if len(mine) == 1 else NumericSketch.merge_all(mine)

    def categorical(self) -> CategoricalSketch:
        """Return the sketch."""
        counts = dict(self.categories)
        other = counts.pop(OTHER, 0)
        return CategoricalSketch(counts, other=other, missing=self.missing, mismatched=self.mismatched)


@dataclass(slots=True)
class _ModelInParts:
    """A model's columns in the making, and the interval that their points span."""

    start: int
    end: int
    columns: defaultdict[Column, _ColumnInParts] = field(default_factory=lambda: defaultdict(_ColumnInParts))
    known: dict[tuple[Any, ...], _ColumnInParts] = field(default_factory=dict)
    """By what points call them: a column is checked, and its name cleaned, once."""

    def column(self, attributes: dict[str, Any], name: str) -> _ColumnInParts:
        """Return the column that a point of the metric ``name`` tells of."""
        called = (
            attributes.get(semconv.ML_COLUMN_NAME),
            attributes.get(semconv.ML_COLUMN_ROLE),
            kind_of(attributes, name),
        )
        column = self.known.get(called)
        if column is None:
            column = self.known[called] = self.columns[column_of(attributes, name)]
        return column


@dataclass(slots=True)
class _Gathered:
    """The points, by model and column."""

    models: dict[Model, _ModelInParts] = field(default_factory=dict)
    known: dict[tuple[Any, ...], _ModelInParts] = field(default_factory=dict)

    def add(self, name: str, point: Any, attributes: dict[str, Any]) -> None:
        """Add a point of the metric ``name``."""
        start, end = point.start_time_unix_nano, point.time_unix_nano
        called = (
            attributes.get(semconv.ML_MODEL_NAME),
            attributes.get(semconv.ML_MODEL_VERSION),
            segment_of(attributes),
        )
        model = self.known.get(called)
        if model is None:
            new = _ModelInParts(start, end)
            model = self.known[called] = self.models.setdefault(model_of(attributes, name), new)
        column = model.column(attributes, name)
        if start < model.start or end > model.end:
            model.start, model.end = min(model.start, start), max(model.end, end)
        if name == _VALUE:
            column.points.append(point)
        else:
            column.add(name, _count(point, name), attributes)

    def snapshots(self) -> list[Snapshot]:
        """Return the snapshots, one a model; each point is read now."""
        sketches = numeric_sketches(self._numeric_points())
        return [
            Snapshot(
                model,
                parts.start,
                parts.end,
                {
                    column: points.numeric(sketches) if column.kind == "numeric" else points.categorical()
                    for column, points in parts.columns.items()
                },
            )
            for model, parts in self.models.items()
        ]

    def _numeric_points(self) -> Iterator[tuple[Point, Unseen]]:
        for parts in self.models.values():
            for column in parts.columns.values():
                unseen = column.unseen()
                for point in column.points:
                    yield point, unseen
                    unseen = _NOTHING


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
    points: dict[tuple[bytes, ...], tuple[Any, dict[str, Any]]] = field(default_factory=dict)

    def add(self, point: Any, attributes: dict[str, Any]) -> None:
        if point.time_unix_nano > self.time:
            self.time = point.time_unix_nano
            self.points.clear()
        if point.time_unix_nano == self.time:
            self.points[tuple(sorted(point.attributes))] = point, attributes


def snapshots(requests: Iterable[Request]) -> list[Snapshot]:
    """Return the snapshots in the requests, one a model, all replicas and intervals merged.

    Args:
        requests: Protobuf messages, or the bytes that they are parsed from, which saves that.

    Raises:
        DecodeError: Bytes are no OTLP request, or a point of ours breaks a rule, and which.
    """
    gathered = _Gathered()
    cumulative: dict[tuple[Any, ...], _Collected] = {}
    pairs = Pairs()
    for resource, metric in chain.from_iterable(map(metrics_in, requests)):
        name = metric.name
        data = metric.exponential_histogram if name == _VALUE else metric.sum
        if metric.WhichOneof("data") != _READERS.get(name):
            continue
        running_total = data.aggregation_temporality == pb.AGGREGATION_TEMPORALITY_CUMULATIVE
        for point in data.data_points[:]:
            attributes = pairs.of(point)
            if running_total:
                names = tuple(str(attributes.get(name)) for name in _NAMES_OF_A_COLUMN)
                stream = (resource, name, *names, segment_of(attributes), point.start_time_unix_nano)
                cumulative.setdefault(stream, _Collected(name)).add(point, attributes)
            else:
                gathered.add(name, point, attributes)
    for collected in cumulative.values():
        for point, attributes in collected.points.values():
            gathered.add(collected.metric, point, attributes)
    return gathered.snapshots()


def _count(point: Any, name: str) -> int:
    if (value := point.as_int) > 0:
        return int(value)
    value = value or point.as_double  # of the two the one that is not set is 0
    if not (math.isfinite(value) and value >= 0 and value == int(value)):
        raise DecodeError(f"a point of {name} must hold a count; got {value}")
    return int(value)
