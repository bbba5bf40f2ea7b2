"""Is a window's mean one of the means that the baseline's blocks had? A t-test with blocks as its units.

Bins of the baseline cannot tell a column that left their range by a little from one that left it by far, and where
rows are alike, few blocks leave a test on bins few degrees of freedom: it never gets surer than of a window in which
all rows are in the last bin. The mean goes on. With block means x_1..x_T, their mean x and their variance s^2,

    t = (live mean - x) / (s * sqrt(1 + g / T)),

g being 1 where neighbouring blocks are not alike and else as in `_block_series`. Rows enter only through the means, so
it does not matter how alike they are; it does matter that blocks are as long as windows.

One stray value must not move a mean, so means are to be taken of values cut off at `winsor_limits`.

Source: Student (1908), doi:10.2307/2331554; Dixon and Tukey (1968), Approximate behavior of the distribution of
Winsorized t, doi:10.2307/1266226.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftmeter.stats._block_series import BlockSeries, blocks_per_independent_one
from driftmeter.stats._overdispersion import LEAST_BLOCKS
from driftmeter.stats._tempering import tempered_weights

FloatArray = NDArray[np.float64]


def winsor_limits(lower: ArrayLike, upper: ArrayLike) -> tuple[float, float]:
    """Where to cut values off before their mean is taken: one range of the inner bins beyond them on each side.

    The first and the last bin do not count, since one sentinel (-999) of the baseline makes them as wide as it likes;
    with fewer than four bins they do.

        edges -999 | 10 20 30 40 | 58  ->  limits -20 and 70

    Args:
        lower: Lower edges of a column's bins under the baseline, ascending, shape (B,), in the column's unit.
        upper: Upper edges, shape (B,).

    Returns:
        The lower and the upper limit.

    Raises:
        ValueError: If there are no bins, or not as many upper as lower edges.
    """
    low, high = np.asarray(lower, dtype=np.float64), np.asarray(upper, dtype=np.float64)
    if low.ndim != 1 or low.shape != high.shape or not low.size:
        raise ValueError(
            f"lower and upper must both have shape (B,) with B of 1 or more, got {low.shape}, {high.shape}"
        )
    inner = slice(1, -1) if low.size >= 4 else slice(None)
    first, last = float(low[inner][0]), float(high[inner][-1])
    return first - (last - first), last + (last - first)


@dataclass(frozen=True)
class BlockMeans:
    """Where the blocks' means are and how they vary; each field has shape (d,)."""

    centre: FloatArray
    """Mean of the blocks' means."""

    variance: FloatArray
    """Of the blocks' means, and those of past windows."""

    of_centre: FloatArray
    """Variance of the centre, in multiples of it."""

    freedom: FloatArray
    """Degrees of freedom of the variance."""

    rows: FloatArray
    """Mean rows of the blocks."""

    known: NDArray[np.bool_]
    """Whether there are 4 blocks or more, and their means vary by more than rounding."""

    @classmethod
    def of(
        cls,
        blocks: ArrayLike,
        *,
        block_rows: ArrayLike,
        history: ArrayLike | None = None,
        history_rows: ArrayLike | None = None,
    ) -> BlockMeans:
        """Learn from the blocks' means and rows, and those of past windows; see `block_mean_p_values`."""
        means, counts = np.asarray(blocks, dtype=np.float64), np.asarray(block_rows, dtype=np.float64)
        if means.ndim != 2 or means.shape != counts.shape:
            raise ValueError(f"blocks and block_rows must have shape (T, d), got {means.shape} and {counts.shape}")
        past, past_rows = (
            means[:0] if values is None else np.asarray(values, dtype=np.float64) for values in (history, history_rows)
        )
        if past.shape != past_rows.shape or past.shape[1:] != means.shape[1:]:
            raise ValueError(
                f"history and history_rows must both have shape (H, d), d as in the blocks' {means.shape}, "
                f"got {past.shape} and {past_rows.shape}"
            )
        series = BlockSeries.of(counts, past_rows)
        everything = np.where(series.rows > 0, np.concatenate([means, past]), 0.0)
        variance, correlation = _variance(everything, series)
        seen = series.baseline().seen
        largest = np.abs(everything).max(axis=0, initial=0.0)
        return cls(
            centre=_mean(everything[: len(means)], counts > 0),
            variance=variance,
            of_centre=blocks_per_independent_one(np.maximum(seen, 1.0), correlation) / np.maximum(seen, 1.0),
            freedom=series.spread_degrees(correlation),
            rows=_mean(counts, counts > 0),
            known=(seen >= LEAST_BLOCKS) & (variance > (1e-12 * largest) ** 2),
        )

    def take(self, columns: NDArray[np.intp]) -> BlockMeans:
        """What is known of some of the columns."""
        return BlockMeans(**{field.name: getattr(self, field.name)[columns] for field in fields(self)})

    def p_values(self, live: FloatArray, rows: FloatArray) -> FloatArray:
        """P-values of windows' means from so many rows, both of shape (d,)."""
        from scipy.special import stdtr

        room = np.maximum(1.0, self.rows / np.maximum(rows, 1.0))
        t = (live - self.centre) / np.sqrt(np.where(self.known, self.variance, 1.0) * (room + self.of_centre))
        return np.where(self.known & (rows > 0), 2.0 * stdtr(self.freedom, -np.abs(t)), np.nan)


def block_mean_p_values(
    live: ArrayLike,
    blocks: ArrayLike,
    *,
    live_rows: ArrayLike,
    block_rows: ArrayLike,
    history: ArrayLike | None = None,
    history_rows: ArrayLike | None = None,
) -> FloatArray:
    """Two-sided p-value per column of 'the window's mean is one of the blocks' means'.

    Args:
        live: The window's means, cut off at `winsor_limits`, shape (d,).
        blocks: The blocks' means, likewise, in the order of time, shape (T, d).
        live_rows: Rows of the window, shape (d,). One with fewer rows than the blocks is given more room.
        block_rows: Rows of the blocks, shape (T, d); a block with 0 does not count.
        history: Means of past windows, the oldest first, shape (H, d). They say how means vary, not where they are.
        history_rows: Rows of the past windows, shape (H, d); 0 for what is not to be learned from.

    Returns:
        P-values, shape (d,); nan with fewer than 4 blocks, without live rows, and where the blocks' means do not vary.
    """
    x, rows = np.asarray(live, dtype=np.float64), np.asarray(live_rows, dtype=np.float64)
    known = BlockMeans.of(blocks, block_rows=block_rows, history=history, history_rows=history_rows)
    if x.shape != known.centre.shape or x.shape != rows.shape:
        raise ValueError(f"live and live_rows must have shape {known.centre.shape}, got {x.shape} and {rows.shape}")
    return known.p_values(x, rows)


def _variance(means: FloatArray, series: BlockSeries) -> tuple[FloatArray, FloatArray]:
    """The variance of the means, and how alike neighbours are, each of shape (d,)."""
    alike = (series.rows > 0).astype(np.float64)
    values = means[..., None]
    weights = tempered_weights(values, series, freedom=np.ones(means.shape[1]), weights=alike)
    deviations = series.deviations(values, weights)
    correlation = series.correlation(deviations)
    return (deviations**2).sum(axis=(0, 2)) / series.independent_degrees(correlation), correlation


def _mean(values: FloatArray, counted: NDArray[np.bool_]) -> FloatArray:
    total: FloatArray = np.where(counted, values, 0.0).sum(axis=0) / np.maximum(np.count_nonzero(counted, axis=0), 1)
    return total
