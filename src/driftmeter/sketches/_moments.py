"""Moments of some columns: missing values, zeros, infinities, sum, least and greatest value."""

from __future__ import annotations

import math

import numpy as np

from driftmeter.sketches._numeric import NumericSketch
from driftmeter.sketches._stack import Stack
from driftmeter.typing import BoolArray, Float64Array, Int64Array


class Moments:
    """Sums up the moments of some columns; each array has an element a column."""

    def __init__(self, columns: int) -> None:
        self.missing: Int64Array = np.zeros(columns, dtype=np.int64)
        self._zeros: Int64Array = np.zeros(columns, dtype=np.int64)
        self._infinite: Int64Array = np.zeros(columns, dtype=np.int64)
        self._sum: Float64Array = np.zeros(columns)
        self._min: Float64Array = np.full(columns, math.inf)
        self._max: Float64Array = np.full(columns, -math.inf)

    def add_extremes(self, values: Float64Array) -> None:
        """Add the extremes of values of shape (columns, m); NaN are left out."""
        np.fmin(self._min, np.fmin.reduce(values, axis=1), out=self._min)
        np.fmax(self._max, np.fmax.reduce(values, axis=1), out=self._max)

    def add_sum(self, values: Float64Array) -> None:
        """Add the sum of values of shape (columns, m)."""
        self._sum += np.add.reduce(values, axis=1)

    def add_zeros(self, zeros: BoolArray) -> None:
        """Count flags of shape (columns, m), each of which was counted as missing too."""
        counts = [np.count_nonzero(row) for row in zeros]  # many times as fast as along an axis
        self._zeros += counts
        self.missing -= counts

    def add_extremes_at(self, columns: Int64Array, values: Float64Array) -> None:
        """Add the extremes of values, infinities left out, and the column of each, of shape (n,)."""
        finite = np.isfinite(values)
        np.minimum.at(self._min, columns[finite], values[finite])
        np.maximum.at(self._max, columns[finite], values[finite])

    def add_apart(
        self, values: Float64Array, columns: Int64Array, counts: Int64Array | None
    ) -> tuple[Float64Array, Int64Array, Int64Array | None]:
        """Add all but the extremes of values of shape (n,); return those that buckets hold.

        Args:
            values: The values.
            columns: The column of each.
            counts: How often each is there; once if None.
        """
        finite, zero = np.isfinite(values), values == 0
        for total, which in ((self.missing, np.isnan(values)), (self._infinite, np.isinf(values)), (self._zeros, zero)):
            if which.any():
                times = None if counts is None else counts[which]
                np.add(total, count_by_column(columns[which], times, number=len(total)), out=total)
        kept = finite & ~zero
        if not kept.all():
            values, columns, counts = values[kept], columns[kept], None if counts is None else counts[kept]
        with np.errstate(invalid="ignore", over="ignore"):
            weights = values if counts is None else values * counts
            self._sum += np.bincount(columns, weights=weights, minlength=len(self._sum))
        return values, columns, counts

    def sketches(self, stack: Stack) -> list[NumericSketch]:
        """Return the sketches of the columns, with these buckets."""
        return [
            NumericSketch(
                scale=scale,
                positive=positive,
                negative=negative,
                zero_count=zeros,
                sum=total,
                min=least if least != math.inf else math.nan,
                max=greatest if greatest != -math.inf else math.nan,
                missing=missing,
                non_finite=infinite,
            )
            for scale, (positive, negative), zeros, total, least, greatest, missing, infinite in zip(
                stack.scales.tolist(),
                stack.buckets(),
                self._zeros.tolist(),
                self._sum.tolist(),
                self._min.tolist(),
                self._max.tolist(),
                self.missing.tolist(),
                self._infinite.tolist(),
                strict=True,
            )
        ]


def count_by_column(columns: Int64Array, counts: Int64Array | None, *, number: int) -> Int64Array:
    """Return for each of a number of columns how often it is there, each time as often as the counts say."""
    if counts is None:
        return np.bincount(columns, minlength=number)
    total = np.zeros(number, dtype=np.int64)
    np.add.at(total, columns, counts)
    return total
