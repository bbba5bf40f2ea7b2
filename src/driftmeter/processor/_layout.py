"""A baseline's bins, all columns one after the other, and how they are joined to those of a comparison.

A grid has as many bins as its baseline bears; a comparison has as many as the window's rows do, so neighbours are
joined. All columns' joined bins are one matrix, padded with zeros, into which one call adds a window's counts up::

    bins of two columns   4 1 5 0 | 7 2 9        place   0 0 1 1 | 2 3 3
    joined                5 5                    (a row of the matrix is two bins wide)
                          7 11
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from driftmeter import stats
from driftmeter.processor._counts import Counts, Extremes
from driftmeter.processor._flat import Flat
from driftmeter.processor._grid import MAX_BINS, CategoricalGrid, Grain, Grid, NumericGrid
from driftmeter.processor._numeric_grids import NumericGrids
from driftmeter.typing import AnyArray, BoolArray, Float64Array, Int64Array

_SMALL: Final = np.uint16
"""Holds which joined bin one of a column's bins belongs to: there are at most `BIN_CATEGORIES` and `MAX_BUCKETS`."""
_NOT_KEPT: Final = frozenset({"_groups", "_finest", "_cuts", "_last"})
"""What is found out again when it is needed."""


@dataclass(frozen=True, eq=False)
class Joining:
    """How the bins of some columns are joined.

    Attributes:
        chosen: The places of the columns, ascending, shape (columns,).
        grain: What tells one grouping of a column's bins from another one, by column.
        starts: Where each column's bins begin in `place`, shape (columns + 1,).
        place: The place of each bin's joined bin in the matrix, as if that were flat, shape (bins,).
        width: The columns of the matrix.
        of_all: Which of all columns' bins these are, None if all.
    """

    chosen: Int64Array
    grain: list[Grain]
    starts: Int64Array
    place: npt.NDArray[np.int32]
    width: int
    of_all: npt.NDArray[np.int32] | None

    def join(self, bins: AnyArray) -> Float64Array:
        """Return rows by bin, all columns one after the other, as a matrix of shape (columns, joined bins)."""
        some = bins if self.of_all is None else bins[self.of_all]
        size = len(self.chosen) * self.width
        return np.bincount(self.place, some, minlength=size).astype(np.float64).reshape(-1, self.width)

    def groups(self, row: int) -> Int64Array:
        """Return which of its joined bins each bin of a column belongs to."""
        return self.place[self.starts[row] : self.starts[row + 1]].astype(np.int64) - row * self.width


