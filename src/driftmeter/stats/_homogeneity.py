"""Are live and baseline counts from one distribution? P-values that know both sample sizes.

Two statistics, both of them two-sample, so that a baseline of a thousand rows is not taken for the truth:

- *omnibus*: Cressie and Read's power divergence with exponent 2/3, which lies between Pearson's chi-square and the
  likelihood ratio and keeps to its chi-square null with few rows per bin. It sees any change of any bin. Ordered bins
  are made of the baseline's own rows: it is not their counts that vary there but their true shares, which are gamma
  distributed. As the cube root of a gamma variable is normal, the likelihood ratio is what keeps to the null then
  (`9 k ((1 + x)**(1/3) - 1)**2` and `2 k (x - ln(1 + x))` agree up to x cubed), and is taken for the baseline's part.
- *cumulative*: Anderson and Darling's statistic on bins (see `_cumulative`), for ordered bins only. It needs a half
  of the rows to see a shift, and is blind to narrow modes.

On ordered bins both p-values are combined by Cauchy's method (`_combination`). Where two bins are left, whose counts
are too coarse for either, Fisher's exact test compares the largest bin with the rest.

Sparse bins are pooled first; where that leaves little of a column of many categories, the p-value of all its bins
(`_sparse_bins`) can be combined with this one. Where rows are not independent, see `_overdispersion`, the omnibus
statistic is one that grows less with large deviations, both are compared with how the baseline's own blocks varied, and
a third p-value, of the mean among the blocks' means (`_block_means`), can be combined with theirs.

Source: Cressie and Read (1984), doi:10.1111/j.2517-6161.1984.tb01318.x; Wilson and Hilferty (1931),
doi:10.1073/pnas.17.12.684.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftmeter.stats._block_series import blocks_per_independent_one
from driftmeter.stats._column_groups import column_groups
from driftmeter.stats._combination import cauchy, combined
from driftmeter.stats._cumulative import LEAD, Edges
from driftmeter.stats._overdispersion import LEAST_BLOCKS, DesignEffect, ScaleEstimate, omnibus_features
from driftmeter.stats._pooling import coarsen, pool_sparse_bins
from driftmeter.stats._proportions import excess_p_value
from driftmeter.stats._quadratic_form import upper_tail

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_LEAST_EXPECTED = 5.0

# In so many of its directions lies what rows that are alike add to a statistic, which so varies by more than it grows.
_DIRECTIONS = 2.0

# More ordered bins than this cost time and power, and show nothing more.
_MOST_ORDERED_BINS = 64


def homogeneity_p_values(
    live: ArrayLike,
    baseline: ArrayLike,
    *,
    ordered: ArrayLike,
    design_effect: DesignEffect | None = None,
    block_mean_p: ArrayLike | None = None,
    sparse_bins_p: ArrayLike | None = None,
) -> FloatArray:
    """P-value per column of 'live and baseline rows come from one distribution'.

    Args:
        live: Counts, shape (d, B); columns with fewer bins padded with zeros.
        baseline: Counts on the same bins, shape (d, B).
        ordered: Whether the order of the bins means something, shape (d,) or one bool.
        design_effect: How the columns vary from window to window, estimated on these bins. Rows count as
            independent without it.
        block_mean_p: P-values of `block_mean_p_values`, shape (d,), nan where there is none. They count for half where
            bins are ordered and rows are not independent, and for nothing elsewhere.
        sparse_bins_p: P-values of `sparse_bins_p_values`, on finer bins, shape (d,), nan where there is none. They
            count for half where no blocks are known, and for nothing elsewhere: rows that are hardly alike are so the
            more, the finer the bins.

    Returns:
        P-values, shape (d,); nan where a side has no rows, 1 where fewer than two bins can be told apart.
    """
    a = np.asarray(live, dtype=np.float64)
    b = np.asarray(baseline, dtype=np.float64)
    if a.ndim != 2 or a.shape != b.shape:
        raise ValueError(f"live and baseline must both have shape (d, B), got {a.shape} and {b.shape}")
    is_ordered = np.broadcast_to(np.asarray(ordered, dtype=bool), a.shape[:1])
    p = np.full(a.shape[0], np.nan)
    seen = (a.sum(axis=1) > 0) & (b.sum(axis=1) > 0)
    dependent = np.zeros_like(seen) if design_effect is None else design_effect.dependent & seen
    dispersion = np.ones_like(p) if design_effect is None else _dispersion(a.sum(axis=1), design_effect)
    for kind in (True, False):
        part = np.flatnonzero(seen & ~dependent & (is_ordered == kind))
        if part.size:
            p[part] = _independent_rows(a, b, part, ordered=kind, dispersion=dispersion[part])
    if sparse_bins_p is not None:
        known = np.zeros_like(seen) if design_effect is None else design_effect.blocks >= LEAST_BLOCKS
        p = combined(p, np.where(known, np.nan, np.asarray(sparse_bins_p, dtype=np.float64)))
    if design_effect is not None and dependent.any():
        part = np.flatnonzero(dependent)
        of_means = np.full(len(p), np.nan) if block_mean_p is None else np.asarray(block_mean_p, dtype=np.float64)
        p[part] = _dependent_rows(a[part], b[part], is_ordered[part], design_effect.take(part), of_means[part])
    return p


def _dispersion(rows: FloatArray, effect: DesignEffect) -> FloatArray:
    """By what the statistics of windows with so many rows are to be divided, 1 or more."""
    # Shares that move do so for all rows of a window.
    return 1.0 + (effect.dispersion - 1.0) * np.maximum(rows / effect.rows, 1.0)


def _independent_rows(
    a: FloatArray, b: FloatArray, part: NDArray[np.intp], *, ordered: bool, dispersion: FloatArray
) -> FloatArray:
    """P-values of some columns, all of them with rows on both sides, all ordered or none."""
    if part.size < a.shape[0]:
        a, b = a[part], b[part]
    fine = [(a[group], b[group], dispersion[group]) for group in column_groups(*a.shape)]
    if ordered and a.shape[1] > _MOST_ORDERED_BINS:
        # Few bins are left, so what follows is done for all columns at once.
        coarse = [coarsen(x, y, most=_MOST_ORDERED_BINS) for x, y, _ in fine]
        fine = [(np.concatenate([x for x, _ in coarse]), np.concatenate([y for _, y in coarse]), dispersion)]
    return np.concatenate([_pooled_p_values(x, y, ordered=ordered, dispersion=by) for x, y, by in fine])


def _pooled_p_values(a: FloatArray, b: FloatArray, *, ordered: bool, dispersion: FloatArray) -> FloatArray:
    pooled_a, pooled_b = pool_sparse_bins(a, b, ordered=ordered, least=_LEAST_EXPECTED)
    occupied = np.count_nonzero(pooled_a + pooled_b, axis=1)
    p = np.empty(a.shape[0])
    few = occupied <= 2
    if few.any():
        # The exact test needs no pooling, so a rare value of a small sample still counts.
        p[few] = _two_bins(a[few], b[few])
    many = ~few
    if many.any():
        a, b = pooled_a[many], pooled_b[many]
        omnibus = _omnibus(a, b, occupied[many], ordered=ordered, dispersion=dispersion[many])
        p[many] = cauchy(omnibus, _cumulative(a, b)) if ordered else omnibus
    return p


def _two_bins(a: FloatArray, b: FloatArray) -> FloatArray:
    """Twice the smaller one-sided exact p-value of the largest bin against the rest."""
    largest = (a + b).argmax(axis=1)[:, None]
    k = np.take_along_axis(a, largest, axis=1)[:, 0]
    k0 = np.take_along_axis(b, largest, axis=1)[:, 0]
    n, m = a.sum(axis=1), b.sum(axis=1)
    one_sided = np.minimum(excess_p_value(k, n, k0, m), excess_p_value(n - k, n, m - k0, m))
    return np.minimum(1.0, 2.0 * one_sided)


def _omnibus(
    a: FloatArray, b: FloatArray, occupied: NDArray[np.intp], *, ordered: bool, dispersion: FloatArray
) -> FloatArray:
    from scipy.special import gammaincc

    n, m = a.sum(axis=1, keepdims=True), b.sum(axis=1, keepdims=True)
    share = (a + b) / (n + m)
    statistic = _power_divergence(a, share * n)
    statistic += _deviance(b, share * m) if ordered else _power_divergence(b, share * m)
    bins = occupied - 1
    mean, added = dispersion * bins, (dispersion - 1.0) * bins
    freedom = mean**2 / (bins + 2.0 * added + added**2 / _DIRECTIONS)
    p: FloatArray = gammaincc(freedom / 2.0, np.maximum(statistic, 0.0) / mean * freedom / 2.0)
    return p


def _power_divergence(observed: FloatArray, expected: FloatArray) -> FloatArray:
    """`9 / 5 * sum(observed * ((observed / expected)**(2/3) - 1))`, shape (d,)."""
    ratio = np.divide(observed, expected, out=np.ones_like(observed), where=expected > 0)
    root = np.cbrt(ratio, out=ratio)
    root *= root
    root -= 1.0
    cells: FloatArray = np.einsum("db,db->d", observed, root)
    return 1.8 * cells


def _deviance(observed: FloatArray, expected: FloatArray) -> FloatArray:
    """`2 * sum(observed * ln(observed / expected))`, shape (d,)."""
    ratio = np.divide(observed, expected, out=np.ones_like(observed), where=observed > 0)
    cells: FloatArray = np.einsum("db,db->d", observed, np.log(ratio, out=ratio))
    return 2.0 * cells


def _cumulative(a: FloatArray, b: FloatArray) -> FloatArray:
    statistic, mean, square = _cumulative_statistic(a, b)
    left = np.maximum(mean - LEAD, 1e-9)
    rest = np.clip((square - LEAD**2) / left, 1e-9, LEAD)
    return upper_tail(
        statistic,
        lead=np.full_like(mean, LEAD),
        rest=rest,
        freedom=left / rest,
        scale_freedom=np.full_like(mean, np.inf),
    )


def _cumulative_statistic(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The statistic, its mean and half its variance under independence, each of shape (d,)."""
    n, m = a.sum(axis=1, keepdims=True), b.sum(axis=1, keepdims=True)
    total = n + m
    share = (a + b) / total
    # The share of the live rows less the pooled one is m / total of the difference of the two samples; given the
    # pooled counts, its variance at an edge is that of a draw without replacement.
    deviation = a / n
    deviation -= share
    deviation *= np.sqrt(n * (total - 1.0) / m)
    edges = Edges.of(share)
    mapped = edges.map(deviation)
    return np.einsum("db,db->d", mapped, mapped), *edges.moments()


