"""One flat table of counts for the windows of several columns, filled by a whole block at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from driftmeter.sketches._buckets import Buckets, empty
from driftmeter.sketches._cells import GUARDED, UInt64Array, Window, cell_tables
from driftmeter.typing import BoolArray, Int64Array

MAX_COLUMNS: Final = 31
"""Columns of one table: 31 * 2050 slots are below 2**16, and so a slot shifted by up to 48 bits fits in 64."""

_EXTRA_SLOTS: Final = 2
"""Slots of a column after its window's cells: one that the last cell carries to, and one for what is outside."""

_SIGN_BIT: Final = 63
_MAGNITUDE: Final = np.uint64((1 << _SIGN_BIT) - 1)


class CellTable:
    """Counts of the slots of each column's window.

    ``signed`` tables have a second half for negative values.
    """

    def __init__(self, windows: Sequence[Window], *, signed: bool) -> None:
        self.signed = signed
        self._scales = [window.scale for window in windows]
        tables = [cell_tables(window) for window in windows]
        self._buckets = [(first_slots, indexes) for _, first_slots, indexes in tables]
        self._carries = np.concatenate([carries for carries, _, _ in tables])
        widths = np.array([window.width for window in windows], dtype=np.uint64)
        ends = np.cumsum(widths + np.uint64(_EXTRA_SLOTS))
        offsets = _column(ends - widths - np.uint64(_EXTRA_SLOTS))
        self._slots = [(int(end - width) - 2, int(end) - 1) for width, end in zip(widths, ends, strict=True)]
        self._shift = _column([window.shift for window in windows])
        self._base = _column([window.base for window in windows])
        self._limit = (_column(widths) << self._shift) + (np.uint64(1) << (self._shift - np.uint64(1)))
        self._start = offsets << self._shift
        self._outside = _column(ends - np.uint64(1))
        self._low_bits = (np.uint64(1) << self._shift.min()) - np.uint64(1)
        self._half = ends[-1]
        self._counts = np.zeros((1 + signed) * int(self._half), dtype=np.uint32)

    def add(self, bits: UInt64Array, *, scratch: UInt64Array, outside: BoolArray) -> None:
        """Count the values inside the windows; mark the others.

        Args:
            bits: Float64 values as integers, shape (columns, m).
            scratch: Work space of shape (2, columns, m).
            outside: Of the shape of ``bits``. Is set to which values were not counted: NaN, infinities, zeros,
                values beside a boundary or outside their column's window.
        """
        x, slots = scratch
        if self.signed:
            np.bitwise_and(bits, _MAGNITUDE, out=x)
            np.subtract(x, self._base, out=x)
        else:
            np.subtract(bits, self._base, out=x)
        # What is below the window wraps round to a huge number, as negative values and NaN are. All that goes to the
        # middle of the cell after the window. (A masked copy would be faster, but not where half of the values are 0.)
        np.minimum(x, self._limit, out=x)
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
        np.equal(slots, self._outside, out=outside)
        if self.signed:
            np.right_shift(bits, np.uint64(_SIGN_BIT), out=x)
            np.multiply(x, self._half, out=x)
            np.add(slots, x, out=slots)
        np.add.at(self._counts, slots.view(np.int64).reshape(-1), np.uint32(1))

    def take(self, column: int) -> tuple[int, Buckets, Buckets]:
        """Return the counts of one column, (scale, positive, negative), and set them to 0."""
        first_slots, indexes = self._buckets[column]
        start, end = self._slots[column]
        halves = self._counts.reshape(1 + self.signed, -1)
        counts = np.add.reduceat(halves[:, start:end], first_slots, axis=1, dtype=np.int64)
        halves[:, start:end] = 0
        positive, *negative = (_occupied(indexes, row) for row in counts)
        return self._scales[column], positive, negative[0] if negative else empty()


def _column(values: Sequence[int] | UInt64Array) -> UInt64Array:
    return np.array(values, dtype=np.uint64)[:, np.newaxis]


def _occupied(indexes: Int64Array, counts: Int64Array) -> Buckets:
    occupied = counts > 0
    return Buckets(indexes[occupied], counts[occupied])
