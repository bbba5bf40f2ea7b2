"""Numeric columns as explicit-bucket histograms, cut at the bins of their baselines.

Each snapshot is counted as it comes and the counts are added up, so that those of a running total never fall, however
coarse a sketch of all that was recorded would be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from opentelemetry.sdk.metrics.export import HistogramDataPoint

from driftmeter import otlp, semconv
from driftmeter.baseline import Baseline
from driftmeter.schema import Column, Model
from driftmeter.sketches import NumericSketch, Snapshot
from driftmeter.typing import Int64Array

if TYPE_CHECKING:
    from driftmeter.processor import Bins


class ColumnBins:
    """Knows the bins of each model's columns; they are made anew when its baselines change."""

    def __init__(self, baselines: Callable[[Model], Sequence[Baseline]]) -> None:
        self._baselines = baselines
        self._known: dict[Model, tuple[tuple[Baseline, ...], Mapping[Column, Bins]]] = {}

    def of(self, model: Model) -> Mapping[Column, Bins]:
        """Return the bins of those of a model's columns that have a baseline."""
        from driftmeter.processor import baseline_bins

        given = tuple(self._baselines(model))
        known = self._known.get(model)
        if known is None or list(map(id, known[0])) != list(map(id, given)):
            known = self._known[model] = given, baseline_bins(given)
        return known[1]


@dataclass(slots=True)
class _Total:
    """What was counted of one column since ``start``."""

    bins: Bins
    counts: Int64Array
    start: int
    sum: float = 0.0
    min: float = math.inf
    max: float = -math.inf

    def add(self, sketch: NumericSketch) -> None:
        self.counts += self.bins.count(sketch)
        self.sum += sketch.sum
        self.min = min(self.min, sketch.min)
        self.max = max(self.max, sketch.max)


class BinTotals:
    """The counts by bin that one reader has still to be told, or of all that was recorded."""

    def __init__(self, column_bins: ColumnBins, *, start: int) -> None:
        self._column_bins = column_bins
        self._totals: dict[Model, dict[Column, _Total]] = {}
        self._start = start

    def add(self, snapshots: Iterable[Snapshot]) -> None:
        """Count what was recorded."""
        from driftmeter.processor import PLAIN_BINS

        for snapshot in snapshots:
            bins = self._column_bins.of(snapshot.model)
            totals = self._totals.setdefault(snapshot.model, {})
            for column, sketch in snapshot.columns.items():
                if isinstance(sketch, NumericSketch) and sketch.count:
                    self._of(totals, column, bins.get(column, PLAIN_BINS)).add(sketch)

    def _of(self, totals: dict[Column, _Total], column: Column, bins: Bins) -> _Total:
        total = totals.get(column)
        if total is None or total.bins is not bins:
            # Under other bounds it is another series, which begins here.
            counts = np.zeros(len(bins.last_keys) + 1, dtype=np.int64)
            total = totals[column] = _Total(bins, counts, self._start)
        return total

    def points(self, model: Model, now: int) -> otlp.Points:
        """Return a model's data points for a collection that ends at ``now``, Unix nanoseconds."""
        points = otlp.Points(self._start, now)
        for column, total in self._totals.get(model, {}).items():
            attributes = otlp.column_attributes(model, column)
            points.add(semconv.COLUMN_BINS, _point(total, attributes, now))
        return points

    def collected(self, now: int, *, forget: bool) -> None:
        """Go on after a collection: from 0, if the reader is told of changes alone."""
        self._start = now
        if forget:
            self._totals = {}


def _point(total: _Total, attributes: otlp.Attributes, now: int) -> HistogramDataPoint:
    return HistogramDataPoint(
        attributes=attributes,
        start_time_unix_nano=total.start,
        time_unix_nano=now,
        count=int(total.counts.sum()),
        sum=total.sum,
        bucket_counts=total.counts.tolist(),
        explicit_bounds=total.bins.bounds.tolist(),
        min=total.min,
        max=total.max,
    )
