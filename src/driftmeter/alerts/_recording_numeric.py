"""Recording rules of numeric columns: a window's shares by bin of the baseline, and the Kolmogorov-Smirnov distance.

Bins are unions of the baseline's buckets and buckets nest, so `histogram_fraction` at their bounds interpolates
nothing. How many bins there are depends on the rows of the window, as in the processor: a tier is a number of bins and
the rows that it is for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final

import numpy as np

from driftmeter import semconv, stats
from driftmeter.alerts._recording_settings import (
    BASELINE_ROWS,
    BASELINE_SHARE,
    BINS,
    DISTANCE,
    IDS,
    LABELS,
    MAX_SCALE,
    ROWS,
    SHARE,
    VALUE,
    Recording,
    Rule,
    any_of,
    column_labels,
    labelled,
)
from driftmeter.alerts._text import number, pattern, quoted
from driftmeter.processor import MAX_BINS, Bins, NumericGrid, bins_of
from driftmeter.prometheus_names import label_name, metric_name
from driftmeter.typing import Int64Array

ZERO_THRESHOLD: Final = 1e-128
"""Where the zero bucket of a native histogram that came by OTLP ends: zeros lie between it and its negative."""


@dataclass(frozen=True, slots=True)
class Tier:
    """The bins of windows with ``least`` rows and more, but fewer than ``most``.

    Attributes:
        least: The least rows.
        most: One more than the most; None for the last tier.
        bins: The bins.
        baseline: Rows of the baseline by bin, shape (bins,).
    """

    least: int
    most: int | None
    bins: Bins
    baseline: Int64Array


class NumericColumn:
    """The rules of one column."""

    def __init__(self, grid: NumericGrid, recording: Recording) -> None:
        self.grid = grid
        self._recording = recording
        self.column = grid.column

    @property
    def uses_bins(self) -> bool:
        """Whether explicit-bucket histograms are used."""
        return self._recording.source == "bins" or self.grid.scale > MAX_SCALE or self._recording.naming == "pull"

    @cached_property
    def tiers(self) -> list[Tier]:
        """The tiers, those of few rows first."""
        made = list(_tiers(self.grid))
        wanted = self._recording.least_rows
        kept = made[-1:] if wanted is None else made
        least = max(self._recording.min_rows, wanted or 1)
        return [
            Tier(max(tier.least, least), tier.most, tier.bins, tier.baseline)
            for tier in kept
            if tier.most is None or tier.most > least
        ]

    @property
    def histogram(self) -> str:
        """The column's histogram over the window."""
        return self._recording.of(BINS if self.uses_bins else VALUE, self.column)

    def rules(self) -> Iterator[Rule]:
        """Yield the rules that come after those of histograms and rows."""
        rows = number(int(self.grid.baseline.sum()))
        labels = column_labels(self.column)
        yield Rule(BASELINE_ROWS, f"{self._recording.of(ROWS, self.column)} * 0 + {rows}", labels)
        if not self.tiers:
            return
        yield Rule(SHARE, any_of([self._of_tier(tier, self._shares(tier)) for tier in self.tiers]), labels)
        yield Rule(BASELINE_SHARE, any_of(list(self._baseline_shares())), labels)
        distances = [self._of_tier(tier, [self._kolmogorov_smirnov(tier)]) for tier in self.tiers]
        yield Rule(
            DISTANCE, any_of(distances), {**labels, label_name(semconv.ML_DISTANCE_METHOD): "kolmogorov_smirnov"}
        )

    def _of_tier(self, tier: Tier, terms: list[str]) -> str:
        enough = f"{self._recording.of(ROWS, self.column)} >= {tier.least}"
        if tier.most is not None:
            enough += f" < {tier.most}"
        return f"(\n{any_of(terms)}\n) and on ({LABELS}) ({enough})"

    def _edges(self, tier: Tier) -> list[tuple[str, str]]:
        """Return the bounds of each bin as PromQL has them."""
        bounds = tier.bins.bounds.tolist()
        if not self.uses_bins:
            # Bounds of 0 have the zeros below them, and a native histogram has those between two thresholds.
            bounds = [bound or ZERO_THRESHOLD for bound in bounds]
        return list(pairwise(["-Inf", *map(number, bounds), "+Inf"]))

    def _names(self, tier: Tier) -> list[str]:
        """Return the names of a tier's bins: their bounds, with as many digits as tell all bounds apart."""
        digits = next(d for d in (6, 9, 17) if d == 17 or self._are_distinct(d))
        names = ["", *(f"{bound:.{digits}g}" for bound in tier.bins.bounds), ""]
        return [f"{lower}..{upper}" for lower, upper in pairwise(names)]

    def _are_distinct(self, digits: int) -> bool:
        bounds = bins_of(self.grid).bounds
        return len({f"{bound:.{digits}g}" for bound in bounds}) == len(bounds)

    def _shares(self, tier: Tier) -> list[str]:
        return [
            labelled(f"histogram_fraction({lower}, {upper}, {self.histogram})", bin=name)
            for name, (lower, upper) in zip(self._names(tier), self._edges(tier), strict=True)
        ]

    def _baseline_shares(self) -> Iterator[str]:
        # Where a bin has a share it has one of the baseline: so these hold for the tier of the window.
        total = int(self.grid.baseline.sum())
        rows = {
            name: count for tier in self.tiers for name, count in zip(self._names(tier), tier.baseline, strict=True)
        }
        for name, count in rows.items():
            yield f"{self._recording.of(SHARE, self.column, f'bin={quoted(name)}')} * 0 + {count} / {total}"

    def _kolmogorov_smirnov(self, tier: Tier) -> str:
        total = int(self.grid.baseline.sum())
        reached = np.cumsum(tier.baseline)
        gaps = [
            labelled(f"abs(histogram_fraction(-Inf, {upper}, {self.histogram}) - {count} / {total})", bin=upper)
            for (_, upper), count in zip(self._edges(tier), reached, strict=True)
        ]
        return f"max by ({LABELS}) (\n{any_of(gaps)}\n)"


