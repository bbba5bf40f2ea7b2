"""The bins of all numeric columns of a baseline, on which a snapshot is counted at once.

A column's keys lie within 2**41 of 0, so with 2**42 added for each column before it all keys are on one line, and so
are the last keys of all bins. How many values there are up to a bin's last key is found by bisection, and the
differences are the counts::

    keys of a snapshot     3  4  9     +2**42: 1  5          counts   2 1 6   4 1
    last keys of bins        4    end      2   end           up to      3   9   13  14
                                                             bins       3   6    4   1
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from driftmeter.processor._counts import Counts, Extremes
from driftmeter.processor._flat import Flat
from driftmeter.processor._grid import NumericGrid
from driftmeter.schema import Column
from driftmeter.sketches import ZERO_KEY_OFFSET, NumericSketch, coarser_keys, key_values
from driftmeter.typing import Float64Array, Int64Array

_COLUMN: Final = 4 * ZERO_KEY_OFFSET
_END: Final = 2 * ZERO_KEY_OFFSET
_ROUNDING: Final = 1e-9
_NONE: Final = np.empty(0, dtype=np.int64)


class NumericGrids:
    """Some columns' bins.

    Args:
        grids: The columns' bins, in the order in which they are to be counted.
    """

    def __init__(self, grids: Sequence[NumericGrid]) -> None:
        self._grids = grids
        self._scale = np.array([grid.scale for grid in grids], dtype=np.int64)
        self._ends = np.cumsum([len(grid.baseline) for grid in grids], dtype=np.int64)
        self._limits = np.array([grid.limits for grid in grids], dtype=np.float64).reshape(-1, 2)
        self._range = np.array([(grid.lower[0], grid.upper[-1]) for grid in grids], dtype=np.float64).reshape(-1, 2)

        self._last_places: tuple[tuple[Column, ...], Int64Array] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_last_places": None}

    def count(self, flat: Flat) -> Counts:
        """Count a snapshot's values; what a sum lacks in accuracy, the sketch does."""
        place = self._places(flat)
        seen = np.flatnonzero(place >= 0)
        seen = seen[flat.values[place[seen]] > 0]
        nest = flat.scale[place[seen]] >= self._scale[seen]
        bins = self._bins(flat, seen[nest], place[seen[nest]])
        sums = np.zeros(len(place))
        sums[seen[nest]] = self._sums(flat, seen[nest], place[seen[nest]])
        # Sketches that are coarser than the bins are few.
        for at in seen[~nest].tolist():
            grid = self._grids[at]
            sketch = flat.snapshot.columns[grid.column]
            assert isinstance(sketch, NumericSketch)  # noqa: S101  # those alone were laid out
            counts = grid.count(sketch)
            bins[self._ends[at] - len(counts) : self._ends[at]] = counts
            sums[at] = grid.sum(sketch)
        return Counts(bins, self._extremes(flat, seen, place[seen]), sums)

    def _places(self, flat: Flat) -> Int64Array:
        """Return the columns' places in a snapshot, which mostly has the same columns as the last one."""
        if self._last_places is None or self._last_places[0] != flat.columns:
            self._last_places = flat.columns, flat.places(grid.column for grid in self._grids)
        return self._last_places[1]

    def _extremes(self, flat: Flat, columns: Int64Array, place: Int64Array) -> Extremes:
        least, greatest, only = (np.full(len(self._grids), value) for value in (np.inf, -np.inf, np.inf))
        low, high = flat.low[place], flat.high[place]
        first, last = self._range[columns].T
        least[columns] = np.where(low < first, low, np.inf)
        greatest[columns] = np.where(high > last, high, -np.inf)
        only[columns] = np.where(low == high, low, np.nan)
        return Extremes(least, greatest, only)

    def _bins(self, flat: Flat, columns: Int64Array, place: Int64Array) -> Int64Array:
        """Return the rows by bin of columns whose sketches' buckets nest in those that bins are made of."""
        keys, counts, sizes = flat.buckets(place)
        coarse = coarser_keys(keys, np.repeat(flat.scale[place] - self._scale[columns], sizes))
        coarse += np.repeat(_COLUMN * columns, sizes)
        reached = np.zeros(len(counts) + 1, dtype=np.int64)
        np.cumsum(counts, out=reached[1:])
        return np.diff(reached[np.searchsorted(coarse, self._last_keys(), side="right")], prepend=0)

    def _last_keys(self) -> Int64Array:
        """Return the last keys of all bins on the line; not kept, as they would be most of what this takes."""
        last = np.concatenate([_NONE, *(grid.last_keys for grid in self._grids)])
        last[self._ends - 1] = _END
        last += np.repeat(_COLUMN * np.arange(len(self._grids)), np.diff(self._ends, prepend=0))
        return last

    def _sums(self, flat: Flat, columns: Int64Array, place: Int64Array) -> Float64Array:
        """Return the sums of some columns: those of the sketches, where no value is beyond the limits."""
        low, high, sums = flat.low[place], flat.high[place], flat.sums[place].copy()
        first, last = self._limits[columns].T
        mean = sums / flat.values[place]
        rounding = _ROUNDING * np.maximum(np.abs(low), np.abs(high))
        # Not every writer of histograms tells the sum, and one beyond float64's range tells nothing.
        told = (mean >= low - rounding) & (mean <= high + rounding)
        cut = np.flatnonzero(~(told & (low >= first) & (high <= last)))
        if cut.size:
            keys, counts, sizes = flat.buckets(place[cut])
            values = key_values(keys, np.repeat(flat.scale[place[cut]], sizes))
            values = np.clip(values, np.repeat(low[cut], sizes), np.repeat(high[cut], sizes))
            values = np.clip(values, np.repeat(first[cut], sizes), np.repeat(last[cut], sizes))
            with np.errstate(over="ignore"):
                sums[cut] = np.add.reduceat(values * counts, np.cumsum(sizes) - sizes)
        return sums
