"""A group of numeric columns that share one table: their sketches while they grow."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from driftmeter.sketches._cells import window_around
from driftmeter.sketches._moments import Moments, count_flags, padded
from driftmeter.sketches._numeric import NumericSketch
from driftmeter.sketches._table import CellTable
from driftmeter.typing import AnyArray, Float64Array, Int64Array

PIECE: Final = 40_960
"""Values of a piece, at most: 320 kB, so that it, the scratch arrays and the table stay in the second-level cache."""

_FIRST_ROWS: Final = 1024
_MANY: Final = 32
_MAX_STRAYS: Final = 1 << 15
_PATIENCE: Final = 1 << 13


class Scratch:
    """Work space that groups of columns share, taking turns."""

    def __init__(self) -> None:
        self.values = np.empty(PIECE, dtype=np.float64)
        self.integers = np.empty((2, PIECE), dtype=np.uint64)
        self.flags = np.empty((3, PIECE), dtype=np.bool_)


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
        self._settled = [NumericSketch() for _ in range(self._width)]
        self._table: CellTable | None = None
        self._moments = Moments(self._width)
        self._strays: list[tuple[Int64Array, Float64Array]] = []
        self._strays_waiting = 0
        self._strays_since_open = 0
        self._patience = _PATIENCE

    def add(self, block: AnyArray) -> None:
        """Add rows of shape (n, width), n * width at most `PIECE`."""
        if self._table is None:
            start = _FIRST_ROWS - sum(map(len, self._first))
            self._first.append(np.array(block[:start], dtype=np.float64))
            if len(block) < start:
                return
            self._table = self._reopened()
            block = block[start:]
        if len(block):
            self._count(self._filled(block), self._table)
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

    def _filled(self, rows: AnyArray) -> Float64Array:
        """Return the rows as float64 of shape (width, m): filled up with missing values, which are taken off again.

        Column by column the table of one stays in the first-level cache, and its parameters are scalars.
        """
        values = self._scratch.values[: self._width * padded(len(rows))].reshape(self._width, -1)
        np.copyto(values[:, : len(rows)], rows.T, casting="unsafe")
        values[:, len(rows) :] = math.nan
        self._moments.missing -= values.shape[1] - len(rows)
        return values

    def _count(self, values: Float64Array, table: CellTable) -> None:
        scratch, size = self._scratch, values.size
        missing, zeros, outside = scratch.flags[:, :size].reshape(3, *values.shape)
        np.isnan(values, out=missing)
        self._moments.missing += count_flags(missing)
        table.add(values.view(np.uint64), scratch=scratch.integers[:, :size].reshape(2, *values.shape), outside=outside)
        np.greater(outside, missing, out=outside)  # of flags, a > b is "a and not b"
        apart = np.count_nonzero(outside)
        if apart > size // _MANY:
            np.equal(values, 0.0, out=zeros)
            self._moments.zeros += count_flags(zeros)
            np.greater(outside, zeros, out=outside)
        if apart:
            strays = np.flatnonzero(outside)
            self._set_aside(values.reshape(-1), strays, rows=values.shape[1])
            np.logical_or(missing, outside, out=missing)
        self._moments.add(values, left_out=missing)

    def _set_aside(self, values: Float64Array, strays: Int64Array, *, rows: int) -> None:
        self._strays.append((strays // rows, values[strays]))
        self._strays_waiting += len(strays)
        self._strays_since_open += len(strays)
        values[strays] = math.nan

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
