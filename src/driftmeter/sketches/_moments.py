"""Moments of a block of columns: missing values, zeros, sum, least and greatest value."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from driftmeter.sketches._numeric import NumericSketch
from driftmeter.typing import BoolArray, Float64Array, Int64Array

_MANY: Final = 16
_FLAGS_PER_WORD: Final = 8
_WORDS: Final = 255
COUNTED_ROWS: Final = _FLAGS_PER_WORD * _WORDS
"""Rows whose flags `count_flags` counts at once; see there."""


class Moments:
    """Sums up the moments of some columns."""

    def __init__(self, columns: int) -> None:
        self._missing: Int64Array = np.zeros((columns, _FLAGS_PER_WORD), dtype=np.int64)
        self._zeros: Int64Array = np.zeros((columns, _FLAGS_PER_WORD), dtype=np.int64)
        self._padding = 0
        self._sum: Float64Array = np.zeros(columns)
        self._min: Float64Array = np.full(columns, np.nan)
        self._max: Float64Array = np.full(columns, np.nan)

    def add_missing(self, flags: BoolArray, *, padding: int) -> None:
        """Count flags of shape (columns, m), less the rows of padding."""
        self._missing += count_flags(flags)
        self._padding += padding

    def add_zeros(self, flags: BoolArray) -> None:
        """Count flags of shape (columns, m)."""
        self._zeros += count_flags(flags)

    def add(self, values: Float64Array, *, left_out: BoolArray) -> None:
        """Add values of shape (columns, m); those left out must be NaN."""
        np.fmin(self._min, np.fmin.reduce(values, axis=1), out=self._min)
        np.fmax(self._max, np.fmax.reduce(values, axis=1), out=self._max)
        if np.count_nonzero(left_out) < left_out.size // _MANY:
            np.copyto(values, 0.0, where=left_out)  # in place: fast where little is copied, else slow
        else:
            values = np.where(left_out, 0.0, values)
        self._sum += np.add.reduce(values, axis=1)

    def added_to(self, sketches: list[NumericSketch]) -> list[NumericSketch]:
        """Return the sketches, one a column, with the moments added."""
        missing, zeros = self._missing.sum(axis=1) - self._padding, self._zeros.sum(axis=1)
        return [
            replace(
                sketch,
                zero_count=sketch.zero_count + int(zeros[i]),
                sum=sketch.sum + float(self._sum[i]),
                min=float(np.fmin(sketch.min, self._min[i])),
                max=float(np.fmax(sketch.max, self._max[i])),
                missing=sketch.missing + int(missing[i]),
            )
            for i, sketch in enumerate(sketches)
        ]


def padded(rows: int) -> int:
    """Return the least number of rows, from ``rows`` on, whose flags `count_flags` can count."""
    unit = _FLAGS_PER_WORD if rows <= COUNTED_ROWS else COUNTED_ROWS
    return -(-rows // unit) * unit


def whole_rows(most: int) -> int:
    """Return the greatest number of rows, up to ``most``, that needs no padding."""
    unit = _FLAGS_PER_WORD if most <= COUNTED_ROWS else COUNTED_ROWS
    return most // unit * unit


def count_flags(flags: BoolArray) -> Int64Array:
    """Return eight numbers a row, shape (columns, 8), that add up to how many of its flags are set.

    The flags' shape is (columns, m) with m from `padded`. A flag is a byte of 0 or 1. Eight of them are read as one
    integer, and adding up to 255 such integers counts in all eight bytes at once, without one flowing over::

        01 00 01 00 00 00 00 01   +   01 01 00 00 00 00 00 00   =   02 01 01 00 00 00 00 01
    """
    columns, rows = flags.shape
    words = flags.view(np.uint64)
    parts = words[:, np.newaxis] if rows <= COUNTED_ROWS else words.reshape(columns, -1, _WORDS)
    sums = np.add.reduce(parts, axis=2).view(np.uint8).reshape(columns, -1, _FLAGS_PER_WORD)
    counts: Int64Array = sums[:, 0].astype(np.int64) if sums.shape[1] == 1 else sums.sum(axis=1, dtype=np.int64)
    return counts
