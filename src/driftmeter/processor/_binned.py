"""Counts of a window and its baseline on the same bins.

Of each comparison the window's counts alone are kept; all else is found out from the baseline's grids when somebody
asks, which is when a verdict turns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from driftmeter.processor._counts import Counts
from driftmeter.processor._grid import CategoricalGrid, Grid, NumericGrid, joined_labels
from driftmeter.processor._layout import Joining, Layout
from driftmeter.schema import Column
from driftmeter.typing import AnyArray, Float64Array, Int64Array


@dataclass(frozen=True, slots=True, eq=False)
class ComparedCounts:
    """The counts of all columns of one comparison; arrays have a row, or an element, a column.

    Attributes:
        grids: The columns' bins.
        live: Rows of the window by joined bin, padded with zeros, in the smallest type that holds them.
        low: The window's least values where they lie below the baseline's; else infinity.
        high: Its greatest ones where they lie above; else minus infinity.
        only: What all of the window's values are, where they are the same one: a numeric column's value, the place of a
            category among the grid's; NaN where they differ.
        by_name: Of columns that were compared by a hash of their categories' names: the rows by category, and those of
            all others.
    """

    grids: Sequence[Grid]
    live: AnyArray
    low: Float64Array
    high: Float64Array
    only: Float64Array
    by_name: Mapping[int, AnyArray]

    @classmethod
    def of(cls, layout: Layout, joining: Joining, live: Float64Array, window: Counts) -> ComparedCounts:
        """Keep what a comparison counted.

        Args:
            layout: The baseline's bins.
            joining: How they were joined.
            live: The window's rows by joined bin, shape (columns, bins).
            window: The window's counts.
        """
        chosen = joining.chosen
        grids = [layout.grids[at] for at in chosen.tolist()]
        only = np.where(layout.numeric & np.isfinite(window.extremes.only), window.extremes.only, np.nan)
        # What is of an unknown category may be anything.
        unknown = layout.unknown(window.bins) > 0
        one_category = (layout.occupied(window.bins) == 1) & ~unknown & ~layout.numeric
        for at in np.flatnonzero(one_category).tolist():  # mostly none
            only[at] = layout.of_column(window.bins, at).argmax()
        return cls(
            grids,
            live.astype(np.min_scalar_type(int(live.max(initial=0.0)))),
            window.extremes.low[chosen],
            window.extremes.high[chosen],
            only[chosen],
            {
                at: _by_name(grid, layout.of_column(window.bins, int(chosen[at])))
                for at, (grid, (_, buckets)) in enumerate(zip(grids, joining.grain, strict=True))
                if isinstance(grid, CategoricalGrid) and buckets > 1
            },
        )


def _by_name(grid: CategoricalGrid, rows: AnyArray) -> AnyArray:
    """Return rows by category, and those of all others last, in the smallest type that holds them."""
    named = np.bincount(grid.named_groups, rows)
    return named.astype(np.min_scalar_type(int(named.max(initial=0))))


@dataclass(frozen=True, slots=True)
class Binned:
    """One column's counts in a window and its baseline, on the same bins: those that a person would be told."""

    counts: ComparedCounts
    at: int

    @property
    def _grid(self) -> Grid:
        return self.counts.grids[self.at]

    @property
    def _group(self) -> Int64Array:
        grid = self._grid
        if isinstance(grid, CategoricalGrid) and self.at in self.counts.by_name:
            return grid.named_groups
        return grid.groups(self.rows)

    @property
    def column(self) -> Column:
        """The column."""
        return self._grid.column

    @property
    def rows(self) -> int:
        """Rows of the window."""
        return int(self.counts.live[self.at].sum())

    @property
    def baseline_rows(self) -> int:
        """Rows of the baseline."""
        return int(self._grid.baseline.sum())

    @property
    def only(self) -> float | str | None:
        """What all of the window's values are, a number or a category's name; None where they differ."""
        only, grid = float(self.counts.only[self.at]), self._grid
        if math.isnan(only):
            return None
        return only if isinstance(grid, NumericGrid) else grid.names[int(only)]

    @property
    def live(self) -> Int64Array:
        """Rows of the window, shape (bins,)."""
        by_name = self.counts.by_name.get(self.at)
        live = self.counts.live[self.at, : int(self._group.max()) + 1] if by_name is None else by_name
        return live.astype(np.int64)

    @property
    def baseline(self) -> Int64Array:
        """Rows of the baseline, shape (bins,)."""
        return np.bincount(self._group, self._grid.baseline).astype(np.int64)

    @property
    def edges(self) -> tuple[Float64Array, Float64Array]:
        """Lower and upper edges of numeric bins; empty for categories."""
        grid, group = self._grid, self._group
        if not isinstance(grid, NumericGrid):
            return np.empty(0), np.empty(0)
        first = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
        lower, upper = grid.lower[first], grid.upper[np.r_[first[1:] - 1, len(group) - 1]]
        # Values beyond the baseline's range are in the outermost bins.
        lower[0], upper[-1] = min(lower[0], self.counts.low[self.at]), max(upper[-1], self.counts.high[self.at])
        return lower, upper

    @property
    def labels(self) -> tuple[str, ...]:
        """The categories' names; empty for numeric bins."""
        grid = self._grid
        return () if isinstance(grid, NumericGrid) else joined_labels(grid, self._group)
