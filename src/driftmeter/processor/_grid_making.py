"""From a baseline's sketches to the bins of its columns, of all numeric ones at once."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

import numpy as np

from driftmeter import stats
from driftmeter.baseline import BIN_BUCKETS, BIN_CATEGORIES, Baseline, most_frequent
from driftmeter.processor._flat import Flat
from driftmeter.processor._grid import (
    MAX_BINS,
    MAX_BUCKETS,
    CategoricalGrid,
    Grid,
    NumericGrid,
    bucket_counts,
)
from driftmeter.schema import Column
from driftmeter.sketches import (
    MAX_SCALE,
    MIN_SCALE,
    ZERO_KEY_OFFSET,
    CategoricalSketch,
    Snapshot,
    coarser_keys,
    key_edges,
    key_values,
)
from driftmeter.typing import BoolArray, Float64Array, Int64Array

_NARROW: Final = 0.1
_FEW: Final = 10
"""So many categories that are alike stand alone by the least rows that get a verdict."""
_NEVER: Final = MAX_SCALE + 1
"""By so many scales, none of which joins them, are buckets of different signs apart."""


def make_grids(snapshot: Snapshot, *, hashed: Collection[Column] = ()) -> dict[Column, Grid]:
    """Return the bins of all columns but those that have no values, or whose categories are not told apart.

    Args:
        snapshot: The baseline.
        hashed: The columns whose categories can be told by a hash of their names, see `all_named`.
    """
    flat = Flat.of(snapshot)
    numeric = _numeric_grids(flat)
    grids: dict[Column, Grid] = {}
    for column, sketch in flat.snapshot.columns.items():
        if column in numeric:
            grids[column] = numeric[column]
        elif isinstance(sketch, CategoricalSketch) and sketch.counts:
            grids[column] = _categorical_grid(column, sketch, hashed=column in hashed)
    return grids


def all_named(baseline: Baseline) -> set[Column]:
    """Return the categorical columns all of whose values have names, in the baseline and in each of its blocks.

    What has lost its name has no hash, and is not what has none by chance: rare categories lose theirs first.
    """
    named = {column for column in baseline.snapshot.columns if column.kind == "categorical"}
    for part in (baseline.snapshot, *baseline.blocks) if named else ():
        sketches = part.columns.items()
        named -= {column for column, sketch in sketches if isinstance(sketch, CategoricalSketch) and sketch.other}
    return named


def _categorical_grid(column: Column, baseline: CategoricalSketch, *, hashed: bool) -> CategoricalGrid:
    # In the order of their names: the bins do not depend on what was seen first.
    names = tuple(sorted(most_frequent(baseline, BIN_CATEGORIES)))
    counts = [baseline.counts[name] for name in names]
    if hashed and len(baseline.counts) > _FEW:
        buckets = 1 << (min(len(baseline.counts), MAX_BUCKETS).bit_length() - 1)
        counts += [*bucket_counts(baseline, set(names), buckets), 0]
    else:
        counts.append(baseline.count - sum(counts))
    return CategoricalGrid(column, np.array(counts, dtype=np.int64), names)


class _Buckets(NamedTuple):
    """The buckets that bins are made of, all columns one after the other."""

    keys: Int64Array
    counts: Int64Array
    column: Int64Array
    sizes: Int64Array
    scale: Int64Array


def _numeric_grids(flat: Flat) -> dict[Column, NumericGrid]:
    numeric = [column for column, is_numeric in zip(flat.columns, flat.numeric.tolist(), strict=True) if is_numeric]
    some = np.flatnonzero(flat.values)
    if not some.size:
        return {}
    buckets = _coarse(flat, some)
    groups = stats.equal_mass_groups(buckets.counts, MAX_BINS, sizes=buckets.sizes)
    starts = np.ones(len(groups), dtype=np.bool_)
    starts[1:] = (groups[1:] != groups[:-1]) | (buckets.column[1:] != buckets.column[:-1])
    first = np.flatnonzero(starts)
    last = np.append(first[1:] - 1, len(groups) - 1)
    of_bin = buckets.column[first]
    binned = np.add.reduceat(buckets.counts, first)
    lower, upper = _edges(flat, some, buckets, first, last)
    values, spread = _values(flat, some, buckets)
    with np.errstate(over="ignore"):
        positions = np.add.reduceat(values * buckets.counts, first) / binned
    ends = np.cumsum(np.bincount(of_bin)).tolist()
    parts = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
    last_keys = buckets.keys[last]
    return {
        numeric[place]: NumericGrid(
            numeric[place],
            baseline=binned[part],
            scale=scale,
            last_keys=last_keys[part],
            lower=lower[part],
            upper=upper[part],
            positions=positions[part],
            spread=std,
            limits=stats.winsor_limits(lower[part], upper[part]),
        )
        for place, part, scale, std in zip(some.tolist(), parts, buckets.scale.tolist(), spread.tolist(), strict=True)
    }


def _coarse(flat: Flat, some: Int64Array) -> _Buckets:
    """Return some columns' buckets at the scale that bins are made at, see `bin_scale`."""
    keys, counts, sizes = flat.buckets(some)
    column = np.repeat(np.arange(len(some)), sizes)
    down = _scales_down(keys, column, flat.scale[some])
    keys = coarser_keys(keys, down[column])
    starts = np.ones(len(keys), dtype=np.bool_)
    starts[1:] = (keys[1:] != keys[:-1]) | (column[1:] != column[:-1])
    first = np.flatnonzero(starts)
    column = column[first]
    return _Buckets(keys[first], np.add.reduceat(counts, first), column, np.bincount(column), flat.scale[some] - down)


