"""Exemplars: rows of a trace, on the sketch points that count them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from opentelemetry.sdk.metrics import Exemplar

from driftmeter import semconv
from driftmeter.otlp._points import Points
from driftmeter.schema import Column


@dataclass(frozen=True, slots=True)
class TracedRow:
    """One row that a trace tells of, and where its value lies in one column.

    Attributes:
        value: A number in the same bin as the row's own, which never leaves the process; 1 for a category.
        category: The category's name; empty for numbers.
        time: When it was seen, Unix nanoseconds.
        trace_id: The trace.
        span_id: The span of the call that it came with.
    """

    value: float
    category: str
    time: int
    trace_id: int
    span_id: int


def add_exemplars(points: Points, rows: Mapping[Column, Sequence[TracedRow]]) -> None:
    """Put rows on the points of one model's sketches that count them."""
    for column, found in rows.items():
        metric = semconv.COLUMN_VALUE if column.kind == "numeric" else semconv.COLUMN_CATEGORIES
        told = points.by_metric.get(metric, [])
        for at, point in enumerate(told):
            if _is_of(point, column):
                exemplars = [_exemplar(row) for row in found if _holds(point, row)]
                if exemplars:
                    told[at] = replace(point, exemplars=exemplars)


def _is_of(point: Any, column: Column) -> bool:
    named = point.attributes.get(semconv.ML_COLUMN_NAME), point.attributes.get(semconv.ML_COLUMN_ROLE)
    return named == (column.name, column.role)


def _holds(point: Any, row: TracedRow) -> bool:
    """Whether a point counts a row: that of its category, or the main part of a column of numbers."""
    return point.attributes.get(semconv.ML_CATEGORY, "") == row.category and not point.attributes.get(
        semconv.ML_COLUMN_PART
    )


def _exemplar(row: TracedRow) -> Exemplar:
    return Exemplar({}, row.value, row.time, row.span_id, row.trace_id)
