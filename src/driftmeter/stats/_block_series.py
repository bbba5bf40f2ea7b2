"""Blocks of the baseline, and past windows behind them, as series whose spread is to be learned.

The blocks vary around their own mean. Past windows do too, but what the column did since the baseline ended may have
drifted, so they are cut into stretches of a dozen, and each varies around a straight line of its own::

    blocks of the baseline | past windows, oldest first
    b b b b b b b b b b    | w w w w w w w w w w w | w w w w w w - w w w w      -: left out, has no rows

What moves slowly does not show, a step shows only in the stretch that it falls into, and windows that count as drifted
are left out altogether.

Neighbours are alike where the column remembers longer than a window lasts. With a correlation of r from one to the
next, falling off geometrically, the mean of T of them varies as that of T / g independent ones,

    g(T, r) = (1 + r) / (1 - r) - 2 r (1 - r^T) / (T (1 - r)^2),

their spread around that mean is T - g instead of T - 1 times their variance, and is known as well as from
T / g(T, r^2) of them.

Source: Bartlett (1946), doi:10.2307/2983611; Priestley (1981), Spectral Analysis and Time Series, section 5.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.intp]

# Long enough that the mean costs little, short enough that a slow drift does not look like spread.
_STRETCH = 12

# Few blocks do not tell how alike neighbours are, and to take them for less alike than they are costs more than to
# take them for more: some of the correlation's standard error is added.
_CAUTION = 0.25

_MOST_CORRELATED = 0.8


@dataclass(frozen=True)
class BlockSeries:
    """Which blocks there are; T of the baseline and H past windows behind them, of d columns."""

    rows: FloatArray
    """Rows, 0 where a block does not count for a column, shape (T + H, d)."""

    blocks: int
    """T."""

    starts: IntArray
    """The first block of each stretch; the baseline is the first stretch."""

    @classmethod
    def of(cls, block_rows: FloatArray, history_rows: FloatArray | None = None) -> BlockSeries:
        """Lay out `block_rows` of shape (T, d) and `history_rows` of shape (H, d)."""
        blocks = len(block_rows)
        if history_rows is None or not len(history_rows):
            return cls(block_rows, blocks, np.zeros(min(blocks, 1), dtype=np.intp))
        past = len(history_rows)
        stretches = -(-past // _STRETCH)
        starts = blocks + (np.arange(stretches) * past) // stretches
        rows = np.concatenate([block_rows, history_rows])
        return cls(rows, blocks, np.append(np.zeros(min(blocks, 1)), starts).astype(np.intp))

    def baseline(self) -> BlockSeries:
        """The blocks without the past windows."""
        return BlockSeries(self.rows[: self.blocks], self.blocks, self.starts[: min(self.blocks, 1)])

    def history(self) -> BlockSeries:
        """The past windows without the blocks."""
        return BlockSeries(self.rows[self.blocks :], 0, self.starts[min(self.blocks, 1) :] - self.blocks)

    @property
    def seen(self) -> FloatArray:
        """How many blocks count for each column, shape (d,)."""
        seen: FloatArray = np.count_nonzero(self.rows, axis=0).astype(np.float64)
        return seen

    @property
    def degrees(self) -> FloatArray:
        """Blocks that count less the means and slopes that they vary around, shape (d,)."""
        counts = self._counts()
        degrees: FloatArray = (counts - (counts > 0) - self._sloped(counts)).sum(axis=0)
        return degrees

    def independent_degrees(self, correlation: FloatArray) -> FloatArray:
        """The sum of squared deviations in multiples of the variance: `degrees`, or fewer if neighbours are alike."""
        counts = self._counts()
        taken = np.where(counts > 0, blocks_per_independent_one(counts, correlation), 0.0)
        taken += np.where(self._sloped(counts), _taken_by_slope(counts, correlation), 0.0)
        degrees: FloatArray = np.maximum((counts - taken).sum(axis=0), 1.0)
        return degrees

    def spread_degrees(self, correlation: FloatArray) -> FloatArray:
        """Degrees of freedom of the spread's estimate, 1 or more, shape (d,)."""
        counts = self._counts()
        left = counts / blocks_per_independent_one(counts, correlation**2) - (counts > 0) - self._sloped(counts)
        degrees: FloatArray = np.maximum(left.sum(axis=0), 1.0)
        return degrees

    def _counts(self) -> FloatArray:
        """Blocks that count in each stretch, shape (S, d)."""
        if not len(self.starts):
            return np.zeros((0, self.rows.shape[1]))
        counts: FloatArray = np.add.reduceat(self.rows > 0, self.starts, axis=0, dtype=np.float64)
        return counts

    def _sloped(self, counts: FloatArray) -> BoolArray:
        """Where a slope is taken off: in stretches of past windows."""
        past = np.arange(len(counts)) >= min(self.blocks, 1)
        sloped: BoolArray = past[:, None] & (counts >= 2)
        return sloped

    def deviations(self, values: FloatArray, weights: FloatArray | None = None) -> FloatArray:
        """`sqrt(weight) * (value - mean or line of its stretch)`, shape (T + H, d, K).

        Args:
            values: Shape (T + H, d, K).
            weights: Of the blocks, shape (T + H, d), 0 where there are no rows; the rows if not given.
        """
        if not len(values):
            return values.copy()
        weight = (self.rows if weights is None else weights)[..., None]
        deviation = values - self._means(values, weight)
        past = np.arange(len(values)) >= self.blocks
        if past.any():
            # A slope of 0 for the baseline's blocks, since they all have the same time.
            time = np.where(past, np.arange(len(values)), 0)[:, None, None] * np.ones_like(weight)
            time -= self._means(time, weight)
            square = self._sums(weight * time**2)
            deviation -= time * (self._sums(weight * time * deviation) / np.where(square > 0, square, 1.0))
        deviation *= np.sqrt(weight)
        return deviation

    def _sums(self, values: FloatArray) -> FloatArray:
        """The sum over its stretch, for each block."""
        sizes = np.diff(np.append(self.starts, len(values)))
        sums: FloatArray = np.repeat(np.add.reduceat(values, self.starts, axis=0), sizes, axis=0)
        return sums

    def _means(self, values: FloatArray, weight: FloatArray) -> FloatArray:
        return self._sums(weight * values) / np.maximum(self._sums(weight), 1e-300)

    def correlation(self, deviations: FloatArray) -> FloatArray:
        """How alike neighbours are, 0 to 0.8, shape (d,)."""
        if len(deviations) < 2:
            return np.zeros(deviations.shape[1])
        product = np.einsum("tdk,tdk->td", deviations[1:], deviations[:-1])
        product[self.starts[1:] - 1] = 0.0
        square = np.einsum("tdk,tdk->d", deviations, deviations)
        variance = square / np.maximum(self.degrees, 1.0)
        counts = self._counts()
        # Deviations from their own mean or line are less alike than what they are deviations from.
        lost = np.where(counts > 0, 1.0 - 1.0 / np.maximum(counts, 1.0), 0.0)
        lost += np.where(self._sloped(counts), _slope_product(counts, 1.0), 0.0)
        pairs = np.maximum((counts - (counts > 0)).sum(axis=0), 1.0)
        lag_one = (product.sum(axis=0) / np.where(variance > 0, variance, 1.0) + lost.sum(axis=0)) / pairs
        length = np.maximum(self.seen / np.maximum(np.count_nonzero(counts, axis=0), 1), 4.0)
        caution = _CAUTION / np.sqrt(np.maximum(self.seen, 1.0))
        correlation: FloatArray = np.clip(lag_one * length / (length - 3.0) + caution, 0.0, _MOST_CORRELATED)
        return correlation


def blocks_per_independent_one(count: FloatArray, correlation: FloatArray) -> FloatArray:
    """`g(T, r)`: the variance of a mean of T, in multiples of what it would be if they were independent."""
    apart = 1.0 - correlation
    count = np.maximum(count, 1.0)
    return (1.0 + correlation) / apart - 2.0 * correlation * (1.0 - correlation**count) / (count * apart**2)


def _taken_by_slope(counts: FloatArray, correlation: FloatArray) -> FloatArray:
    """What a line's slope takes off the sum of squares, in multiples of the variance; 1 where independent."""
    taken = np.ones_like(counts)
    for apart in range(1, _STRETCH):
        taken += 2.0 * correlation**apart * _slope_product(counts, apart)
    return taken


def _slope_product(counts: FloatArray, apart: float) -> FloatArray:
    """`sum(u_i * u_(i + apart))` for u the unit vector of a slope over so many blocks."""
    left = np.maximum(counts - apart, 0.0)
    return left * (left**2 - 1.0 - 3.0 * apart**2) / np.maximum(counts * (counts**2 - 1.0), 1.0)
