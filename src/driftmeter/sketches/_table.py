"""One flat table of counts for the windows of several columns, filled by a whole block at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from driftmeter.sketches._cells import GUARDED, UInt64Array, cell_tables
from driftmeter.sketches._stack import INDEX, NEGATIVE, Stack, first_keys
from driftmeter.sketches._windows import Window
from driftmeter.typing import BoolArray, Int64Array

MAX_COLUMNS: Final = 31
"""Columns of one table: 31 * 2050 slots are below 2**16, and so a slot shifted by up to 48 bits fits in 64."""

_EXTRA_SLOTS: Final = 2
"""Slots of a column after its window's cells: one that the last cell carries to, and one for what is outside."""

MOST_ROWS: Final = 1 << 31
"""What a table that was just opened or emptied can take, with counts of 32 bits."""

_SIGN_BIT: Final = np.uint64(63)
_MAGNITUDE: Final = np.uint64((1 << 63) - 1)
_ONE: Final = np.uint32(1)


class CellTable:
    """Counts of the slots of each column's window.

    ``signed`` tables have a second half for negative values. Memory: 8 bytes a slot, 4 for each of its counts, and 2 a
    bucket.
    """

    def __init__(self, windows: Sequence[Window], *, signed: bool) -> None:
        self._signed = signed
        self._scales = np.array([window.scale for window in windows], dtype=np.int64)
        self._carries, first_slots, first_indexes, self._buckets = cell_tables(windows)
        self._first_keys = first_keys(self._scales, first_indexes)
        widths = np.array([window.width for window in windows], dtype=np.int64)
        ends = np.cumsum(widths + _EXTRA_SLOTS)
        offsets = ends - widths - _EXTRA_SLOTS
        # The slots in order: where each bucket begins and, after a column's buckets, the slot for what is outside.
        starts = np.insert(first_slots + np.repeat(offsets, self._buckets), np.cumsum(self._buckets), ends - 1)
        self._starts = starts.astype(np.uint16)
        self._shift = _column([window.shift for window in windows])
        self._base = _column([window.base for window in windows])
        self._limit = _column(widths) << self._shift
        self._start = _column(offsets) << self._shift
        self._outside = _column(ends - 1)
        self._low_bits = (np.uint64(1) << self._shift.min()) - np.uint64(1)
        self._half = np.uint64(ends[-1])
        self._counts = np.zeros((1 + signed) * int(ends[-1]), dtype=np.uint32)

    def add(self, bits: UInt64Array, *, scratch: UInt64Array, outside: BoolArray) -> None:
        """Count the values inside the windows; mark the others.

        Args:
            bits: Float64 values as integers, shape (columns, m).
            scratch: Work space of shape (2, columns, m).
            outside: Of the shape of ``bits``. Is set to which values were not counted in a bucket: NaN, infinities,
                zeros, values beside a boundary or outside their column's window.
        """
        x, slots = scratch
        if self._signed:
            np.bitwise_and(bits, _MAGNITUDE, out=x)
            np.subtract(x, self._base, out=x)
        else:
            np.subtract(bits, self._base, out=x)
        # What is below the window wraps round to a huge number, as negative values and NaN are. All that goes to the
        # beginning of the cell after the window, which none inside reaches before it is carried.
        np.minimum(x, self._limit, out=x)
        np.equal(x, self._limit, out=outside)
        # Each column's cells begin at its offset in the table: bits of the form |  slot  | within the cell |.
        np.add(x, self._start, out=x)
        np.right_shift(x, self._shift, out=slots)
        # One number is read before its place is written, so that index and result may be one array.
        np.take(self._carries, slots.view(np.int64), out=slots, mode="wrap")
        np.add(x, slots, out=x)
        # The least shift's bits are too few for other columns: this may suspect one more value, never one less.
        np.bitwise_and(x, self._low_bits, out=slots)
        guarded = slots < GUARDED if int(slots.min()) < GUARDED else None
        np.right_shift(x, self._shift, out=slots)
        if guarded is not None:
            np.copyto(slots, self._outside, where=guarded)
            np.logical_or(outside, guarded, out=outside)
        if self._signed:
            np.right_shift(bits, _SIGN_BIT, out=x)
            np.multiply(x, self._half, out=x)
            np.add(slots, x, out=slots)
        np.add.at(self._counts, slots.view(np.int64).reshape(-1), _ONE)

    def absorb(self, stack: Stack) -> Stack:
        """Count the buckets that lie inside the windows, at their scales; return the others."""
        columns = stack.columns()
        place = (stack.keys - self._first_keys[columns]) & INDEX
        inside = (place < self._buckets[columns]) & (stack.scales == self._scales)[columns]
        inside &= stack.counts < MOST_ROWS
        negative = stack.keys & NEGATIVE != 0
        if not self._signed:
            inside &= ~negative
        first = np.cumsum(self._buckets + 1) - self._buckets - 1
        slots = self._starts[(first[columns] + place)[inside]] + negative[inside] * np.int64(self._half)
        self._counts[slots] += stack.counts[inside].astype(np.uint32)
        return Stack(stack.scales, stack.keys[~inside], stack.counts[~inside])

    def take(self) -> tuple[Stack, Int64Array]:
        """Return the counts of the buckets, and those of what was outside by column, and set them to 0."""
        halves = self._counts.reshape(1 + self._signed, -1)
        counts = np.add.reduceat(halves, self._starts.astype(np.intp), axis=1, dtype=np.int64)
        halves[:] = 0
        ends = np.cumsum(self._buckets + 1)
        outside = counts[:, ends - 1].sum(axis=0)
        counts[:, ends - 1] = 0
        keys = np.arange(ends[-1]) + np.repeat(self._first_keys - ends + self._buckets + 1, self._buckets + 1)
        sign, place = counts.nonzero()
        return Stack(self._scales, keys[place] + sign * NEGATIVE, counts[sign, place]), outside


def _column(values: Sequence[int] | Int64Array) -> UInt64Array:
    return np.array(values, dtype=np.uint64)[:, np.newaxis]
