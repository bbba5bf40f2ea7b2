"""Which bins a numeric column is counted on outside of comparisons: those of its baseline, as bounds between buckets.

A backend that adds up explicit-bucket histograms, or takes fractions of exponential ones, then holds the very counts
that a comparison rests on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from driftmeter.baseline import Baseline
from driftmeter.processor._grid import NumericGrid, count_keys
from driftmeter.processor._grid_making import make_grids
from driftmeter.schema import Column
from driftmeter.sketches import MIN_SCALE, ZERO_KEY_OFFSET, NumericSketch, key_edges
from driftmeter.typing import Float64Array, Int64Array

_EXPONENTS: Final = range(-4, 15, 2)
_PREFERENCE: Final = ("training", "validation")


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """Bins that follow one another without gaps, the first and the last one open to the outside.

    Attributes:
        scale: The scale of the buckets that they are unions of.
        last_keys: The last bucket of each bin but the last one, shape (bins - 1,).
    """

    scale: int
    last_keys: Int64Array

    @property
    def bounds(self) -> Float64Array:
        """The upper bound of each bin but the last one, ascending; shape (bins - 1,).

        A value that is a negative bound itself is above it: exponential buckets of negative values are open there.
        """
        _, upper = key_edges(self.last_keys, self.scale)
        return upper

    def count(self, sketch: NumericSketch) -> Int64Array:
        """Return a sketch's values by bin, shape (bins,)."""
        return count_keys(sketch, self.scale, self.last_keys, bins=len(self.last_keys) + 1)


def bins_of(grid: NumericGrid, groups: Int64Array | None = None) -> Bins:
    """Return a grid's bins; with ``groups``, shape (bins,), those that joining neighbours of one group gives."""
    last = grid.last_keys if groups is None else grid.last_keys[np.r_[groups[1:] != groups[:-1], True]]
    return Bins(grid.scale, last[:-1])


def baseline_bins(baselines: Sequence[Baseline]) -> Mapping[Column, Bins]:
    """Return the bins of a model's numeric columns: by its training data, else validation data, else any baseline."""
    if not baselines:
        return {}
    by_kind = {baseline.kind: baseline for baseline in reversed(baselines)}
    chosen = next((by_kind[kind] for kind in _PREFERENCE if kind in by_kind), baselines[0])
    grids = make_grids(chosen.snapshot)
    return {column: bins_of(grid) for column, grid in grids.items() if isinstance(grid, NumericGrid)}


def _plain_bins() -> Bins:
    index = np.array(_EXPONENTS, dtype=np.int64) << MIN_SCALE
    # Bucket i holds (base**i, base**(i + 1)]: positive values up to 2**k have indexes below k << scale, and negative
    # ones beyond -2**k have those from there on.
    return Bins(MIN_SCALE, np.concatenate((-(index[::-1] + ZERO_KEY_OFFSET), [0], index - 1 + ZERO_KEY_OFFSET)))


PLAIN_BINS: Final = _plain_bins()
"""For a column without a baseline: 0 and the powers of four from 1/16 to 16384, of both signs, are the bounds."""