class Layout:
    """All bins of a baseline's columns.

    Args:
        grids: The bins of each column.
    """

    def __init__(self, grids: Sequence[Grid]) -> None:
        self.grids = grids
        self.columns = [grid.column for grid in grids]
        self.numeric: BoolArray = np.array([isinstance(grid, NumericGrid) for grid in grids], dtype=np.bool_)
        sizes = np.array([len(grid.baseline) for grid in grids], dtype=np.int64)
        self.starts = np.append(0, np.cumsum(sizes))
        self.baseline = np.concatenate([np.zeros(0, dtype=np.int64), *(grid.baseline for grid in grids)])
        self._totals = self.rows(self.baseline)
        self._numeric_grids = NumericGrids([grid for grid in grids if isinstance(grid, NumericGrid)])
        self._numeric_bins = np.repeat(self.numeric, sizes)
        self._of_no_name = np.concatenate([np.zeros(0, dtype=np.bool_), *map(_of_no_name, grids)])
        self._forget()

    def _forget(self) -> None:
        self._groups: dict[tuple[int, Grain], npt.NDArray[np.uint16]] = {}
        self._finest: dict[tuple[int, Grain, bool], Int64Array] = {}
        self._cuts: dict[int, stats.CategoryCuts] = {}
        self._last: Joining | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in _NOT_KEPT}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()

    def count(self, flat: Flat) -> Counts:
        """Count a stretch of traffic."""
        numeric = self._numeric_grids.count(flat)
        bins, sums = np.zeros(len(self.baseline), dtype=np.int64), np.zeros(len(self.grids))
        bins[self._numeric_bins] = numeric.bins
        sketches = flat.snapshot.columns
        categorical = (grid for grid in self.grids if isinstance(grid, CategoricalGrid))
        bins[~self._numeric_bins] = [rows for grid in categorical for rows in grid.count(sketches.get(grid.column))]
        low, high, only = sums + np.inf, sums - np.inf, sums + np.nan
        extremes = numeric.extremes
        low[self.numeric], high[self.numeric], only[self.numeric] = extremes.low, extremes.high, extremes.only
        sums[self.numeric] = numeric.sums
        return Counts(bins, Extremes(low, high, only), sums)

    def rows(self, bins: AnyArray) -> Int64Array:
        """Return each column's rows, shape (columns,)."""
        return np.add.reduceat(bins, self.starts[:-1], dtype=np.int64) if len(self.grids) else self.starts[:0]

    def of_column(self, bins: AnyArray, at: int) -> AnyArray:
        """Return one column's rows by bin."""
        return bins[self.starts[at] : self.starts[at + 1]]

    def occupied(self, bins: AnyArray) -> Int64Array:
        """Return how many bins of each column have rows, shape (columns,)."""
        return self.rows(bins > 0)

    def unknown(self, bins: AnyArray) -> Int64Array:
        """Return each column's rows of categories that have no bin of their own, shape (columns,)."""
        return self.rows(bins * self._of_no_name)

    def positions(self, joining: Joining) -> Float64Array:
        """Return the mean of the baseline's values in each joined bin, 0 for categories; shape (columns, bins)."""
        values = np.concatenate(
            [grid.positions if isinstance(grid, NumericGrid) else np.zeros(len(grid.baseline)) for grid in self.grids]
        )
        return joining.join(values * self.baseline) / np.maximum(joining.join(self.baseline), 1.0)

    def spread(self, joining: Joining) -> Float64Array:
        """Return the standard deviation of each column's baseline, shape (columns,).

        A constant baseline has no spread to measure by; there 1 leaves distances in the column's own unit.
        """
        grids = [self.grids[at] for at in joining.chosen.tolist()]
        return np.array([grid.spread or 1.0 if isinstance(grid, NumericGrid) else 1.0 for grid in grids])

    def joining(self, bins: AnyArray, *, min_rows: int) -> Joining | None:
        """Return how bins are joined for a window with so many rows by bin; None when no column has enough.

        Where a side has too few rows for even two bins, nothing can be said; a column of one value has one bin.
        """
        rows = self.rows(bins)
        enough = np.flatnonzero(rows >= min_rows)
        grain = self._grain(rows[enough], enough, bins)
        groups = [self._grouped(*one) for one in zip(enough.tolist(), grain, rows[enough].tolist(), strict=True)]
        told = [len(group) == 1 or bool(group.any()) for group in groups]
        if not any(told):
            return None
        chosen = enough[told]
        grain = [one for one, is_told in zip(grain, told, strict=True) if is_told]
        last = self._last
        if last is None or last.grain != grain or not np.array_equal(last.chosen, chosen):
            some = [group for group, is_told in zip(groups, told, strict=True) if is_told]
            last = self._last = self._joined(chosen, grain, some)
        return last

    def finest(self, bins: Int64Array, joining: Joining) -> tuple[Int64Array, Float64Array, Float64Array]:
        """Return the counts of categories that a joining spreads by a hash on as many bins as there can be.

        Returns:
            Which of the joining's columns these are, shape (some,); the rows by bin in them, and the baseline's, both
            of shape (some, finest bins), padded with zeros.
        """
        some = [row for row, (_, buckets) in enumerate(joining.grain) if buckets > 1]
        places = joining.chosen[some].tolist()
        groups = [self._finest_groups(at, joining.grain[row], bins) for row, at in zip(some, places, strict=True)]
        width = 1 + max((int(group.max()) for group in groups), default=0)
        live, baseline = (
            [np.bincount(group, self.of_column(side, at), width) for at, group in zip(places, groups, strict=True)]
            for side in (bins, self.baseline)
        )
        shape = len(some), width
        return np.array(some, dtype=np.int64), np.reshape(live, shape), np.reshape(baseline, shape)

    def _finest_groups(self, at: int, grain: Grain, bins: Int64Array) -> Int64Array:
        grid, rows = self.grids[at], int(self.of_column(bins, at).sum())
        assert isinstance(grid, CategoricalGrid)  # noqa: S101  # no other is spread by a hash
        key = at, grain, self._cuts[at].all_alone(min(rows, int(self._totals[at])))
        if key not in self._finest:
            self._finest[key] = grid.finest_groups(rows, grain)
        return self._finest[key]

    def _grain(self, rows: Int64Array, places: Int64Array, window: AnyArray) -> list[Grain]:
        """Return what tells the groups of some columns' bins apart: how many joined bins there are to be."""
        numeric = stats.bin_counts(rows, self._totals[places], max_bins=MAX_BINS)
        grain: list[Grain] = [(bins, 0) for bins in numeric.tolist()]
        for row, (at, number) in enumerate(zip(places.tolist(), rows.tolist(), strict=True)):
            grid = self.grids[at]
            if isinstance(grid, CategoricalGrid):
                if at not in self._cuts:
                    self._cuts[at] = grid.cuts()
                named = not window[self.starts[at + 1] - 1]
                grain[row] = grid.grain(min(number, int(self._totals[at])), self._cuts[at], named=named)
        return grain

    def _grouped(self, at: int, grain: Grain, rows: int) -> npt.NDArray[np.uint16]:
        known = self._groups.get((at, grain))
        if known is None:
            grid = self.grids[at]
            if isinstance(grid, CategoricalGrid) and grain[1] > 1:
                groups = grid.hashed_groups(rows, grain)
            else:
                groups = grid.groups(rows)
            known = self._groups[at, grain] = groups.astype(_SMALL)
        return known

    def _joined(self, chosen: Int64Array, grain: list[Grain], groups: Sequence[npt.NDArray[np.uint16]]) -> Joining:
        width = 1 + max(int(group.max()) for group in groups)
        sizes = np.array([len(group) for group in groups])
        starts = np.append(0, np.cumsum(sizes))
        place = np.concatenate(groups).astype(np.int32)
        place += np.repeat(np.arange(len(groups), dtype=np.int32) * width, sizes)
        of_all = None
        if len(chosen) < len(self.grids):
            of_all = (np.arange(len(place)) + np.repeat(self.starts[chosen] - starts[:-1], sizes)).astype(np.int32)
        return Joining(chosen, grain, starts, place, width, of_all)


def _of_no_name(grid: Grid) -> BoolArray:
    """Return which of a column's bins are of categories without one of their own, shape (bins,)."""
    named = len(grid.names) if isinstance(grid, CategoricalGrid) else len(grid.baseline)
    found: BoolArray = np.arange(len(grid.baseline)) >= named
    return found
