"""Verdicts: each column of a window against one baseline."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from driftmeter import stats
from driftmeter.baseline import Baseline
from driftmeter.processor._binned import Binned, ComparedCounts
from driftmeter.processor._counts import Counts
from driftmeter.processor._experience import Experience
from driftmeter.processor._flat import Flat
from driftmeter.processor._grid_making import all_named, make_grids
from driftmeter.processor._layout import Joining, Layout
from driftmeter.processor._rules import Rules, RuleTable
from driftmeter.processor._variation import Variation
from driftmeter.schema import Column
from driftmeter.sketches import Snapshot
from driftmeter.typing import BoolArray, Float64Array

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
        repeated: Whether it is 1 because the window before said the same: this one alone would not do.
        threshold: The fixed distance that decides in place of the p-value, if there is one.
    """

    binned: Binned
    method: str
    distance: float
    p_value: float
    effect: float
    suspected: bool
    detected: bool
    critical: bool = False
    repeated: bool = False
    threshold: float | None = None

    @property
    def column(self) -> Column:
        """The column."""
        return self.binned.column


class Comparer:
    """Compares windows with one baseline; knows from its blocks how columns vary when nothing is wrong."""

    def __init__(self, baseline: Baseline) -> None:
        self.baseline = baseline.provenance
        grids = make_grids(baseline.snapshot, hashed=all_named(baseline)).values()
        self._layout = Layout([grid for grid in grids if grid.column.role != "label"])
        self._variation = Variation(self._layout, (self.count(block) for block in baseline.blocks))

    def count(self, snapshot: Snapshot) -> Counts:
        """Count a stretch of traffic on the baseline's grids."""
        return self.count_flat(Flat.of(snapshot))

    def count_flat(self, flat: Flat) -> Counts:
        """Count a stretch of traffic that was laid out already."""
        return self._layout.count(flat)

    def learn(self, window: Counts, verdicts: Sequence[Verdict], *, before: Collection[Column] = ()) -> None:
        """Learn from a window how columns vary, but not from one that led to a verdict.

        Windows must not overlap and come in the order of time. ``before`` are the columns that were suspected in the
        last one: where this one bore that out, that one is not learned from either. It counts from the next `renew` on.
        """
        detected = {verdict.column for verdict in verdicts if verdict.detected}
        quiet = {verdict.column for verdict in verdicts} - detected
        self._variation.learn(window, quiet=quiet, borne_out=detected.intersection(before))

    def renew(self) -> None:
        """Let what was learned count: to work that out takes a hundred times as long as a verdict."""
        self._variation.renew()

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
        joining = self._layout.joining(window.bins, min_rows=rules.min_rows)
        if joining is None:
            return []
        live, baseline = joining.join(window.bins), joining.join(self._layout.baseline)
        columns = [self._layout.columns[at] for at in joining.chosen.tolist()]
        p_values = stats.homogeneity_p_values(
            live,
            baseline,
            ordered=self._layout.numeric[joining.chosen],
            design_effect=self._variation.design_effect(joining),
            block_mean_p=self._variation.mean_p_values(window, joining),
            sparse_bins_p=self._sparse_bins_p_values(window, joining),
        )
        if experience is not None:
            p_values = np.maximum(p_values, experience.p_values(columns, live, baseline))
            experience.note(columns, live, baseline)
        table = rules.table(columns)
        judged = _Judged(
            stats.benjamini_hochberg(p_values),
            stats.moved_share(live, baseline),
            # Two windows that are held against the same few rows err alike: then one says no more than the other.
            baseline.sum(axis=1) >= BASELINE_TO_WINDOW * live.sum(axis=1),
        )
        suspected, detected, repeated = judged.verdicts(
            table, before=_among(columns, before), standing=_among(columns, standing), share=share
        )
        methods = [_method(column, wanted) for column, wanted in zip(columns, table.distances, strict=True)]
        distance = self._distances(joining, live, baseline, methods)
        fixed = ~np.isnan(table.threshold)
        suspected[fixed] = detected[fixed] = distance[fixed] >= table.threshold[fixed]
        repeated[fixed] = False
        counts = ComparedCounts.of(self._layout, joining, live, window)
        said = zip(
            [Binned(counts, at) for at in range(len(columns))],
            methods,
            *(part.tolist() for part in (distance, judged.p_value, judged.moved, suspected, detected)),
            table.critical,
            repeated.tolist(),
            [None if math.isnan(one) else one for one in table.threshold.tolist()],
            strict=True,
        )
        return [Verdict(*one) for one in said]

    def _sparse_bins_p_values(self, window: Counts, joining: Joining) -> Float64Array | None:
        """Return the p-values of columns most of whose rows are of rare categories; NaN for others, None if all are."""
        some, live, baseline = self._layout.finest(window.bins, joining)
        if not some.size:
            return None
        p_values = np.full(len(joining.chosen), np.nan)
        p_values[some] = stats.sparse_bins_p_values(live, baseline)
        return p_values

    def _distances(
        self, joining: Joining, live: Float64Array, baseline: Float64Array, methods: Sequence[str]
    ) -> Float64Array:
        """Return each column's distance, computed as it is to be, shape (columns,)."""
        names = set(methods)
        options: dict[str, Float64Array] = {}
        if "wasserstein" in names:
            options = {"positions": self._layout.positions(joining), "scale": self._layout.spread(joining)}
        measured = stats.distances(live, baseline, names=names - {"wasserstein"}, **options)
        if len(names) == 1:
            return measured[methods[0]]
        return np.array([measured[method][row] for row, method in enumerate(methods)])


@dataclass(frozen=True)
class _Judged:
    """Of each column: the adjusted p-value, the share of rows that moved, and whether two windows may bear it out."""

    p_value: Float64Array
    moved: Float64Array
    apart: BoolArray

    def verdicts(
        self, table: RuleTable, *, before: BoolArray, standing: BoolArray, share: float
    ) -> tuple[BoolArray, BoolArray, BoolArray]:
        """Return which columns are suspected, which have a verdict of 1, and of which two windows were needed."""
        rate = np.where(self.apart, table.alpha_repeated, table.alpha)
        suspected = (self.moved >= table.effect_floor) & (self.p_value <= rate * share)
        stands = standing & (self.p_value <= rate) & (self.moved >= STANDING_FLOOR * table.effect_floor)
        at_once = suspected & (self.p_value <= table.alpha * share)
        repeated = suspected & before & ~at_once
        return suspected, stands | at_once | repeated, repeated


def _among(columns: Iterable[Column], some: Collection[Column]) -> BoolArray:
    return np.array([column in some for column in columns])


def _method(column: Column, wanted: str) -> str:
    return "psi" if wanted in _ORDERED_METHODS and column.kind != "numeric" else wanted
