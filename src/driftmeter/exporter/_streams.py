"""What each reader has still to be told: pending sketches for delta readers, running totals for cumulative ones."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace

from opentelemetry.sdk.metrics.export import AggregationTemporality, Metric

from driftmeter import otlp
from driftmeter.schema import Model
from driftmeter.sketches import Snapshot

_logger = logging.getLogger("driftmeter")


class Stream:
    """The sketches of one reader. Two readers never share state: each collects at its own times."""

    def __init__(self, temporality: AggregationTemporality, *, start: int) -> None:
        self._temporality = temporality
        self._start = start
        self._last = start
        self._snapshots: dict[Model, Snapshot] = {}
        self._overflowed = False

    def add(self, snapshots: Iterable[Snapshot]) -> None:
        """Add what was recorded."""
        for snapshot in snapshots:
            known = self._snapshots.get(snapshot.model)
            self._snapshots[snapshot.model] = snapshot if known is None else known.merge(snapshot)

    def collect(self, now: int, *, limit: int) -> list[Metric]:
        """Return the metrics of one collection that ends at ``now``, Unix nanoseconds, at most ``limit`` points.

        Models beyond the limit are left out whole, and the log says so once: half a distribution would be a wrong one.
        """
        cumulative = self._temporality is AggregationTemporality.CUMULATIVE
        start = self._start if cumulative else self._last
        timed = [replace(snapshot, start=start, end=now) for snapshot in self._snapshots.values()]
        if not cumulative:
            self._snapshots = {}
        self._last = now
        return otlp.sketch_metrics(self._within(timed, limit), temporality=self._temporality)

    def _within(self, snapshots: list[Snapshot], limit: int) -> list[Snapshot]:
        kept: list[Snapshot] = []
        points = 0
        for snapshot in snapshots:
            points += otlp.point_count(snapshot)
            if points <= limit:
                kept.append(snapshot)
            elif not self._overflowed:
                self._overflowed = True
                _logger.warning(
                    "driftmeter sends at most %d sketch points an export (max_points); the sketches of %s and further "
                    "models are left out, their signals are not",
                    limit,
                    snapshot.model.name,
                )
        return kept
