"""A group of numeric columns that share one table: their sketches while they grow."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from driftmeter.sketches._cells import UInt64Array, window_around
from driftmeter.sketches._moments import Moments, padded
from driftmeter.sketches._numeric import NumericSketch
from driftmeter.sketches._table import CellTable
from driftmeter.typing import AnyArray, BoolArray, Float64Array

PIECE: Final = 40_960
"""Values of a piece, at most: 320 kB, so that it, the scratch arrays and the table stay in the second-level cache."""

_SLAB: Final = 512
"""Rows turned at once: their cache lines are read for the first column and are still there for the last."""

_FIRST_ROWS: Final = 1024
_MOST_ROWS: Final = 1 << 31
"""Rows until a table's counts, 32 bits each, are moved out of it."""

_MANY: Final = 32
_MAX_SHAPES: Final = 8
_MAX_STRAYS: Final = 1 << 15
_PATIENCE: Final = 1 << 13


class _Views(NamedTuple):
    """Work space in the shape of a piece, (columns, rows)."""

    values: Float64Array
    integers: UInt64Array
    missing: BoolArray
    zeros: BoolArray
    outside: BoolArray


class Scratch:
    """Work space that groups of columns share, taking turns."""

    def __init__(self) -> None:
        self._values = np.empty(PIECE, dtype=np.float64)
        self._integers = np.empty((2, PIECE), dtype=np.uint64)
        self._flags = np.empty((3, PIECE), dtype=np.bool_)
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
                *self._flags[:, :size].reshape(3, *shape),
            )
        return known


class ColumnGroup:
    """Sketches at most 31 columns: ``columns`` of a block; see `_block` for how."""

    def __init__(self, columns: slice, *, max_buckets: int, scratch: Scratch) -> None:
        self.columns = columns
        self._width = columns.stop - columns.start
        self._max_buckets = max_buckets
        self._scratch = scratch
        self._reset()

    def _reset(self) -> None:
        self._first: list[Float64Array] = []
        self._rows = 0
        self._settled = [NumericSketch() for _ in range(self._width)]
        self._table: CellTable | None = None
        self._moments = Moments(self._width)
        self._strays: list[tuple[npt.NDArray[np.uint8], Float64Array]] = []
        self._strays_waiting = 0
        self._strays_since_open = 0
        self._patience = _PATIENCE

    def add(self, block: AnyArray) -> None:
        """Add rows of shape (n, width), n * width at most `PIECE`."""
        if self._table is None:
            start = _FIRST_ROWS - self._rows
            self._first.append(np.array(block[:start], dtype=np.float64))
            self._rows += len(self._first[-1])
            if self._rows < _FIRST_ROWS:
                return
            self._table = self._reopened()
            block = block[start:]
        if self._rows + len(block) > _MOST_ROWS:
            self._settle()
        if len(block):
            self._count(block, self._table)
            self._rows += len(block)
        if self._strays_waiting > _MAX_STRAYS:
            self._settle_strays()
            if self._strays_since_open > self._patience:
                self._patience *= 2
                self._table = self._reopened()

    def take(self) -> list[NumericSketch]:
        """Return the sketches, one a column, and start anew."""
        self._settle()
        taken = self._moments.added_to(self._settled)
        self._reset()
        return taken

    def _count(self, rows: AnyArray, table: CellTable) -> None:
        """Count rows: turned, so that the table of one column at a time stays in the first-level cache."""
        size = padded(len(rows))
        values, integers, missing, zeros, outside = self._scratch.views(self._width, size)
        for start in range(0, len(rows), _SLAB):
            slab = rows[start : start + _SLAB]
            np.copyto(values[:, start : start + len(slab)], slab.T, casting="unsafe")
        if size > len(rows):  # filled up with missing values, which are taken off again
            values[:, len(rows) :] = math.nan
        np.isnan(values, out=missing)
        self._moments.add_missing(missing, padding=size - len(rows))
        table.add(values.view(np.uint64), scratch=integers, outside=outside)
        np.greater(outside, missing, out=outside)  # of flags, a > b is "a and not b"
        apart = np.count_nonzero(outside)
        if apart > outside.size // _MANY:
            np.equal(values, 0.0, out=zeros)
            self._moments.add_zeros(zeros)
            np.greater(outside, zeros, out=outside)
        if apart:
            self._set_aside(values, outside)
            np.logical_or(missing, outside, out=missing)
        self._moments.add(values, left_out=missing)

    def _set_aside(self, values: Float64Array, outside: BoolArray) -> None:
        strays = outside.reshape(-1).nonzero()[0]  # numpy is slow at finding places in two dimensions
        flat = values.reshape(-1)
        self._strays.append(((strays // values.shape[1]).astype(np.uint8), flat[strays]))
        self._strays_waiting += len(strays)
        self._strays_since_open += len(strays)
        flat[strays] = math.nan

    def _reopened(self) -> CellTable:
        """Return a table with windows around all that was seen; the sketches settle on the scales they need."""
        self._settle()
        self._strays_since_open = 0
        magnitudes = [sketch.positive.merged(sketch.negative) for sketch in self._settled]
        return CellTable(
            [window_around(m, sketch.scale) for m, sketch in zip(magnitudes, self._settled, strict=True)],
            signed=any(len(sketch.negative) for sketch in self._settled),
        )

    def _settle(self) -> None:
        """Move everything into the settled sketches."""
        more: list[list[NumericSketch]] = [[] for _ in range(self._width)]
        if self._first:
            first = np.concatenate(self._first)
            self._first = []
            for i, sketches in enumerate(more):
                sketches.append(NumericSketch.from_values(first[:, i], max_buckets=self._max_buckets))
        if self._table is not None:
            for i, sketches in enumerate(more):
                scale, positive, negative = self._table.take(i)
                sketches.append(NumericSketch(scale=scale, positive=positive, negative=negative))
        self._rows = 0
        self._merge(more)

    def _settle_strays(self) -> None:
        self._merge([[] for _ in range(self._width)])

    def _merge(self, more: list[list[NumericSketch]]) -> None:
        for column, strays in self._take_strays():
            more[column].append(NumericSketch.from_values(strays, max_buckets=self._max_buckets))
        for column, sketches in enumerate(more):
            if sketches:
                settled = self._settled[column], *sketches
                self._settled[column] = NumericSketch.merge_all(settled, max_buckets=self._max_buckets)

    def _take_strays(self) -> Iterator[tuple[int, Float64Array]]:
        if not self._strays:
            return
        columns = np.concatenate([at for at, _ in self._strays])
        values = np.concatenate([strays for _, strays in self._strays])
        self._strays, self._strays_waiting = [], 0
        order = np.argsort(columns, kind="stable")
        ends = np.cumsum(np.bincount(columns, minlength=self._width))
        for column, strays in enumerate(np.split(values[order], ends[:-1])):
            if len(strays):
                yield column, strays