def _dependent_rows(
    a: FloatArray, b: FloatArray, ordered: BoolArray, effect: DesignEffect, of_means: FloatArray
) -> FloatArray:
    """P-values against the baseline's own variation from block to block."""
    shares = a / a.sum(axis=1, keepdims=True), b / b.sum(axis=1, keepdims=True)
    omnibus = [omnibus_features(share, effect.share) for share in shares]
    p = _against_blocks(omnibus[0] - omnibus[1], a, b, effect.omnibus, effect)
    q = _against_blocks(Edges.of(effect.share).map(shares[0] - shares[1]), a, b, effect.cumulative, effect)
    on_bins = cauchy(p, q)
    return np.where(ordered, combined(on_bins, of_means), p)


def _against_blocks(
    gap: FloatArray, a: FloatArray, b: FloatArray, estimate: ScaleEstimate, effect: DesignEffect
) -> FloatArray:
    """P-value of the squared length of a difference of features."""
    n, m = a.sum(axis=1), b.sum(axis=1)
    window = 1.0 + (estimate.factor - 1.0) * np.maximum(n / effect.rows, 1.0)
    # A mean of blocks that are alike is known less well.
    baseline = estimate.factor * blocks_per_independent_one(m / effect.rows, effect.correlation)
    statistic = np.einsum("db,db->d", gap, gap) / estimate.mean / (window / n + baseline / m)
    left = np.maximum(1.0 - estimate.lead, 1e-9)
    rest = np.clip((1.0 / estimate.freedom - estimate.lead**2) / left, 1e-9, estimate.lead)
    return upper_tail(
        statistic,
        lead=estimate.lead,
        rest=rest,
        freedom=left / rest,
        scale_freedom=estimate.scale_freedom,
    )
