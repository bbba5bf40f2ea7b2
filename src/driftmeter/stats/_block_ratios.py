"""Is a live rate higher than the baseline's, where the rate itself varies from hour to hour?

A sensor drops out for minutes, one customer sends no phone numbers: missing values come in bursts, and their rate in
an hour is not the day's rate but for what chance adds. Fisher's exact test (`_proportions`) takes rows for independent
and calls half of the hours. Blocks of the baseline show how rates vary when nothing is wrong. With k_t events in the
n_t rows of block t the log odds

    y_t = ln((k_t + 1/2) / (n_t - k_t + 1/2))

are about normal where a normal or a beta variable moves the rate, and the window's are held against them in a
one-sided t-test, as in `_block_means`. What a window with fewer rows than the blocks adds by chance alone, the
difference of `1 / (n rate (1 - rate))`, is added to the variance. Where the blocks do not contradict one constant
rate, at a level of 6 % in Pearson's test of dispersion, the exact test stands alone, its normal score divided by the
root of the dispersion if that is above 1; nor may the t-test ever be surer than it. What two blocks have exceeded is
not rare, whatever a t-test says of rates that are low but for bursts: then p is at least that of the window's rank.

Source: Cox and Snell (1989), Analysis of Binary Data, section 2.1.6; Fisher (1950), doi:10.2307/3001420, for the test
of dispersion.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftmeter.stats._block_series import BlockSeries, blocks_per_independent_one
from driftmeter.stats._overdispersion import INDEPENDENCE_LEVEL, LEAST_BLOCKS
from driftmeter.stats._proportions import excess_p_value
from driftmeter.stats._tempering import tempered_weights

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def excess_among_blocks_p_value(
    k: ArrayLike,
    n: ArrayLike,
    *,
    block_k: ArrayLike,
    block_n: ArrayLike,
    history_k: ArrayLike | None = None,
    history_n: ArrayLike | None = None,
) -> FloatArray:
    """One-sided p-value of 'the live rate is no higher than rates of the baseline's blocks were'.

    Args:
        k: Live rows with the event, shape (d,).
        n: Live rows, shape (d,).
        block_k: Rows with the event in the blocks, in the order of time, shape (T, d).
        block_n: Rows of the blocks, shape (T, d); a block with 0 does not count.
        history_k: Rows with the event in past windows, the oldest first, shape (H, d). They say how the rate varies,
            not what it is.
        history_n: Rows of past windows, shape (H, d); 0 for what is not to be learned from.

    Returns:
        P-values, shape (d,); those of `excess_p_value` against all blocks together where rows may be independent or
        there are fewer than 4 blocks; nan where a side has no rows.

    Raises:
        ValueError: If shapes differ, or there are fewer rows than events, or fewer than 0 events.
    """
    hits, rows = np.asarray(k, dtype=np.float64), np.asarray(n, dtype=np.float64)
    hits0, rows0 = np.asarray(block_k, dtype=np.float64), np.asarray(block_n, dtype=np.float64)
    past, past_rows = (
        hits0[:0] if values is None else np.asarray(values, dtype=np.float64) for values in (history_k, history_n)
    )
    if hits0.ndim != 2 or hits0.shape != rows0.shape or hits.shape != rows.shape or hits0.shape[1:] != hits.shape:
        raise ValueError(
            "k and n must have shape (d,), block_k and block_n (T, d), "
            f"got {hits.shape}, {rows.shape}, {hits0.shape} and {rows0.shape}"
        )
    if past.shape != past_rows.shape or past.shape[1:] != hits.shape:
        raise ValueError(f"history_k and history_n must both have shape (H, d), got {past.shape}, {past_rows.shape}")
    exact = excess_p_value(hits, rows, hits0.sum(axis=0), rows0.sum(axis=0))
    series = BlockSeries.of(rows0, past_rows)
    events = np.concatenate([hits0, past])
    dispersion, varies = _dispersion(events, series)
    among = _t_test(_log_odds(hits, rows), rows, _log_odds(events, series.rows), series, _rate(hits0, rows0))
    p = np.where(varies, np.maximum(exact, among), _less_sure(exact, rows, rows0, dispersion))
    return np.maximum(p, _rank_p_value(hits, rows, hits0, rows0))


def _less_sure(exact: FloatArray, rows: FloatArray, rows0: FloatArray, dispersion: FloatArray) -> FloatArray:
    """The exact p-value with its normal score divided by the root of the dispersion, where that is above 1."""
    from scipy.special import ndtr, ndtri

    usual = rows0.sum(axis=0) / np.maximum(np.count_nonzero(rows0, axis=0), 1)
    # A rate that moves does so for all rows of a window.
    factor = 1.0 + np.maximum(dispersion - 1.0, 0.0) * np.maximum(rows / np.maximum(usual, 1.0), 1.0)
    p: FloatArray = np.maximum(exact, ndtr(ndtri(exact) / np.sqrt(factor)))
    return np.where(exact < 0.5, p, exact)


def _rank_p_value(hits: FloatArray, rows: FloatArray, hits0: FloatArray, rows0: FloatArray) -> FloatArray:
    """P-value of the window's rank among the blocks where at least two had its rate or more, else 0."""
    as_high = np.count_nonzero((rows0 > 0) & (hits0 * rows >= hits * rows0), axis=0)
    seen = np.count_nonzero(rows0, axis=0)
    enough = (as_high >= 2) & (seen >= LEAST_BLOCKS) & (rows > 0)
    return np.where(enough, (as_high + 1.0) / (seen + 1.0), 0.0)


