"""Are live and baseline counts from one distribution? P-values that know both sample sizes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftmeter.stats._overdispersion import DesignEffect
from driftmeter.stats._pooling import pool_sparse_bins
from driftmeter.stats._proportions import excess_p_value
from driftmeter.stats._quadratic_form import upper_tail

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_LEAST_EXPECTED = 5.0
_MOST_ORDERED_BINS = 64


def homogeneity_p_values(
    live: ArrayLike,
    baseline: ArrayLike,
    *,
    ordered: ArrayLike,
    design_effect: DesignEffect | None = None,
) -> FloatArray:
    """P-value per column of 'live and baseline rows come from one distribution'.

    Args:
        live: Counts, shape (d, B); columns with fewer bins padded with zeros.
        baseline: Counts on the same bins, shape (d, B).
        ordered: Whether the order of the bins means something, shape (d,) or one bool.
        design_effect: How much more the columns vary from window to window than independent rows would.
            Rows count as independent without it.

    Returns:
        P-values, shape (d,); nan where a side has no rows, 1 where fewer than two bins can be told apart.
    """
    a, b = _two_dimensional(live, baseline)
    is_ordered = np.broadcast_to(np.asarray(ordered, dtype=bool), a.shape[:1])
    n, m = a.sum(axis=1), b.sum(axis=1)
    seen = (n > 0) & (m > 0)
    p = np.full(a.shape[0], np.nan)
    if not seen.any():
        return p
    a, b, is_ordered = a[seen], b[seen], is_ordered[seen]
    least = np.where(is_ordered, np.minimum(n, m)[seen] / _MOST_ORDERED_BINS, 0.0)
    a, b = pool_sparse_bins(a, b, ordered=is_ordered, least=np.maximum(least, _LEAST_EXPECTED))
    p[seen] = _p_values(a, b, is_ordered)
    if design_effect is not None:
        raise NotImplementedError("design_effect is on its way")
    return p


def _p_values(a: FloatArray, b: FloatArray, ordered: BoolArray) -> FloatArray:
    """As `homogeneity_p_values`, on pooled counts of columns that have rows on both sides."""
    occupied = (a + b > 0).sum(axis=1)
    p = np.ones(a.shape[0])
    two = occupied == 2
    many = occupied > 2
    if two.any():
        p[two] = _two_bins(a[two], b[two])
    if many.any():
        p[many] = _omnibus(a[many], b[many], occupied[many])
    both = many & ordered
    if both.any():
        p[both] = _cauchy(p[both], _cumulative(a[both], b[both]))
    return p


def _two_bins(a: FloatArray, b: FloatArray) -> FloatArray:
    """Twice the smaller one-sided exact p-value: with two bins counts are too coarse for a chi-square."""
    first = (a + b > 0).argmax(axis=1)
    k = np.take_along_axis(a, first[:, None], axis=1)[:, 0]
    k0 = np.take_along_axis(b, first[:, None], axis=1)[:, 0]
    n, m = a.sum(axis=1), b.sum(axis=1)
    one_sided = np.minimum(excess_p_value(k, n, k0, m), excess_p_value(n - k, n, m - k0, m))
    return np.minimum(1.0, 2.0 * one_sided)


def _omnibus(a: FloatArray, b: FloatArray, occupied: NDArray[np.intp]) -> FloatArray:
    """Cressie and Read's power divergence with exponent 2/3, which keeps to chi-square with few rows per bin."""
    from scipy.special import gammaincc

    n, m = a.sum(axis=1, keepdims=True), b.sum(axis=1, keepdims=True)
    share = (a + b) / (n + m)
    statistic = _power_divergence(a, share * n) + _power_divergence(b, share * m)
    p: FloatArray = gammaincc((occupied - 1) / 2.0, statistic / 2.0)
    return p


def _power_divergence(observed: FloatArray, expected: FloatArray) -> FloatArray:
    ratio = np.divide(observed, expected, out=np.ones_like(observed), where=expected > 0)
    root = np.cbrt(ratio)
    root *= root
    root -= 1.0
    cells: FloatArray = np.einsum("db,db->d", observed, root)
    return np.maximum(1.8 * cells, 0.0)


def _cumulative(a: FloatArray, b: FloatArray) -> FloatArray:
    """Anderson and Darling's statistic on bins."""
    n, m = a.sum(axis=1, keepdims=True), b.sum(axis=1, keepdims=True)
    total = n + m
    share = (a + b) / total
    below = np.cumsum(share, axis=1)[:, :-1]
    inside = (below > 0.5 / total) & (below < 1.0 - 0.5 / total)
    safe = np.where(inside, below, 0.5)
    weight = np.where(inside, (share[:, 1:] + share[:, :-1]) / 2.0, 0.0)
    gap = np.cumsum(a / n - share, axis=1)[:, :-1]
    z2 = gap * gap / (safe * (1.0 - safe)) * (n * (total - 1.0) / m)
    statistic = np.einsum("db,db->d", weight, z2)
    odds = safe / (1.0 - safe)
    mean = weight.sum(axis=1)
    reach = np.cumsum(weight * odds, axis=1) - weight * odds
    spread = np.einsum("db,db->d", weight, weight + 2.0 * reach / odds)
    lead = np.full_like(mean, 0.5)
    left = np.maximum(mean - 0.5, 1e-9)
    rest = np.clip((spread - 0.25) / left, 1e-9, 0.5)
    return upper_tail(statistic, lead=lead, rest=rest, freedom=left / rest, scale_freedom=np.full_like(mean, np.inf))


def _cauchy(p: FloatArray, q: FloatArray) -> FloatArray:
    """The combined p-value of two dependent tests (Liu and Xie 2020, doi:10.1080/01621459.2018.1554485)."""
    evidence = 0.5 * sum(1.0 / np.tan(np.pi * np.clip(each, 1e-300, 0.95)) for each in (p, q))
    combined: FloatArray = np.arctan2(1.0, evidence) / np.pi
    return combined


def _two_dimensional(live: ArrayLike, baseline: ArrayLike) -> tuple[FloatArray, FloatArray]:
    a = np.asarray(live, dtype=np.float64)
    b = np.asarray(baseline, dtype=np.float64)
    if a.ndim != 2 or a.shape != b.shape:
        raise ValueError(f"live and baseline must both have shape (d, B), got {a.shape} and {b.shape}")
    return a, b
