"""A column's window and its baseline, counted on common bins.

Numeric bins are unions of the baseline's buckets, about equally likely under the baseline. Buckets nest, so the live
sketch is counted on them exactly, whatever its scale: both go to the coarser of the two scales first::

    baseline buckets    1 1 | 3 | 2 1 1 | 4       |: the edges of bins
    live buckets          2 | 2 | 0 9   | 1   7   what lies beyond the last bucket falls into the last bin
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from driftmeter import stats
from driftmeter.schema import Column
from driftmeter.sketches import OTHER, CategoricalSketch, NumericSketch, Sketch, coarser_keys, key_edges, key_values
from driftmeter.typing import Float64Array, Int64Array


@dataclass(frozen=True, slots=True)
class Binned:
    """Counts of a window and its baseline on the same bins.

    Attributes:
        column: The column.
        live: Rows of the window, shape (bins,).
        baseline: Rows of the baseline, shape (bins,).
        lower: Lower edges of numeric bins, the live minimum at the first; empty for categories.
        upper: Upper edges, likewise.
        positions: A value in the middle of each numeric bin.
        scale: The standard deviation of the baseline of a numeric column.
        labels: The categories' names; empty for numeric bins.
    """

    column: Column
    live: Int64Array
    baseline: Int64Array
    lower: Float64Array
    upper: Float64Array
    positions: Float64Array
    scale: float = 1.0
    labels: tuple[str, ...] = ()


def bin_column(column: Column, live: Sketch, baseline: Sketch) -> Binned | None:
    """Count a column's window and baseline on common bins; None when a side has no values."""
    if not live.count or not baseline.count:
        return None
    if isinstance(live, NumericSketch) and isinstance(baseline, NumericSketch):
        return _numeric(column, live, baseline)
    if isinstance(live, CategoricalSketch) and isinstance(baseline, CategoricalSketch):
        return _categorical(column, live, baseline)
    return None


def _numeric(column: Column, live: NumericSketch, baseline: NumericSketch) -> Binned:
    scale = min(live.scale, baseline.scale)
    keys, counts = _at_scale(baseline, scale)
    live_keys, live_counts = _at_scale(live, scale)
    groups = stats.equal_mass_groups(counts, stats.bin_count(live.count, baseline.count))
    first = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    last = np.r_[first[1:] - 1, len(keys) - 1]
    at = np.minimum(np.searchsorted(keys[last], live_keys), len(last) - 1)
    lower, _ = key_edges(keys[first], scale)
    _, upper = key_edges(keys[last], scale)
    lower[0] = min(baseline.min, live.min)
    upper[-1] = max(baseline.max, live.max)
    baseline_counts = np.add.reduceat(counts, first)
    middles = np.add.reduceat(key_values(keys, scale) * counts, first) / baseline_counts
    return Binned(
        column,
        live=np.bincount(at, live_counts, minlength=len(first)).astype(np.int64),
        baseline=baseline_counts,
        lower=lower,
        upper=upper,
        positions=middles,
        scale=baseline.std,
    )


def _at_scale(sketch: NumericSketch, scale: int) -> tuple[Int64Array, Int64Array]:
    keys, counts = sketch.keys()
    if sketch.scale == scale:
        return keys, counts
    coarse = coarser_keys(keys, sketch.scale - scale)
    first = np.flatnonzero(np.r_[True, coarse[1:] != coarse[:-1]])
    return coarse[first], np.add.reduceat(counts, first)


def _categorical(column: Column, live: CategoricalSketch, baseline: CategoricalSketch) -> Binned:
    # In the order of the names: the bins do not depend on the order in which categories were seen.
    names = sorted(baseline.counts)
    counts = np.array([baseline.counts[name] for name in names], dtype=np.int64)
    groups = stats.category_groups(counts, min(live.count, baseline.count)) if names else np.zeros(0, dtype=np.intp)
    rest = int(groups.max(initial=-1)) + 1
    alone = np.bincount(groups, minlength=rest) if names else np.zeros(0, dtype=np.intp)
    labels = [OTHER] * (rest + 1)
    for name, group in zip(names, groups.tolist(), strict=True):
        labels[group] = name if alone[group] == 1 else OTHER
    live_of = np.array([live.counts.get(name, 0) for name in names], dtype=np.int64)
    live_bins, baseline_bins = _sums(groups, live_of, rest), _sums(groups, counts, rest)
    # Categories that the baseline does not know, and those that neither side kept apart, share the last bin.
    live_bins[rest] = live.count - live_of.sum()
    baseline_bins[rest] = baseline.other
    return Binned(column, live_bins, baseline_bins, *_no_edges(), labels=tuple(labels))


def _sums(groups: Any, counts: Int64Array, rest: int) -> Int64Array:
    return np.bincount(groups, counts, minlength=rest + 1).astype(np.int64)


def _no_edges() -> tuple[Float64Array, Float64Array, Float64Array]:
    nothing = np.empty(0)
    return nothing, nothing, nothing
