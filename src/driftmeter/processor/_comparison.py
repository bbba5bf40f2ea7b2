"""Verdicts: each column of a window against one baseline."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from driftmeter import stats
from driftmeter.baseline import Baseline
from driftmeter.processor._binned import Binned, ComparedCounts
from driftmeter.processor._counts import Counts, Extremes, Groups, join, joined, padded
from driftmeter.processor._experience import Experience
from driftmeter.processor._grid import Grid, NumericGrid, make_grid
from driftmeter.processor._rules import Rules
from driftmeter.processor._variation import Variation
from driftmeter.schema import Column
from driftmeter.sketches import NumericSketch, Snapshot
from driftmeter.typing import Float64Array, Int64Array

_ORDERED_METHODS: Final = frozenset({"kolmogorov_smirnov", "wasserstein"})
"""Distances that make no sense for categories, which have no order: there PSI stands in."""

STANDING_FLOOR: Final = 0.7
"""The share of a floor at which a verdict that is 1 stays so: what lies at the floor must not turn with every step."""
BASELINE_TO_WINDOW: Final = 4
"""How many times a window's rows a baseline must have for two windows to bear each other out."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one comparison says of one column.

    Attributes:
        binned: The counts it rests on.
        method: How the distance was computed.
        distance: The distance.
        p_value: Adjusted for the number of columns.
        effect: The share of rows that moved between bins, apart from what chance moves.
        suspected: Whether it would be a verdict of 1 if the window before had said the same.
        detected: The verdict.
        critical: Whether the configuration calls the column critical.
    """

    binned: Binned
    method: str
    distance: float
    p_value: float
    effect: float
    suspected: bool
    detected: bool
    critical: bool = False

    @property
    def column(self) -> Column:
        """The column."""
        return self.binned.column


class Comparer:
    """Compares windows with one baseline; knows from its blocks how columns vary when nothing is wrong."""

    def __init__(self, baseline: Baseline) -> None:
        self.baseline = baseline.provenance
        grids = [make_grid(column, sketch) for column, sketch in baseline.snapshot.columns.items()]
        self._grids: list[Grid] = [grid for grid in grids if grid is not None and grid.column.role != "label"]
        ends = np.cumsum([len(grid.baseline) for grid in self._grids], dtype=np.int64)
        self._slices = [
            slice(int(end) - len(grid.baseline), int(end)) for grid, end in zip(self._grids, ends, strict=True)
        ]
        columns = [grid.column for grid in self._grids]
        self._variation = Variation(columns, self._slices, (self.count(block) for block in baseline.blocks))

    def count(self, snapshot: Snapshot) -> Counts:
        """Count a stretch of traffic on the baseline's grids."""
        bins, extremes, sums = [], [], []
        for grid in self._grids:
            sketch = snapshot.columns.get(grid.column)
            bins.append(np.zeros_like(grid.baseline) if sketch is None else grid.count(sketch))
            if isinstance(grid, NumericGrid) and isinstance(sketch, NumericSketch) and sketch.count:
                extremes.append(grid.extremes(sketch))
                sums.append(grid.sum(sketch))
            else:
                extremes.append((np.inf, -np.inf, np.inf if isinstance(grid, NumericGrid) else np.nan))
                sums.append(0.0)
        flat = np.concatenate(bins) if bins else np.zeros(0, dtype=np.int64)
        return Counts(flat, Extremes(*np.array(extremes).reshape(-1, 3).T), np.array(sums))

    def learn(self, window: Counts, verdicts: Sequence[Verdict], *, before: Collection[Column] = ()) -> None:
        """Learn from a window how columns vary, but not from one that led to a verdict.

        Windows must not overlap and come in the order of time. ``before`` are the columns that were suspected in the
        last one: where this one bore that out, that one is not learned from either.
        """
        detected = {verdict.column for verdict in verdicts if verdict.detected}
        quiet = {verdict.column for verdict in verdicts} - detected
        self._variation.learn(window, quiet=quiet, borne_out=detected.intersection(before))

    def verdicts(
        self,
        window: Counts,
        rules: Rules,
        *,
        before: Collection[Column] = (),
        standing: Collection[Column] = (),
        share: float = 1.0,
        experience: Experience | None = None,
    ) -> list[Verdict]:
        """Return a verdict for each column of the baseline that has enough rows in the window.

        Args:
            window: The window's counts.
            rules: When a verdict is 1.
            before: The columns that were suspected in the window before.
            standing: The columns whose verdict is 1 so far: it stays while they are suspected at the full rates.
            share: The share of alpha that this look may spend, see `alpha_share`.
            experience: What such comparisons showed so far, if that is to be learned; it learns from this one.
        """
        rows = [int(window.bins[part].sum()) for part in self._slices]
        enough = [at for at, count in enumerate(rows) if count >= rules.min_rows]
        grouped = {at: self._grids[at].groups(rows[at]) for at in enough}
        # Where a side has too few rows for even two bins, nothing can be said; a column of one value has one bin.
        chosen = tuple(at for at in enough if grouped[at].any() or len(grouped[at]) == 1)
        if not chosen:
            return []
        groups = tuple(grouped[at] for at in chosen)
        live = joined(window.bins, self._slices, chosen, groups)
        baseline = padded([join(self._grids[at].baseline, group) for at, group in zip(chosen, groups, strict=True)])
        ordered = np.array([self._grids[at].column.kind == "numeric" for at in chosen])
        p_values = stats.homogeneity_p_values(
            live,
            baseline,
            ordered=ordered,
            design_effect=self._variation.design_effect(chosen, groups, ordered),
            block_mean_p=self._variation.mean_p_values(window, chosen),
        )
        if experience is not None:
            columns = [self._grids[at].column for at in chosen]
            p_values = np.maximum(p_values, experience.p_values(columns, live, baseline))
            experience.note(columns, live, baseline)
        adjusted = stats.benjamini_hochberg(p_values)
        moved = stats.moved_share(live, baseline)
        measured = self._distances(chosen, groups, live, baseline, rules)
        counts = ComparedCounts.of([self._grids[at] for at in chosen], live, window, chosen, self._slices)
        found: list[Verdict] = []
        for i, at in enumerate(chosen):
            column = self._grids[at].column
            method, distance = measured[i]
            mine = rules.of(column)
            # Two windows that are held against the same few rows err alike: then one says no more than the other.
            apart = baseline[i].sum() >= BASELINE_TO_WINDOW * live[i].sum()
            rate = mine.alpha_repeated if apart else mine.alpha
            moved_enough = bool(moved[i] >= mine.effect_floor)
            suspected = moved_enough and bool(adjusted[i] <= rate * share)
            stands = column in standing and bool(adjusted[i] <= rate and moved[i] >= STANDING_FLOOR * mine.effect_floor)
            detected = stands or (suspected and bool(adjusted[i] <= mine.alpha * share or column in before))
            if mine.threshold is not None:
                suspected = detected = distance >= mine.threshold
            p_value, effect = float(adjusted[i]), float(moved[i])
            found.append(
                Verdict(Binned(counts, i), method, distance, p_value, effect, suspected, detected, mine.critical)
            )
        return found

    def _distances(
        self, chosen: tuple[int, ...], groups: Groups, live: Float64Array, baseline: Float64Array, rules: Rules
    ) -> list[tuple[str, float]]:
        """Return each column's distance and how it was computed."""
        grids = [self._grids[at] for at in chosen]
        methods = [_method(grid, rules.of(grid.column).distance) for grid in grids]
        names = set(methods) - {"wasserstein"}
        measured: dict[str, Float64Array] = {}
        if len(names) < len(set(methods)):
            positions = padded([_positions(grid, group) for grid, group in zip(grids, groups, strict=True)])
            # A constant baseline has no spread to measure by; there the distance stays in the column's own unit.
            spread = np.array([grid.spread or 1.0 if isinstance(grid, NumericGrid) else 1.0 for grid in grids])
            measured = stats.distances(live, baseline, names=names, positions=positions, scale=spread)
        else:
            measured = stats.distances(live, baseline, names=names)
        return [(method, float(measured[method][i])) for i, method in enumerate(methods)]


def _method(grid: Grid, wanted: str) -> str:
    return "psi" if wanted in _ORDERED_METHODS and not isinstance(grid, NumericGrid) else wanted


def _positions(grid: Grid, group: Int64Array) -> Float64Array:
    if not isinstance(grid, NumericGrid):
        return np.zeros(int(group.max()) + 1)
    return np.bincount(group, grid.positions * grid.baseline) / np.bincount(group, grid.baseline)
