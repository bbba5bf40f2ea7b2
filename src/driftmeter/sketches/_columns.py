"""A group of numeric columns that share one table: their sketches while they grow."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from driftmeter.sketches._cells import UInt64Array
from driftmeter.sketches._moments import Moments, count_by_column
from driftmeter.sketches._numeric import NumericSketch
from driftmeter.sketches._stack import Stack, empty_stack, merge_stacks, places, stack_places, stack_values
from driftmeter.sketches._table import MOST_ROWS, CellTable
from driftmeter.sketches._windows import windows_around
from driftmeter.sketches._work_space import WorkSpace
from driftmeter.typing import AnyArray, BoolArray, Float64Array, Int64Array

PIECE: Final = 40_960
"""Values of a piece, at most: 320 kB, so that it, the scratch arrays and the table stay in the second-level cache."""

_SLAB: Final = 512
"""Rows turned at once: their cache lines are read for the first column and are still there for the last."""

_FIRST_ROWS: Final = 1024
_MANY: Final = 16
_MOST: Final = 8

_HASH_BITS: Final = 10
_HASH_SHIFT: Final = np.uint64(64 - _HASH_BITS)
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
"""2**64 over the golden ratio: the high bits of a product with it depend on all bits (Knuth, TAOCP 3, 6.4)."""

_MAX_SHAPES: Final = 8
_MAX_STRAYS: Final = 1 << 13
_PATIENCE: Final = 1 << 13
"""Strays until windows are opened anew, at first; twice as many each further time."""

_ROWS_TO_REOPEN: Final = 1 << 14
_REOPENING: Final = 4
"""Windows are opened anew after so many rows and again after so many times as many: more rows need coarser scales, and
windows at those are narrower."""


class _Views(NamedTuple):
    """Work space in the shape of a piece, (columns, rows)."""

    values: Float64Array
    integers: UInt64Array
    outside: BoolArray
    flags: BoolArray


class _Scratch:
    """Work space, which all groups of columns share, taking turns."""

    def __init__(self) -> None:
        self._values = np.empty(PIECE, dtype=np.float64)
        self._integers = np.empty((2, PIECE), dtype=np.uint64)
        self._flags = np.empty((2, PIECE), dtype=np.bool_)
        self._views: dict[tuple[int, int], _Views] = {}

    def views(self, columns: int, rows: int) -> _Views:
        """Return work space of a shape; the last few shapes are kept, since pieces mostly have the same."""
        shape = columns, rows
        known = self._views.get(shape)
        if known is None:
            if len(self._views) >= _MAX_SHAPES:
                self._views.clear()
            size = columns * rows
            known = self._views[shape] = _Views(
                self._values[:size].reshape(shape),
                self._integers[:, :size].reshape(2, *shape),
                *self._flags[:, :size].reshape(2, *shape),
            )
        return known


_scratch: Final = WorkSpace(_Scratch)


class ColumnGroup:
    """Sketches at most 31 columns: ``columns`` of a block; see `_block` for how."""

    def __init__(self, columns: slice, *, max_buckets: int) -> None:
        self.columns = columns
        self._width = columns.stop - columns.start
        self._max_buckets = max_buckets
        self._reset()

    def _reset(self) -> None:
        self._first: list[tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]]] = []
        self._rows = 0
        self._settled = empty_stack(self._width)
        self._table: CellTable | None = None
        self._moments = Moments(self._width)
        self._strays: list[tuple[npt.NDArray[np.uint8], Float64Array, Int64Array | None]] = []
        self._strays_waiting = 0
        self._strays_since_open = 0
        self._patience = _PATIENCE
        self._rows_since_open = 0
        self._rows_to_reopen = _ROWS_TO_REOPEN

    def add(self, block: AnyArray) -> None:
        """Add rows of shape (n, width), n * width at most `PIECE`."""
        if self._table is None:
            start = _FIRST_ROWS - self._rows
            self._keep_first(np.array(block[:start], dtype=np.float64))
            self._rows += min(start, len(block))
            if self._rows < _FIRST_ROWS:
                return
            self._table = self._reopened()
            block = block[start:]
        if self._rows + len(block) > MOST_ROWS:
            self._settle()
        if len(block):
            self._count(block, self._table)
            self._rows += len(block)
            self._rows_since_open += len(block)
        if self._strays_waiting > _MAX_STRAYS:
            self._settled = self._merged([])
        if self._strays_since_open > self._patience or self._rows_since_open > self._rows_to_reopen:
            self._patience *= 2
            self._rows_to_reopen *= _REOPENING
            self._table = self._reopened()

    def _keep_first(self, rows: Float64Array) -> None:
        """Keep rows of before there are windows: each value's column and place, in five bytes."""
        self._moments.add_extremes(np.where(np.isfinite(rows), rows, math.nan).T)
        values, columns, _ = self._moments.add_apart(rows.reshape(-1), np.arange(rows.size) % self._width, None)
        self._first.append((columns.astype(np.uint8), places(values)))

    def take(self) -> list[NumericSketch]:
        """Return the sketches, one a column, and start anew."""
        self._settle()
        taken = self._moments.sketches(self._settled)
        self._reset()
        return taken

    def _count(self, rows: AnyArray, table: CellTable) -> None:
        """Count rows: turned, so that the table of one column at a time stays in the first-level cache."""
        with _scratch.lent() as scratch:
            self._count_within(scratch.views(self._width, len(rows)), rows, table)

    def _count_within(self, views: _Views, rows: AnyArray, table: CellTable) -> None:
        values, integers, outside, flags = views
        for start in range(0, len(rows), _SLAB):
            slab = rows[start : start + _SLAB]
            np.copyto(values[:, start : start + len(slab)], slab.T, casting="unsafe")
        table.add(values.view(np.uint64), scratch=integers, outside=outside)
        many = outside.size // _MANY
        apart = np.count_nonzero(outside)
        if apart > many:
            np.equal(values, 0.0, out=flags)
            self._moments.add_zeros(flags)
            np.greater(outside, flags, out=outside)  # of flags, a > b is "a and not b"
            apart = np.count_nonzero(outside)
        if apart > many:
            self._tally_repeated(values, outside)
        if apart <= outside.size // _MOST:
            places = self._set_aside(values, outside)
            self._moments.add_extremes(values)
            values.reshape(-1)[places] = 0.0
        else:
            np.equal(values, values, out=flags)  # not NaN
            np.logical_and(outside, flags, out=flags)
            self._set_aside(values, flags)
            self._moments.add_extremes(values)
            values = np.where(outside, 0.0, values)  # at places costs more where there are many
        self._moments.add_sum(values)

    def _tally_repeated(self, values: Float64Array, outside: BoolArray) -> None:
        """Set the marked values of a few numbers that come again and again aside by number, and make them NaN.

        Such are counts and years: few numbers, so at a scale so fine that a window is too narrow for all of them. Each
        is thrown into one of its column's places by its bits; the last one stays there, and those equal to it count::

            7 8 7 9 9 7     places of one column    7: 3    9: 2        (8 met 9 in its place: it is left to the strays)
        """
        places = outside.reshape(-1).nonzero()[0]
        flat = values.reshape(-1)
        thrown = flat[places]
        at = (thrown.view(np.uint64) * _GOLDEN >> _HASH_SHIFT).view(np.int64)
        at += places // values.shape[1] << _HASH_BITS
        last = np.empty(self._width << _HASH_BITS)
        last[at] = thrown
        equal = last[at] == thrown  # which NaN is not
        counts = np.bincount(at[equal], minlength=len(last))
        used = counts.nonzero()[0]
        if len(used) > len(thrown) // _MANY:
            return
        columns = used >> _HASH_BITS
        self._moments.add_extremes_at(columns, last[used])
        self._strays.append((columns.astype(np.uint8), last[used], counts[used]))
        self._strays_waiting += len(used)
        flat[places[equal]] = math.nan

    def _set_aside(self, values: Float64Array, outside: BoolArray) -> Int64Array:
        """Copy the marked values, but for NaN, to the strays, and make infinities NaN; return the marked places."""
        places = outside.reshape(-1).nonzero()[0]  # numpy is slow at finding places in two dimensions
        flat = values.reshape(-1)
        strays = flat[places]
        present = strays == strays  # noqa: PLR0124  # not NaN
        strays = strays[present]
        if len(strays):
            at = places[present]
            self._strays.append(((at // values.shape[1]).astype(np.uint8), strays, None))
            self._strays_waiting += len(strays)
            self._strays_since_open += len(strays)
            if (infinite := np.isinf(strays)).any():
                flat[at[infinite]] = math.nan
        return places

    def _reopened(self) -> CellTable:
        """Return a table with windows around all that was seen; the sketches settle on the scales they need."""
        self._settle()
        self._strays_since_open = self._rows_since_open = 0
        table = CellTable(windows_around(self._settled), signed=self._settled.has_negative)
        self._settled = table.absorb(self._settled)
        return table

    def _settle(self) -> None:
        """Move everything into the settled buckets."""
        more: list[Stack] = []
        if self._first:
            columns, at = (np.concatenate(parts) for parts in zip(*self._first, strict=True))
            self._first = []
            more.append(stack_places(at, columns, columns=self._width).compacted(self._max_buckets))
        if self._table is not None:
            counted, outside = self._table.take()
            more.append(counted)
            self._moments.missing += outside
        self._settled = self._merged(more)
        self._rows = 0

    def _merged(self, more: list[Stack]) -> Stack:
        """Return the settled buckets with more of them and the strays."""
        if self._strays:
            columns = np.concatenate([at for at, _, _ in self._strays]).astype(np.int64)
            values = np.concatenate([strays for _, strays, _ in self._strays])
            counts = None
            if any(times is not None for *_, times in self._strays):
                counts = np.concatenate(
                    [np.ones(len(at), dtype=np.int64) if times is None else times for at, _, times in self._strays]
                )
            self._strays, self._strays_waiting = [], 0
            self._moments.missing -= count_by_column(columns, counts, number=self._width)
            more.append(self._stacked(values, columns, counts))
        return merge_stacks([self._settled, *more]).compacted(self._max_buckets)

    def _stacked(self, values: Float64Array, columns: Int64Array, counts: Int64Array | None = None) -> Stack:
        values, columns, counts = self._moments.add_apart(values, columns, counts)
        return stack_values(values, columns, counts, columns=self._width).compacted(self._max_buckets)
