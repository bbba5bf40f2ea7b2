"""Verdicts: each column of a window against one baseline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from driftmeter import stats
from driftmeter.baseline import Baseline
from driftmeter.processor._binning import Binned, bin_column
from driftmeter.schema import Column
from driftmeter.sketches import Snapshot
from driftmeter.typing import AnyArray, Float64Array

_ORDERED_METHODS: Final = frozenset({"kolmogorov_smirnov", "wasserstein"})
"""Distances that make no sense for categories, which have no order: there PSI stands in."""


@dataclass(frozen=True, slots=True)
class Rules:
    """When a verdict is 1: improbable by chance, over the floor, and from enough rows."""

    method: str
    alpha: float
    min_rows: int
    effect_floor: Callable[[Column], float]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one comparison says of one column.

    Attributes:
        binned: The counts it rests on.
        method: How the distance was computed.
        distance: The distance.
        p_value: Adjusted for the number of columns.
        effect: The share of rows that moved between bins: the total variation distance.
        detected: The verdict.
    """

    binned: Binned
    method: str
    distance: float
    p_value: float
    effect: float
    detected: bool

    @property
    def column(self) -> Column:
        """The column."""
        return self.binned.column


def compare(window: Snapshot, baseline: Baseline, rules: Rules) -> list[Verdict]:
    """Return a verdict for each column that both sides have, with enough rows in the window."""
    binned: list[Binned] = []
    for column, live in window.columns.items():
        known = baseline.snapshot.columns.get(column)
        if known is None or column.role == "label" or live.count < rules.min_rows:
            continue
        both = bin_column(column, live, known)
        if both is not None:
            binned.append(both)
    return _verdicts(binned, rules) if binned else []


def _verdicts(binned: Sequence[Binned], rules: Rules) -> list[Verdict]:
    live = _padded([column.live for column in binned])
    baseline = _padded([column.baseline for column in binned])
    ordered = np.array([column.column.kind == "numeric" for column in binned])
    adjusted = stats.benjamini_hochberg(stats.homogeneity_p_values(live, baseline, ordered=ordered))
    effects = stats.total_variation(live, baseline)
    floors = np.array([rules.effect_floor(column.column) for column in binned])
    detected = (adjusted <= rules.alpha) & (effects >= floors)
    methods = [_method(column, rules.method) for column in binned]
    distances = np.empty(len(binned))
    for method in set(methods):
        mine = np.array([other == method for other in methods])
        chosen = [column for column, is_mine in zip(binned, mine.tolist(), strict=True) if is_mine]
        distances[mine] = _distances(method, chosen, live[mine], baseline[mine])
    rows = zip(binned, methods, distances, adjusted, effects, detected, strict=True)
    return [
        Verdict(column, method, float(distance), float(p), float(effect), bool(verdict))
        for column, method, distance, p, effect, verdict in rows
    ]


def _method(binned: Binned, method: str) -> str:
    return "psi" if binned.column.kind == "categorical" and method in _ORDERED_METHODS else method


def _distances(method: str, binned: Sequence[Binned], live: Float64Array, baseline: Float64Array) -> Float64Array:
    if method != "wasserstein":
        return stats.DISTANCES[method](live, baseline)
    positions = _padded([column.positions for column in binned])
    # A constant baseline has no spread to measure by; there the distance stays in the column's own unit.
    spread = np.array([column.scale or 1.0 for column in binned])
    return stats.wasserstein(live, baseline, positions=positions, scale=spread)


def _padded(rows: Sequence[AnyArray]) -> Float64Array:
    padded = np.zeros((len(rows), max(map(len, rows))))
    for at, row in enumerate(rows):
        padded[at, : len(row)] = row
    return padded
