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
    means, counts = np.asarray(blocks, dtype=np.float64), np.asarray(block_rows, dtype=np.float64)
    if means.ndim != 2 or means.shape != counts.shape or means.shape[1:] != x.shape or x.shape != rows.shape:
        raise ValueError(
            "live and live_rows must have shape (d,), blocks and block_rows (T, d), "
            f"got {x.shape}, {rows.shape}, {means.shape} and {counts.shape}"
        )
    past, past_rows = (
        means[:0] if values is None else np.asarray(values, dtype=np.float64) for values in (history, history_rows)
    )
    if past.shape != past_rows.shape or past.shape[1:] != x.shape:
        raise ValueError(f"history and history_rows must both have shape (H, d), got {past.shape}, {past_rows.shape}")
    series = BlockSeries.of(counts, past_rows)
    everything = np.where(series.rows > 0, np.concatenate([means, past]), 0.0)
    room = np.maximum(1.0, _mean_rows(counts) / np.maximum(rows, 1.0))
    centre = _mean(everything[: len(means)], counts > 0)
    p = _t_test(x - centre, everything, series, room)
    usable = (series.baseline().seen >= LEAST_BLOCKS) & (rows > 0)
    return np.where(usable, p, np.nan)


def _t_test(gap: FloatArray, means: FloatArray, series: BlockSeries, room: FloatArray) -> FloatArray:
    """P-values of the gaps between the window's means and the centre, shape (d,); nan where nothing varies."""
    from scipy.special import stdtr

    alike = (series.rows > 0).astype(np.float64)
    values = means[..., None]
    weights = tempered_weights(values, series, freedom=np.ones_like(gap), weights=alike)
    deviations = series.deviations(values, weights)
    correlation = series.correlation(deviations)
    variance = (deviations**2).sum(axis=(0, 2)) / series.independent_degrees(correlation)
    blocks = np.maximum(series.baseline().seen, 1.0)
    of_centre = blocks_per_independent_one(blocks, correlation) / blocks
    # Means that differ by rounding only do not vary.
    largest = np.abs(means).max(axis=0, initial=0.0)
    varies = variance > (1e-12 * largest) ** 2
    t = gap / np.sqrt(np.where(varies, variance, 1.0) * (room + of_centre))
    return np.where(varies, 2.0 * stdtr(series.spread_degrees(correlation), -np.abs(t)), np.nan)


def _mean(values: FloatArray, counted: NDArray[np.bool_]) -> FloatArray:
    total: FloatArray = np.where(counted, values, 0.0).sum(axis=0) / np.maximum(np.count_nonzero(counted, axis=0), 1)
    return total


def _mean_rows(rows: FloatArray) -> FloatArray:
    return _mean(rows, rows > 0)
