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
        self.missing: Int64Array = np.zeros(columns, dtype=np.int64)
        self.zeros: Int64Array = np.zeros(columns, dtype=np.int64)
        self._sum: Float64Array = np.zeros(columns)
        self._min: Float64Array = np.full(columns, np.nan)
        self._max: Float64Array = np.full(columns, np.nan)

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
        return [
            replace(
                sketch,
                zero_count=sketch.zero_count + int(self.zeros[i]),
                sum=sketch.sum + float(self._sum[i]),
                min=float(np.fmin(sketch.min, self._min[i])),
                max=float(np.fmax(sketch.max, self._max[i])),
                missing=sketch.missing + int(self.missing[i]),
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
    """Return how many flags of each row are set; the shape is (columns, m) with m from `padded`.

    A flag is a byte of 0 or 1. Eight of them are read as one integer, and adding up to 255 such integers counts in
    all eight bytes at once, without one flowing over into the next (little endian)::

        01 00 01 00 00 00 00 01   +   01 01 00 00 00 00 00 00   =   02 01 01 00 00 00 00 01,   together 5
    """
    columns, rows = flags.shape
    words = min(rows // _FLAGS_PER_WORD, _WORDS)
    sums = np.add.reduce(flags.view(np.uint64).reshape(columns, -1, words), axis=2)
    counts: Int64Array = sums.view(np.uint8).reshape(columns, -1).sum(axis=1, dtype=np.int64)
    return counts
