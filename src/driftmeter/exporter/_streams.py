"""What each reader has still to be told: pending sketches for delta readers, running totals for cumulative ones.

A running total's series never fall: its columns keep their parts, and its categories their names.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from opentelemetry.sdk.metrics.export import AggregationTemporality, Metric

from driftmeter import otlp, semconv
from driftmeter.exporter._bins import BinTotals, ColumnBins
from driftmeter.schema import Column, Model
from driftmeter.sketches import Snapshot

_logger = logging.getLogger("driftmeter")


class Stream:
    """The sketches of one reader. Two readers never share state: each collects at its own times.

    Args:
        temporality: What the reader wants.
        start: When it begins, Unix nanoseconds.
        bins: The bins of numeric columns, where the reader is to have explicit-bucket histograms of them.
        exponential: Whether the reader is to have the exponential histograms.
    """

    def __init__(
        self,
        temporality: AggregationTemporality,
        *,
        start: int,
        bins: ColumnBins | None = None,
        exponential: bool = True,
    ) -> None:
        self._temporality = temporality
        self._cumulative = temporality is AggregationTemporality.CUMULATIVE
        self._start = start
        self._collected = start
        # A model's totals begin where none of its rows had come: a gateway that first hears of a process that has run
        # for days can count them, since it knows that they are new.
        self._starts: dict[Model, int] = {}
        self._snapshots: dict[Model, Snapshot] = {}
        self._totals = BinTotals(bins, start=start) if bins is not None else None
        self._exponential = exponential
        self._layouts: otlp.Layouts | None = defaultdict(otlp.Layout) if self._cumulative else None
        self._rows: dict[Model, Mapping[Column, Sequence[otlp.TracedRow]]] = {}
        self._dropped: Counter[Model] = Counter()
        self._overflowed = False

    def add(self, snapshots: Iterable[Snapshot]) -> None:
        """Add what was recorded."""
        snapshots = list(snapshots)
        if self._totals is not None:
            self._totals.add(snapshots)
        for snapshot in snapshots:
            known = self._snapshots.get(snapshot.model)
            if known is not None:
                snapshot = known.running_total(snapshot) if self._cumulative else known.merge(snapshot)  # noqa: PLW2901
            self._snapshots[snapshot.model] = snapshot.packed()
            self._starts.setdefault(snapshot.model, self._collected)

    def add_traced_rows(self, rows: Mapping[Model, Mapping[Column, Sequence[otlp.TracedRow]]]) -> None:
        """Let the next collection tell of rows that traces tell of."""
        self._rows |= rows

    def collect(self, now: int, *, limit: int) -> list[Metric]:
        """Return the metrics of one collection that ends at ``now``, Unix nanoseconds, at most ``limit`` points.

        Models that do not fit are left out whole, and counted: half a distribution would be a wrong one.
        """
        kept: list[otlp.Points] = []
        for snapshot in self._snapshots.values():
            points = self._points(snapshot, now)
            size = sum(map(len, points))
            if sum(map(len, kept)) + size <= limit:
                kept += points
            else:
                self._drop(snapshot.model, size, limit)
        told = otlp.points_metrics([*kept, self._dropped_points(now)], temporality=self._temporality)
        if self._totals is not None:
            self._totals.collected(now, forget=not self._cumulative)
        self._collected = now
        if not self._cumulative:
            self._snapshots = {}
            self._starts = {}
            self._dropped.clear()
            self._start = now
        return told

    def _points(self, snapshot: Snapshot, now: int) -> list[otlp.Points]:
        told = replace(snapshot.unpacked(), start=self._starts[snapshot.model], end=now)
        points = [otlp.sketch_points(told, layouts=self._layouts, exponential=self._exponential)]
        if snapshot.model in self._rows:
            otlp.add_exemplars(points[0], self._rows.pop(snapshot.model))
        if self._totals is not None:
            points.append(self._totals.points(snapshot.model, now))
        return points

    def _drop(self, model: Model, points: int, limit: int) -> None:
        self._dropped[model] += points
        if not self._overflowed:
            self._overflowed = True
            _logger.warning(
                "driftmeter sends at most %d sketch points an export (max_points); the sketches of %s and of further "
                "models that do not fit are left out, their signals are not; %s counts them",
                limit,
                model.name,
                semconv.SELF_DROPPED_POINTS.name,
            )

    def _dropped_points(self, now: int) -> otlp.Points:
        points = otlp.Points(self._start, now)
        for model, count in self._dropped.items():
            points.number(semconv.SELF_DROPPED_POINTS, otlp.model_attributes(model), count)
        return points
