"""Bucket counts of many sides of sketches, each in a window of one large array, so that all are added at once.

A side is the buckets of one sign. Its window has a cell for each bucket from ``low`` on, and grows as buckets come::

    side     |         0         |    1    |              2              |
    low      |        -12        |   440   |              3              |
    cells    | 0 5 2 0 1 7 0 0 0 | 1 0 0 4 | 9 9 3 8 4 0 0 1 0 0 0 0 0 2 |
    bucket    -12 ...                440 ...  3 ...

Buckets too far from a window for it to reach them are kept beside, each with its side, and put together at the end.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from driftmeter.gateway.streams._ragged import ranges
from driftmeter.sketches import MAX_SCALE
from driftmeter.typing import BoolArray, Int64Array

MAX_WIDTH: Final = 4096
"""Cells of a window."""
_LEAST_MARGIN: Final = 8
"""A window is wider by an eighth, at each end, than what it was made for, and by so many cells."""
_MOVED: Final = 4096
"""Windows that are moved at once: it bounds the work space."""
_BESIDE: Final = 1 << 17
"""So many buckets beside are put together for the first time."""
_INDEX_BITS: Final = 33
"""Bits that hold a bucket's index, of either sign, at any scale."""


class Occupied(NamedTuple):
    """Occupied buckets of sides, in the order of their indexes; those of side k from ``starts[k]`` to ``ends[k]``."""

    indexes: Int64Array
    counts: Int64Array
    starts: Int64Array
    ends: Int64Array


class _Beside(NamedTuple):
    sides: Int64Array
    scales: Int64Array
    indexes: Int64Array
    counts: Int64Array