def _rate(hits: FloatArray, rows: FloatArray) -> FloatArray:
    """The rate of all blocks, kept off 0 and 1 by half an event."""
    rate: FloatArray = (hits.sum(axis=0) + 0.5) / (rows.sum(axis=0) + 1.0)
    return rate


def _log_odds(hits: FloatArray, rows: FloatArray) -> FloatArray:
    return np.log((hits + 0.5) / (rows - hits + 0.5))


def _dispersion(hits: FloatArray, series: BlockSeries) -> tuple[FloatArray, BoolArray]:
    """Variance of the rates in multiples of what one rate gives, and whether that contradicts one, shape (d,)."""
    from scipy.special import chdtrc

    shares = hits / np.maximum(series.rows, 1.0)
    deviations = series.deviations(shares[..., None])
    rate = hits.sum(axis=0) / np.maximum(series.rows.sum(axis=0), 1.0)
    variance = rate * (1.0 - rate)
    known = (series.baseline().seen >= LEAST_BLOCKS) & (variance > 0)
    statistic = np.einsum("tdk,tdk->d", deviations, deviations) / np.where(known, variance, 1.0)
    degrees = np.maximum(series.degrees, 1.0)
    varies: BoolArray = known & (chdtrc(degrees, statistic) < INDEPENDENCE_LEVEL)
    return np.where(known, statistic / degrees, 1.0), varies


def _t_test(y: FloatArray, rows: FloatArray, blocks: FloatArray, series: BlockSeries, rate: FloatArray) -> FloatArray:
    """One-sided p-values of the window's log odds among those of the blocks, shape (d,)."""
    from scipy.special import stdtr

    counted = (series.rows > 0).astype(np.float64)
    values = np.where(series.rows > 0, blocks, 0.0)[..., None]
    weights = tempered_weights(values, series, freedom=np.ones_like(y), weights=counted)
    deviations = series.deviations(values, weights)
    correlation = series.correlation(deviations)
    variance = (deviations**2).sum(axis=(0, 2)) / series.independent_degrees(correlation)
    baseline = series.baseline()
    seen = np.maximum(baseline.seen, 1.0)
    centre = values[: series.blocks, :, 0].sum(axis=0) / seen
    of_centre = blocks_per_independent_one(seen, correlation) / seen
    by_chance = 1.0 / (rate * (1.0 - rate))
    inverse_rows = np.where(baseline.rows > 0, 1.0 / np.maximum(baseline.rows, 1.0), 0.0).sum(axis=0) / seen
    fewer = by_chance * np.maximum(1.0 / np.maximum(rows, 1.0) - inverse_rows, 0.0)
    t = (y - centre) / np.sqrt(np.maximum(variance * (1.0 + of_centre) + fewer, 1e-300))
    p: FloatArray = stdtr(series.spread_degrees(correlation), -t)
    return p
