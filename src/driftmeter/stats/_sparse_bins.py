"""Are counts on many sparse bins from one distribution? A p-value that needs no pooling.

Of two hundred categories a window of a hundred rows has half a row each. Pooled to bins of five rows, what half of the
categories lose the other half gains, and nothing is seen. Two tests see such changes, combined by Cauchy's method.

That a single bin grew shows in its exact p-value, the smallest of all, times the number of bins. That many did, and as
many shrank, shows in the sum over all bins of

    w * (x^2 - (1 - 2 p) x - v),     x = a - s p,  v = s p (1 - p),  w = 1 / (v + 1),

where a of the s rows that a bin has on both sides are live ones, of all rows the share p is. Given s, a is binomial
but for all a adding up to the live rows, and the bracket is the second of the polynomials that are orthogonal then: a
bin's mere number of live rows does not move it, a bin of one row says nothing, and one of many says what Pearson's
chi-square does. The weight keeps one rare bin from drowning all others.

Mean, variance and third moment are those of independent binomial counts, with what the fixed total takes off where
counts are normal; they make a gamma distribution. By simulation, 20 to 1,000 categories, 50 to 5,000 live rows and
1,000 to a million others, the sum alone calls 0.92 to 1.05 times alpha at 5 %, 0.9 to 1.1 at 1 %, 0.8 to 1.3 at 0.1 %;
with the smallest p-value, which is careful where counts are few, it is 0.5 to 1.

Source: Haldane (1940), The mean and variance of chi-square when used as a test of homogeneity when expectations are
small, doi:10.1093/biomet/31.3-4.346; Krawtchouk's polynomials: Szego (1939), Orthogonal Polynomials, section 2.82.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftmeter.stats._combination import cauchy
from driftmeter.stats._proportions import excess_p_value

FloatArray = NDArray[np.float64]

_LEAST_SKEWNESS = 1e-3
_UNDECIDED = 0.5


def sparse_bins_p_values(live: ArrayLike, baseline: ArrayLike) -> FloatArray:
    """P-value per column of 'live and baseline rows come from one distribution'; the order of bins means nothing.

    Args:
        live: Counts, shape (d, B); columns with fewer bins padded with zeros.
        baseline: Counts on the same bins, shape (d, B). Which bins there are must not depend on either side's counts,
            but may on their sums.

    Returns:
        P-values, shape (d,); nan where a side has no rows, 1 where no two bins have two rows.
    """
    from scipy.special import gammaincc

    a, b = np.asarray(live, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    if a.ndim != 2 or a.shape != b.shape:
        raise ValueError(f"live and baseline must both have shape (d, B), got {a.shape} and {b.shape}")
    n, m = a.sum(axis=1, keepdims=True), b.sum(axis=1, keepdims=True)
    seen = ((n > 0) & (m > 0))[:, 0]
    share = np.where(seen[:, None], n / np.maximum(n + m, 1.0), 0.5)
    excess, variance, third = _standardised(a, a + b, share)
    told = variance > 0
    spread = np.sqrt(np.where(told, variance, 1.0))
    skewness = np.maximum(np.where(told, third, 0.0) / spread**3, _LEAST_SKEWNESS)
    shape = 4.0 / skewness**2
    p = np.where(told, gammaincc(shape, np.maximum(shape + np.sqrt(shape) * excess / spread, 0.0)), 1.0)
    return np.where(seen, cauchy(p, _largest_gain(a, b)), np.nan)


def _largest_gain(a: FloatArray, b: FloatArray) -> FloatArray:
    """The smallest of the bins' p-values of having grown, times as many as could have a small one, shape (d,)."""
    p = excess_p_value(a, a.sum(axis=1, keepdims=True), b, b.sum(axis=1, keepdims=True))
    occupied = np.count_nonzero(a + b, axis=1)
    # As likely to be too large as it mostly is, it must not speak for 'too alike'.
    smallest: FloatArray = np.minimum(np.fmin.reduce(p, axis=1) * occupied, _UNDECIDED)
    return smallest


def _standardised(a: FloatArray, s: FloatArray, share: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The statistic less its mean, its variance and its third central moment, each of shape (d,)."""
    total = np.maximum(s.sum(axis=1, keepdims=True), 2.0)
    one = share * (1.0 - share)
    v, x = s * one, a - s * share
    w = 1.0 / (v + 1.0)
    statistic = (w * (x * x - (1.0 - 2.0 * share) * x - v)).sum(axis=1)
    mean = -(w * v * (s - 1.0)).sum(axis=1) / (total[:, 0] - 1.0)
    # With D the diagonal matrix of v, the normal counts' covariance is D - v v' / sum(v): these are the traces of
    # powers of its product with the weights, less those of the weights and D alone.
    spread = total[:, 0] * one[:, 0]
    once, twice, thrice = ((w**k * v ** (k + 1)).sum(axis=1) / spread for k in (1, 2, 3))
    taken2 = once**2 - 2.0 * twice
    taken3 = 3.0 * twice * once - 3.0 * thrice - once**3
    variance = (2.0 * w**2 * v * (v - one)).sum(axis=1) + 2.0 * taken2
    third = (w**3 * _third_moment(v, share)).sum(axis=1) + 8.0 * taken3
    return statistic - mean, variance, third


def _third_moment(v: FloatArray, share: FloatArray) -> FloatArray:
    """The mean of the third power of `x^2 - (1 - 2 p) x - v`, for a binomial count x less its mean."""
    one, r = share * (1.0 - share), 1.0 - 2.0 * share
    third = v * r
    fourth = v * (1.0 - 6.0 * one) + 3.0 * v**2
    fifth = v * r * (1.0 - 12.0 * one) + 10.0 * third * v
    sixth = v * (1.0 - 30.0 * one + 120.0 * one**2) + 15.0 * v**2 * (1.0 - 6.0 * one)
    sixth += 10.0 * third**2 + 15.0 * v**3
    moment: FloatArray = sixth - 3.0 * r * fifth + 3.0 * (r**2 - v) * fourth
    moment += (6.0 * r * v - r**3) * third + 3.0 * (v - r**2) * v**2 - v**3
    return moment