class Arena:
    """Bucket counts; sides are numbered from 0, and begin at the finest scale.

    Attributes:
        scales: The scale of each side. Longer than it needs.
    """

    def __init__(self) -> None:
        self.scales: Int64Array = np.full(0, MAX_SCALE, dtype=np.int64)
        self._low, self._width, self._base = np.zeros((3, 0), dtype=np.int64)
        self._cells: Int64Array = np.zeros(0, dtype=np.int64)
        self._top = 0
        self._garbage = 0
        self._beside: list[_Beside] = []
        self._beside_size = 0
        self._limit = _BESIDE

    def open(self, sides: int) -> None:
        """Make place for so many sides."""
        more = sides - len(self.scales)
        if more <= 0:
            return
        more = max(more, len(self.scales) // 2)
        self.scales = np.append(self.scales, np.full(more, MAX_SCALE, dtype=np.int64))
        nothing = np.zeros(more, dtype=np.int64)
        self._low, self._width, self._base = (np.append(a, nothing) for a in (self._low, self._width, self._base))

    def add(
        self,
        sides: Int64Array,
        scales: Int64Array,
        sizes: Int64Array,
        indexes: Int64Array,
        counts: Int64Array,
        *,
        wide: int,
    ) -> Int64Array:
        """Add lists of buckets, none of them empty; return the sides whose windows have grown wide.

        Args:
            sides: The side of each list; it is at the list's scale or a coarser one.
            scales: The scale of each list.
            sizes: How many buckets each has.
            indexes: Those of the buckets, ascending in each list, one list after the other.
            counts: Theirs.
            wide: Cells of a window that is wide.
        """
        ends = sizes.cumsum()
        by = scales - self.scales[sides]
        first, last = indexes[ends - sizes] >> by, indexes[ends - 1] >> by
        misfit = (first < self._low[sides]) | (last >= self._low[sides] + self._width[sides])
        grown = sides[:0]
        if misfit.any():
            middle = indexes[ends - (sizes + 1) // 2] >> by
            grown = self._fit(sides[misfit], first[misfit], last[misfit], middle[misfit])
        if by.any():
            indexes = indexes >> np.repeat(by, sizes)
        at = indexes + np.repeat(self._base[sides] - self._low[sides], sizes)
        if len(grown) and ((first < self._low[sides]) | (last >= self._low[sides] + self._width[sides])).any():
            inside = self._inside(np.repeat(sides, sizes), indexes)
            self._put_beside(np.repeat(sides, sizes)[~inside], indexes[~inside], counts[~inside])
            at, counts = at[inside], counts[inside]
        np.add.at(self._cells, at, counts)
        return grown[self._width[grown] > wide]

    def _inside(self, sides: Int64Array, indexes: Int64Array) -> BoolArray:
        places = indexes - self._low[sides]
        inside: BoolArray = (places >= 0) & (places < self._width[sides])
        return inside

    def _fit(self, sides: Int64Array, first: Int64Array, last: Int64Array, middle: Int64Array) -> Int64Array:
        """Let windows grow to hold buckets, as far as they may; return whose were asked to."""
        unique, at_first, inverse = np.unique(sides, return_index=True, return_inverse=True)
        least, most = np.full(len(unique), np.iinfo(np.int64).max), np.full(len(unique), np.iinfo(np.int64).min)
        np.minimum.at(least, inverse, first)
        np.maximum.at(most, inverse, last)
        low, width = self._low[unique], self._width[unique]
        there = width > 0
        least, most = (
            np.where(there, np.minimum(least, low), least),
            np.where(there, np.maximum(most, low + width - 1), most),
        )
        needed = most - least + 1
        margin = np.minimum(needed // 8 + _LEAST_MARGIN, (MAX_WIDTH - needed) // 2)
        fits = needed <= MAX_WIDTH
        around = np.where(there, low + width // 2, middle[at_first])
        new_low = np.where(fits, least - margin, around - MAX_WIDTH // 2)
        new_width = np.where(fits, needed + 2 * margin, MAX_WIDTH)
        moved = fits | (width < MAX_WIDTH)
        self._move(
            unique[moved], new_low[moved], new_width[moved], np.zeros(int(np.count_nonzero(moved)), dtype=np.int64)
        )
        return unique

    def _move(self, sides: Int64Array, low: Int64Array, width: Int64Array, down: Int64Array) -> None:
        """Give sides new windows, after going down in scale; what they held must have a place there."""
        self._reserve(int(width.sum()))
        base = self._top + width.cumsum() - width
        owner, indexes, counts = self._held(sides)
        np.add.at(self._cells, base[owner] + (indexes >> down[owner]) - low[owner], counts)
        self._garbage += int(self._width[sides].sum())
        self._top += int(width.sum())
        self._low[sides], self._width[sides], self._base[sides] = low, width, base

    def coarsen(self, sides: Int64Array, scales: Int64Array) -> None:
        """Let sides go down to scales, exactly: neighbours join."""
        there = self._width[sides] > 0
        windows, down = sides[there], (self.scales[sides] - scales)[there]
        low = self._low[windows] >> down
        width = (self._low[windows] + self._width[windows] - 1 >> down) - low + 1
        self._move(windows, low, width, down)
        self.scales[sides] = scales

    def _reserve(self, more: int) -> None:
        """Make place for more cells at the top."""
        if self._top + more <= len(self._cells):
            return
        live = self._top - self._garbage
        if self._garbage > live:
            self._collect(more)
            return
        cells = np.zeros(max(self._top + more, len(self._cells) * 3 // 2), dtype=np.int64)
        cells[: self._top] = self._cells[: self._top]
        self._cells = cells

    def _collect(self, more: int) -> None:
        """Put the windows together, without what they have left behind, and make place for more cells."""
        cells = np.zeros((self._top - self._garbage + more) * 5 // 4, dtype=np.int64)
        top = 0
        windows = np.flatnonzero(self._width)
        for start in range(0, len(windows), _MOVED):
            sides = windows[start : start + _MOVED]
            held = self._cells[ranges(self._base[sides], self._width[sides])]
            cells[top : top + len(held)] = held
            self._base[sides] = top + self._width[sides].cumsum() - self._width[sides]
            top += len(held)
        self._cells, self._top, self._garbage = cells, top, 0

    def _put_beside(self, sides: Int64Array, indexes: Int64Array, counts: Int64Array) -> None:
        self._beside.append(_Beside(sides, self.scales[sides], indexes, counts))
        self._beside_size += len(sides)
        if self._beside_size > self._limit:
            self._put_together()
            self._limit = max(_BESIDE, 2 * self._beside_size)

    def _put_together(self) -> _Beside:
        """Add up what is beside, at the scales that the sides have now; return it in the order of sides."""
        sides, scales, indexes, counts = map(np.concatenate, zip(*self._beside, strict=True))
        indexes = indexes >> (scales - self.scales[sides])
        keys = (sides << _INDEX_BITS) + indexes + (1 << (_INDEX_BITS - 1))
        keys, places = np.unique(keys, return_inverse=True)
        together = np.zeros(len(keys), dtype=np.int64)
        np.add.at(together, places, counts)
        sides = keys >> _INDEX_BITS
        indexes = (keys & ((1 << _INDEX_BITS) - 1)) - (1 << (_INDEX_BITS - 1))
        found = _Beside(sides, self.scales[sides], indexes, together)
        self._beside, self._beside_size = [found], len(sides)
        return found

    def in_windows(self, sides: Int64Array) -> Occupied:
        """Return the occupied buckets in the windows of sides."""
        owner, indexes, counts = self._held(sides)
        return _parted(owner, indexes, counts, len(sides))

    def occupied(self, sides: Int64Array) -> Occupied:
        """Return all occupied buckets of sides, whose numbers ascend."""
        owner, indexes, counts = self._held(sides)
        if self._beside:
            beside = self._put_together()
            places = np.searchsorted(sides, beside.sides).clip(max=len(sides) - 1)
            ours = sides[places] == beside.sides
            owner = np.concatenate((owner, places[ours]))
            indexes = np.concatenate((indexes, beside.indexes[ours]))
            counts = np.concatenate((counts, beside.counts[ours]))
            order = np.lexsort((indexes, owner))
            owner, indexes, counts = owner[order], indexes[order], counts[order]
            starts = np.flatnonzero((np.diff(owner, prepend=-1) != 0) | (np.diff(indexes, prepend=0) != 0))
            if len(starts):
                owner, indexes, counts = owner[starts], indexes[starts], np.add.reduceat(counts, starts)
        return _parted(owner, indexes, counts, len(sides))

    def _held(self, sides: Int64Array) -> tuple[Int64Array, Int64Array, Int64Array]:
        """Return the occupied buckets in windows: whose they are, their indexes and counts."""
        cells = ranges(self._base[sides], self._width[sides])
        held = self._cells[cells]
        occupied = held.nonzero()[0]
        owner = np.repeat(np.arange(len(sides)), self._width[sides])[occupied]
        return owner, cells[occupied] + (self._low - self._base)[sides][owner], held[occupied]


def _parted(owner: Int64Array, indexes: Int64Array, counts: Int64Array, sides: int) -> Occupied:
    ends = np.searchsorted(owner, np.arange(sides), side="right")
    return Occupied(indexes, counts, np.append(0, ends[:-1]), ends)
