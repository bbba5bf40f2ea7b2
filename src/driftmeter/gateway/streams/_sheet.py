"""What was counted of one step: sketches and counts of many columns, of all services and models, in arrays.

All points of a request are added at once. A sketch, or each part of one, has a lane of two sides, and each count a
cell::

    lane     0 x     1 x, part 1.7e+38     2 y
    side     0 1     2 3                   4 5        positive and negative
    cell     0 x missing    1 c category a    2 c category b    3 c missing

What comes out for a column is what merging its sketches one by one gives, but for the rounding of the sum: as there,
the scale is the coarsest of all, and falls while the column occupies more buckets than a sketch may.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from driftmeter import otlp
from driftmeter.gateway.streams._arena import Arena
from driftmeter.gateway.streams._identity import ShardKey
from driftmeter.gateway.streams._index import Index
from driftmeter.gateway.streams._ragged import grown, ranges
from driftmeter.sketches import MAX_BUCKETS, MAX_SCALE, MIN_SCALE
from driftmeter.typing import BoolArray, Float64Array, Int64Array

_WIDE: Final = 1024
"""Windows that have grown beyond may hold more buckets than a sketch has."""
_NEVER: Final = 64
"""Bits of an index: so many scales further down two buckets on different sides of 1 would meet."""


@dataclass(slots=True)
class Holding:
    """Where the entries of one model's index are in a sheet.

    Attributes:
        index: The model's index.
        columns: Of each column its number in the sheet, or -1.
        places: Of each entry its lane or cell, or -1.
    """

    index: Index
    columns: Int64Array = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    places: Int64Array = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def open(self) -> None:
        """Make place for all entries that have a number."""
        self.columns = grown(self.columns, len(self.index.columns), -1)
        self.places = grown(self.places, len(self.index.whats), -1)


class Sheet:
    """Counts of one step.

    Arrays are longer than they need.

    Attributes:
        holdings: Where the entries of models are.
        columns: How many columns there are.
        arena: The buckets.
        values: The counts in cells.
        zero_counts: Zeros of each column.
        sums: Sums of each column.
        least: Least values; NaN where there is none.
        most: Greatest values.
    """

    def __init__(self) -> None:
        self.holdings: dict[ShardKey, Holding] = {}
        self.columns = 0
        self.arena = Arena()
        self._lanes = 0
        self._cells = 0
        self._lane_columns: Int64Array = np.zeros(0, dtype=np.int64)
        self._cell_columns: Int64Array = np.zeros(0, dtype=np.int64)
        self._first_lanes: Int64Array = np.zeros(0, dtype=np.int64)
        self._more_lanes: dict[int, list[int]] = {}
        self.values: Int64Array = np.zeros(0, dtype=np.int64)
        self.zero_counts: Int64Array = np.zeros(0, dtype=np.int64)
        self.sums: Float64Array = np.zeros(0)
        self.least: Float64Array = np.zeros(0)
        self.most: Float64Array = np.zeros(0)
        self._totals: Float64Array = np.zeros(0)
        self._scales: Int64Array = np.zeros(0, dtype=np.int64)

    def places(self, key: ShardKey, index: Index, entries: Int64Array, *, room: int) -> Int64Array:
        """Return the lane or cell of entries of a model; -1 for those of columns beyond what there is room for.

        Args:
            key: The model.
            index: Its index, always the same one.
            entries: The entries.
            room: How many columns may be new.
        """
        holding = self.holdings.get(key)
        if holding is None:
            holding = self.holdings[key] = Holding(index)
        holding.open()
        places = holding.places[entries]
        if len(places) and places.min() < 0:
            self._open(holding, np.unique(entries[places < 0]), room)
            places = holding.places[entries]
        return places

    def _open(self, holding: Holding, entries: Int64Array, room: int) -> None:
        """Give places to entries, as far as there is room for their columns."""
        of_entries, are_sketches = holding.index.arrays()
        columns = of_entries[entries]
        new = np.unique(columns[holding.columns[columns] < 0])[: max(0, room)]
        holding.columns[new] = self.columns + np.arange(len(new))
        self.columns += len(new)
        entries = entries[holding.columns[columns] >= 0]
        numbers, sketches = holding.columns[of_entries[entries]], are_sketches[entries]
        lanes, cells = self._lanes, self._cells
        self._lanes += int(np.count_nonzero(sketches))
        self._cells += int(np.count_nonzero(~sketches))
        self._grow()
        holding.places[entries[sketches]] = np.arange(lanes, self._lanes)
        holding.places[entries[~sketches]] = np.arange(cells, self._cells)
        self._lane_columns[lanes : self._lanes] = numbers[sketches]
        self.arena.scales[sides_of(np.arange(lanes, self._lanes))] = self._scales[numbers[sketches]].repeat(2)
        for lane, column in enumerate(numbers[sketches].tolist(), lanes):
            if self._first_lanes[column] < 0:
                self._first_lanes[column] = lane
            else:
                self._more_lanes.setdefault(column, []).append(lane)
        self._cell_columns[cells : self._cells] = numbers[~sketches]

    def _grow(self) -> None:
        self._lane_columns = grown(self._lane_columns, self._lanes, 0)
        self._cell_columns = grown(self._cell_columns, self._cells, 0)
        self.values = grown(self.values, self._cells, 0)
        self._first_lanes = grown(self._first_lanes, self.columns, -1)
        self.zero_counts = grown(self.zero_counts, self.columns, 0)
        self.sums = grown(self.sums, self.columns, 0.0)
        self.least = grown(self.least, self.columns, np.nan)
        self.most = grown(self.most, self.columns, np.nan)
        self._totals = grown(self._totals, self.columns, 0.0)
        self._scales = grown(self._scales, self.columns, MAX_SCALE)
        self.arena.open(2 * self._lanes)

    def add_counts(self, cells: Int64Array, amounts: Int64Array) -> BoolArray:
        """Add counts to cells; return which have been: those that bring no column beyond what it can hold."""
        fits = self._hold(self._cell_columns[cells], amounts)
        if not fits.all():
            cells, amounts = cells[fits], amounts[fits]
        np.add.at(self.values, cells, amounts)
        return fits

    def _hold(self, columns: Int64Array, amounts: Int64Array) -> BoolArray:
        """Add to the columns' totals, but to none that would become too large."""
        counts = amounts.astype(np.float64)
        np.add.at(self._totals, columns, counts)
        fits: BoolArray = self._totals[columns] < otlp.MAX_COUNT
        if not fits.all():
            np.subtract.at(self._totals, columns[~fits], counts[~fits])
        return fits

    def add_sketches(self, histograms: otlp.Histograms, rows: Int64Array, lanes: Int64Array) -> BoolArray:
        """Add sketches to lanes; return which have been: those that bring no column beyond what it can hold.

        Args:
            histograms: Sketches.
            rows: Which of them.
            lanes: The lane of each.
        """
        columns = self._lane_columns[lanes]
        fits = self._hold(columns, histograms.counts[rows])
        if not fits.all():
            rows, lanes, columns = rows[fits], lanes[fits], columns[fits]
        scales = histograms.scales[rows]
        self._lower(columns, scales)
        np.add.at(self.zero_counts, columns, histograms.zero_counts[rows])
        with np.errstate(over="ignore", invalid="ignore"):  # beyond float64's range, as merging sketches is
            np.add.at(self.sums, columns, histograms.sums[rows])
        np.fmin.at(self.least, columns, histograms.least[rows])
        np.fmax.at(self.most, columns, histograms.most[rows])
        self._add_buckets(histograms.sides, rows, lanes, scales)
        return fits

    def _lower(self, columns: Int64Array, scales: Int64Array) -> None:
        """Let columns go down to the scale of what comes, where that is coarser."""
        before = self._scales[columns]
        if (scales < before).any():
            np.minimum.at(self._scales, columns, scales)
            lanes = self._lanes_of(np.unique(columns[self._scales[columns] < before]))
            self.arena.coarsen(sides_of(lanes), self._scales[self._lane_columns[lanes]].repeat(2))

    def _lanes_of(self, columns: Int64Array) -> Int64Array:
        lanes = self._first_lanes[columns]
        if self._more_lanes:
            more = [lane for column in columns.tolist() for lane in self._more_lanes.get(column, ())]
            lanes = np.append(lanes, np.array(more, dtype=np.int64))
        return lanes

    def _add_buckets(self, sides: otlp.Sides, rows: Int64Array, lanes: Int64Array, scales: Int64Array) -> None:
        sources, targets = sides_of(rows), sides_of(lanes)
        starts = sides.starts[sources]
        sizes = sides.ends[sources] - starts
        some = sizes > 0
        starts, sizes, targets, scales = starts[some], sizes[some], targets[some], scales.repeat(2)[some]
        if not len(sizes):
            return
        indexes, counts = sides.indexes, sides.counts
        if sizes.sum() < len(indexes) or (starts[1:] - starts[:-1] != sizes[:-1]).any():
            chosen = ranges(starts, sizes)
            indexes, counts = indexes[chosen], counts[chosen]
        wide = self.arena.add(targets, scales, sizes, indexes, counts, wide=_WIDE)
        if len(wide):
            self._compact(np.unique(wide >> 1))

    def _compact(self, lanes: Int64Array) -> None:
        """Let columns that occupy too many buckets, in one lane alone, go down in scale."""
        held = self.arena.in_windows(sides_of(lanes))
        occupied = (held.ends - held.starts).reshape(-1, 2).sum(axis=1)
        spare = occupied - MAX_BUCKETS
        if spare.max() <= 0:
            return
        owner = np.repeat(np.arange(len(lanes)), occupied)
        joining = np.zeros((len(lanes), _NEVER + 1), dtype=np.int64)
        np.add.at(joining, (owner, _joining_scales(held.indexes, held.starts)), 1)
        joined = joining[:, : MAX_SCALE + 1].cumsum(axis=1)
        by = np.where(joined[:, -1] >= spare, (joined >= spare[:, None]).argmax(axis=1), MAX_SCALE)
        columns = self._lane_columns[lanes]
        scales = np.maximum(self._scales[columns] - by, MIN_SCALE)
        self._lower(columns[spare > 0], scales[spare > 0])


def sides_of(lanes: Int64Array) -> Int64Array:
    """Return the two sides of each lane, or of each point."""
    return (2 * lanes[:, None] + (0, 1)).ravel()


def _joining_scales(indexes: Int64Array, starts: Int64Array) -> Int64Array:
    """Return by how many scales each bucket must go down to join the one before it; see `Buckets.joining_scales`.

    The first one of a side joins none.
    """
    differing = indexes ^ np.roll(indexes, 1)
    joining: Int64Array = np.where(differing < 0, _NEVER, np.frexp(differing.astype(np.float64))[1])
    joining[starts[starts < len(indexes)]] = _NEVER
    return joining