def _scales_down(keys: Int64Array, column: Int64Array, scale: Int64Array) -> Int64Array:
    """Return by how many scales each column's buckets are to join, shape (columns,)."""
    index = np.abs(keys) - ZERO_KEY_OFFSET
    differing = index[1:] ^ index[:-1]
    alike = (column[1:] == column[:-1]) & (np.sign(keys[1:]) == np.sign(keys[:-1])) & (differing >= 0)
    # By as many scales as their indexes have bits up to the highest one that differs, see `joining_scales`.
    by = np.where(alike, np.frexp(np.maximum(differing, 0).astype(np.float64))[1], _NEVER)
    joined = np.bincount(column[1:] * (_NEVER + 1) + np.minimum(by, _NEVER), minlength=len(scale) * (_NEVER + 1))
    joined = np.cumsum(joined.reshape(len(scale), -1), axis=1)
    occupied = np.bincount(column[keys != 0], minlength=len(scale))[:, None] - joined
    limit = scale - MIN_SCALE
    fits = occupied <= BIN_BUCKETS
    down = np.minimum(np.where(fits.any(axis=1), fits.argmax(axis=1), limit), limit)
    rows = np.arange(len(scale))
    for _ in range(MAX_SCALE - MIN_SCALE):
        # The coarsest that tells the column's values apart.
        down += (down < limit) & (occupied[rows, np.minimum(down + 1, _NEVER)] == occupied[rows, down])
    return down


def _edges(
    flat: Flat, some: Int64Array, buckets: _Buckets, first: Int64Array, last: Int64Array
) -> tuple[Float64Array, Float64Array]:
    """Return the lower and upper edges of all bins, the baseline's least and greatest values at the ends."""
    of_bin = buckets.column[first]
    scale = buckets.scale[of_bin]
    lower, _ = key_edges(buckets.keys[first], scale)
    _, upper = key_edges(buckets.keys[last], scale)
    # What values a bin can hold, rather than where its buckets begin: 15-17, not 14.7-17.4.
    whole = _hold_whole_numbers(flat, some)[of_bin]
    lower[whole], upper[whole] = np.ceil(lower[whole]), np.floor(upper[whole])
    begin = np.flatnonzero(np.append(True, of_bin[1:] != of_bin[:-1]))
    lower[begin] = flat.low[some]
    upper[np.append(begin[1:] - 1, len(upper) - 1)] = flat.high[some]
    return lower, upper


def _hold_whole_numbers(flat: Flat, some: Int64Array) -> BoolArray:
    """Whether there is a whole number in each of a column's buckets, though they are too narrow for chance."""
    whole: BoolArray = (flat.low[some] == np.floor(flat.low[some])) & (flat.high[some] == np.floor(flat.high[some]))
    at = np.flatnonzero(whole)  # nearly none
    if at.size:
        keys, _, sizes = flat.buckets(some[at])
        lower, upper = key_edges(keys, np.repeat(flat.scale[some[at]], sizes))
        holds = (upper - lower < _NARROW) & (np.floor(upper) - np.ceil(lower) >= 0)
        whole[at] = np.logical_and.reduceat(holds, np.cumsum(sizes) - sizes)
    return whole


def _values(flat: Flat, some: Int64Array, buckets: _Buckets) -> tuple[Float64Array, Float64Array]:
    """Return a value for each bucket, and each column's standard deviation."""
    column = buckets.column
    low, high = flat.low[some], flat.high[some]
    values = np.clip(key_values(buckets.keys, buckets.scale[column]), low[column], high[column])
    # In units of the greatest magnitude no square is beyond float64.
    unit = np.maximum(np.maximum(np.abs(low), np.abs(high)), np.finfo(np.float64).tiny)
    begin = np.cumsum(buckets.sizes) - buckets.sizes
    rows = flat.values[some]
    scaled = values / unit[column]
    mean = np.add.reduceat(scaled * buckets.counts, begin) / rows
    square = np.add.reduceat((scaled - mean[column]) ** 2 * buckets.counts, begin) / rows
    return values, unit * np.sqrt(square)
