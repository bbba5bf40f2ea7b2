"""Is a live rate higher than the baseline's? For nulls, unseen categories and other rare events.

The p-value conditions on how many events both sides had together (Fisher's exact test), so it knows both sample
sizes: no event in 20,000 baseline rows and 2 in 10,000 live rows says little, 200 in 10,000 says all.

It is not summed term by term but taken from the saddlepoint approximation of the conditional (hypergeometric)
distribution, which is one formula for any size; only where one term is all there is, it is computed: that all events
are live ones, where the baseline has none, and that none is, where one is. Measured against exact sums for 10 to a
million rows and 1 to 500 events, down to 1e-10: within 7 %.

Source: Skovgaard (1987), Saddlepoint expansions for conditional distributions, doi:10.2307/3214212, with the
continuity correction that shifts the count by one half (Davison, Statistical Models, section 12.3).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def excess_p_value(k: ArrayLike, n: ArrayLike, k0: ArrayLike, n0: ArrayLike) -> FloatArray:
    """One-sided p-value of 'the live rate is no higher than the baseline's'.

    Args:
        k: Live rows with the event.
        n: Live rows.
        k0: Baseline rows with the event.
        n0: Baseline rows.

    Returns:
        P-values of the arguments' common shape; nan where a side has no rows.

    Raises:
        ValueError: If there are fewer rows than events, or fewer than 0 events.
    """
    from scipy.special import ndtr

    hits, rows, hits0, rows0 = (np.asarray(value, dtype=np.float64) for value in np.broadcast_arrays(k, n, k0, n0))
    if np.any((hits < 0) | (hits > rows) | (hits0 < 0) | (hits0 > rows0)):
        raise ValueError("k must be from 0 to n and k0 from 0 to n0, got a count outside its rows")
    # Without a live event, or when every baseline row has it, the live rate cannot be higher.
    open_question = (hits > 0) & (hits0 < rows0)
    with np.errstate(divide="ignore", invalid="ignore"):
        score = _normal_score(
            np.where(open_question, hits, 1.0),
            np.where(open_question, rows, 2.0),
            np.where(open_question, hits0, 1.0),
            np.where(open_question, rows0, 2.0),
        )
        all_live = np.exp(_log_share_of_draws(hits, rows, rows0))
        any_live = -np.expm1(_log_none_live(hits + hits0, rows, rows0))
    some = np.where(hits == 1, any_live, ndtr(-score))
    p: FloatArray = np.where(open_question, np.where(hits0 == 0, all_live, some), 1.0)
    return np.where((rows > 0) & (rows0 > 0), p, np.nan)


def _log_share_of_draws(k: FloatArray, n: FloatArray, n0: FloatArray) -> FloatArray:
    """Logarithm of the probability that k events among n + n0 rows all fall on the n."""
    from scipy.special import gammaln

    total = n + n0
    value: FloatArray = gammaln(n + 1.0) - gammaln(n - k + 1.0) - gammaln(total + 1.0) + gammaln(total - k + 1.0)
    # With half a billion rows the differences of logarithms are good to a millionth, and may come out above 0.
    return np.minimum(value, 0.0)


def _log_none_live(events: FloatArray, n: FloatArray, n0: FloatArray) -> FloatArray:
    """Logarithm of the probability that none of so many events among n + n0 rows falls on the n.

    It is a product of as many factors as there are events or, which is the same, live rows. All of the fewer ones are
    taken for the middle one: that puts the probability of any within 0.2 % of what it is where it is below 0.3, and
    there is no difference of large numbers as with factorials.
    """
    total = n + n0
    fewer, more = np.minimum(events, n), np.maximum(events, n)
    value: FloatArray = fewer * np.log1p(-np.minimum(more / (total - (fewer - 1.0) / 2.0), 1.0))
    return np.where(events > n0, -np.inf, value)


def _normal_score(k: FloatArray, n: FloatArray, k0: FloatArray, n0: FloatArray) -> FloatArray:
    """The standard normal quantile whose upper tail is that of k events or more, given k + k0."""
    total = n + n0
    rate = (k + k0) / total
    yes, yes0 = k - 0.5, k0 + 0.5
    no, no0 = n - yes, n0 - yes0
    log_odds = np.log(yes * no0 / (no * yes0))
    deviance = _deviance(yes, n * rate) + _deviance(no, n * (1.0 - rate))
    deviance += _deviance(yes0, n0 * rate) + _deviance(no0, n0 * (1.0 - rate))
    root = np.copysign(np.sqrt(np.maximum(deviance, 0.0)), log_odds)
    information = (yes * no / n) * (yes0 * no0 / n0) / (total * rate * (1.0 - rate))
    wald = 2.0 * np.sinh(log_odds / 2.0) * np.sqrt(information)
    # Both vanish at the mean and so does the correction, up to a skewness that no verdict depends on.
    at_mean = np.abs(root) < 1e-3
    safe = np.where(at_mean, 1.0, root)
    score: FloatArray = np.where(at_mean, root, root + np.log(np.where(at_mean, 1.0, wald) / safe) / safe)
    return score


def _deviance(observed: FloatArray, expected: FloatArray) -> FloatArray:
    """Twice the Poisson log-likelihood ratio of a cell, by its series where the difference would cancel."""
    from scipy.special import rel_entr

    off = (observed - expected) / expected
    near = expected * off**2 * (1.0 - off / 3.0 + off**2 / 6.0)
    cell: FloatArray = 2.0 * (rel_entr(observed, expected) - observed + expected)
    return np.where(np.abs(off) < 1e-3, near, cell)
