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

    def add_apart(self, values: Float64Array, columns: Int64Array) -> tuple[Float64Array, Int64Array]:
        """Add all but the extremes of values of shape (n,); return those that buckets hold, and their columns.

        Args:
            values: The values.
            columns: The column of each.
        """
        number = len(self._sum)
        finite = np.isfinite(values)
        if not finite.all():
            missing = np.isnan(values)
            self.missing += np.bincount(columns[missing], minlength=number)
            self._infinite += np.bincount(columns[~(finite | missing)], minlength=number)
            values, columns = values[finite], columns[finite]
        with np.errstate(invalid="ignore", over="ignore"):
            self._sum += np.bincount(columns, weights=values, minlength=number)
        zero = values == 0
        self._zeros += np.bincount(columns[zero], minlength=number)
        return values[~zero], columns[~zero]

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
