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
root of the dispersion if that is above 1; nor may the t-test ever be surer than it. (A level of 20 % would
bring 17 times alpha at 0.1 %, of eight blocks of 200 rows whose log odds vary by 1, to 11, and cost 8 to 11 points of
the power where the rate is constant.) What two blocks have exceeded is
not rare, whatever a t-test says of rates that are low but for bursts: then p is at least that of the window's rank.

Source: Cox and Snell (1989), Analysis of Binary Data, section 2.1.6; Fisher (1950), doi:10.2307/3001420, for the test
of dispersion.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftmeter.stats._block_series import BlockSeries, blocks_per_independent_one
from driftmeter.stats._overdispersion import INDEPENDENCE_LEVEL, LEAST_BLOCKS
from driftmeter.stats._proportions import excess_p_value
from driftmeter.stats._tempering import tempered_weights

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.intp]


@dataclass(frozen=True)
class BlockRates:
    """What rates the blocks had and how these vary; each field has shape (d,) but for the blocks themselves."""

    block_k: FloatArray
    """Rows with the event in the blocks, shape (T, d)."""

    block_n: FloatArray
    """Rows of the blocks, shape (T, d)."""

    dispersion: FloatArray
    """Variance of the rates in multiples of what one rate gives."""

    varies: BoolArray
    """Whether that contradicts one rate."""

    centre: FloatArray
    """Mean of the blocks' log odds."""

    variance: FloatArray
    """Of the blocks' log odds, and those of past windows."""

    of_centre: FloatArray
    """Variance of the centre, in multiples of it."""

    freedom: FloatArray
    """Degrees of freedom of the variance."""

    @classmethod
    def of(
        cls,
        block_k: ArrayLike,
        block_n: ArrayLike,
        *,
        history_k: ArrayLike | None = None,
        history_n: ArrayLike | None = None,
    ) -> BlockRates:
        """Learn from blocks and past windows, see `excess_among_blocks_p_value`."""
        hits0, rows0 = np.asarray(block_k, dtype=np.float64), np.asarray(block_n, dtype=np.float64)
        if hits0.ndim != 2 or hits0.shape != rows0.shape:
            raise ValueError(f"block_k and block_n must have shape (T, d), got {hits0.shape} and {rows0.shape}")
        past, past_rows = (
            hits0[:0] if values is None else np.asarray(values, dtype=np.float64) for values in (history_k, history_n)
        )
        if past.shape != past_rows.shape or past.shape[1:] != hits0.shape[1:]:
            raise ValueError(
                f"history_k and history_n must both have shape (H, d), d as in the blocks' {hits0.shape}, "
                f"got {past.shape} and {past_rows.shape}"
            )
        series = BlockSeries.of(rows0, past_rows)
        events = np.concatenate([hits0, past])
        dispersion, varies = _dispersion(events, series)
        return cls(hits0, rows0, dispersion, varies, *_log_odds_of_blocks(events, series))

    def take(self, columns: IntArray) -> BlockRates:
        """What is known of some of the columns."""
        return BlockRates(**{field.name: getattr(self, field.name)[..., columns] for field in fields(self)})

    def p_values(self, k: FloatArray, n: FloatArray) -> FloatArray:
        """P-values of windows with so many events in so many rows, both of shape (d,)."""
        exact = excess_p_value(k, n, self.block_k.sum(axis=0), self.block_n.sum(axis=0))
        p = np.where(self.varies, np.maximum(exact, self._t_test(k, n)), self._less_sure(exact, n))
        return np.maximum(p, self._rank_p_value(k, n))

    @property
    def _seen(self) -> FloatArray:
        seen: FloatArray = np.count_nonzero(self.block_n, axis=0).astype(np.float64)
        return seen

    def _less_sure(self, exact: FloatArray, n: FloatArray) -> FloatArray:
        """The exact p-value with its normal score divided by the root of the dispersion, where that is above 1."""
        from scipy.special import ndtr, ndtri

        usual = self.block_n.sum(axis=0) / np.maximum(self._seen, 1.0)
        # A rate that moves does so for all rows of a window.
        factor = 1.0 + np.maximum(self.dispersion - 1.0, 0.0) * np.maximum(n / np.maximum(usual, 1.0), 1.0)
        p: FloatArray = np.maximum(exact, ndtr(ndtri(exact) / np.sqrt(factor)))
        return np.where(exact < 0.5, p, exact)

    def _t_test(self, k: FloatArray, n: FloatArray) -> FloatArray:
        """One-sided p-values of the window's log odds among those of the blocks."""
        from scipy.special import stdtr

        rate = _rate(self.block_k, self.block_n)
        inverse = np.where(self.block_n > 0, 1.0 / np.maximum(self.block_n, 1.0), 0.0)
        inverse_rows = inverse.sum(axis=0) / np.maximum(self._seen, 1.0)
        by_chance = 1.0 / (rate * (1.0 - rate))
        fewer = by_chance * np.maximum(1.0 / np.maximum(n, 1.0) - inverse_rows, 0.0)
        error = np.maximum(self.variance * (1.0 + self.of_centre) + fewer, 1e-300)
        p: FloatArray = stdtr(self.freedom, (self.centre - _log_odds(k, n)) / np.sqrt(error))
        return p

    def _rank_p_value(self, k: FloatArray, n: FloatArray) -> FloatArray:
        """P-value of the window's rank among the blocks where at least two had its rate or more, else 0."""
        as_high = np.count_nonzero((self.block_n > 0) & (self.block_k * n >= k * self.block_n), axis=0)
        enough = (as_high >= 2) & (self._seen >= LEAST_BLOCKS) & (n > 0)
        return np.where(enough, (as_high + 1.0) / (self._seen + 1.0), 0.0)


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
    known = BlockRates.of(block_k, block_n, history_k=history_k, history_n=history_n)
    if hits.shape != known.centre.shape or hits.shape != rows.shape:
        raise ValueError(f"k and n must have shape {known.centre.shape}, got {hits.shape} and {rows.shape}")
    return known.p_values(hits, rows)


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


def _log_odds_of_blocks(hits: FloatArray, series: BlockSeries) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Centre and variance of the log odds, the centre's variance in multiples of it, and its degrees of freedom."""
    counted = (series.rows > 0).astype(np.float64)
    values = np.where(series.rows > 0, _log_odds(hits, series.rows), 0.0)[..., None]
    weights = tempered_weights(values, series, freedom=np.ones(hits.shape[1]), weights=counted)
    deviations = series.deviations(values, weights)
    correlation = series.correlation(deviations)
    variance = (deviations**2).sum(axis=(0, 2)) / series.independent_degrees(correlation)
    seen = np.maximum(series.baseline().seen, 1.0)
    centre = values[: series.blocks, :, 0].sum(axis=0) / seen
    of_centre = blocks_per_independent_one(seen, correlation) / seen
    return centre, variance, of_centre, series.spread_degrees(correlation)