def _tiers(grid: NumericGrid) -> Iterator[Tier]:
    """Yield the tiers, without a limit of rows; a window of fewer than the first one's says nothing."""
    total = int(grid.baseline.sum())
    # From here on the number of bins stays: it is the baseline's, or the most there are.
    last = stats.ROWS_PER_BIN * MAX_BINS
    counts = stats.bin_counts(np.arange(1, last + 1), total, max_bins=MAX_BINS)
    starts = [1, *(np.flatnonzero(np.diff(counts)) + 2).tolist()]
    made: list[tuple[int, Int64Array]] = []
    for start in starts:
        groups = grid.groups(start)
        if (groups.any() or len(groups) == 1) and not (made and np.array_equal(groups, made[-1][1])):
            made.append((start, groups))
    for (start, groups), after in zip(made, [*(start for start, _ in made[1:]), None], strict=True):
        baseline = np.bincount(groups, grid.baseline).astype(np.int64)
        yield Tier(start, after, bins_of(grid, groups), baseline)


def histogram_rules(columns: list[NumericColumn], recording: Recording) -> Iterator[Rule]:
    """Yield the rules of the columns' histograms over the window."""
    native = [column.column.name for column in columns if not column.uses_bins]
    explicit = [column.column.name for column in columns if column.uses_bins]
    if native:
        series = metric_name(semconv.COLUMN_VALUE, recording.naming)
        yield Rule(VALUE, recording.added(series, f"ml_column_name=~{pattern(native)}", by=IDS))
    if explicit:
        series = f"{metric_name(semconv.COLUMN_BINS, recording.naming)}_bucket"
        yield Rule(BINS, recording.added(series, f"ml_column_name=~{pattern(explicit)}", by=f"{IDS}, le"))
