"""Distances between two distributions given as counts on the same bins.

Every function takes `live` and `baseline` counts of shape (..., B) and returns shape (...). The last axis is the
bins; columns with fewer bins are padded with zeros on both sides, and a bin that is empty on both sides
contributes nothing. A side without rows has no distribution, so the distance is nan.

`p` and `q` below are the shares of the live and the baseline rows in each bin, `n` and `m` their numbers of rows.
All but `chi_square` and `wasserstein` are free of the sample size and of the unit of the column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

# What an empty bin on one side counts for in `psi`: half a row, the least that could have been seen and was not.
_UNSEEN_ROWS = 0.5


def psi(live: ArrayLike, baseline: ArrayLike) -> FloatArray:
    """Population stability index, `sum((p - q) * ln(p / q))`; 0 or more.

    A bin that is empty on one side would make it infinite. Such a side counts as half a row (0.5 / n or 0.5 / m),
    though never as more than the other side's share: a baseline of ten rows does not contradict a category that
    one live row in a million has. Bins occupied on both sides enter exactly as the formula says.

    Source: Yurdakul (2018), Statistical Properties of Population Stability Index.
    """
    live, baseline, n, m = _counts_and_rows(live, baseline)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = live / n
        q = baseline / m
        if not (live.all() and baseline.all()):
            p, q = (
                np.where(p == 0, np.minimum(_UNSEEN_ROWS / n, q), p),
                np.where(q == 0, np.minimum(_UNSEEN_ROWS / m, p), q),
            )
        ratio = np.divide(p, q, out=np.ones_like(p), where=q != 0)
        value: FloatArray = np.einsum("...b,...b->...", p - q, np.log(ratio, out=ratio))
    return _absent(value, n, m)


def jensen_shannon(live: ArrayLike, baseline: ArrayLike) -> FloatArray:
    """Jensen-Shannon distance, base 2: the square root of the divergence in bits; 0 to 1.

    With `r = (p + q) / 2` the divergence is `(sum(p * log2(p / r)) + sum(q * log2(q / r))) / 2`. 1 means disjoint.

    Source: Endres and Schindelin (2003), doi:10.1109/TIT.2003.813506; as `scipy.spatial.distance.jensenshannon`.
    """
    live, baseline, n, m = _counts_and_rows(live, baseline)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = live / n
        q = baseline / m
        mixed = (p + q) / 2.0
        # Ratios rather than a difference of entropies: equal shares give exactly 0.
        nats = _relative_entropy(p, mixed) + _relative_entropy(q, mixed)
        value = np.sqrt(np.clip(nats / (2.0 * np.log(2.0)), 0.0, 1.0))
    return _absent(value, n, m)


def kolmogorov_smirnov(live: ArrayLike, baseline: ArrayLike) -> FloatArray:
    """Largest gap between the cumulative shares at a bin's edge; 0 to 1. The bins must be in order."""
    gap, n, m = _cumulative_gap(live, baseline)
    return _absent(np.abs(gap, out=gap).max(axis=-1, initial=0.0), n, m)


def hellinger(live: ArrayLike, baseline: ArrayLike) -> FloatArray:
    """Hellinger distance, `sqrt(sum((sqrt(p) - sqrt(q))**2) / 2)`; 0 to 1, and 1 means disjoint."""
    live, baseline, n, m = _counts_and_rows(live, baseline)
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(live / n)
        root -= np.sqrt(baseline / m)
        # Rounding may push disjoint shares to 1 + 1e-16.
        value = np.minimum(np.sqrt(np.einsum("...b,...b->...", root, root) / 2.0), 1.0)
    return _absent(value, n, m)


def total_variation(live: ArrayLike, baseline: ArrayLike) -> FloatArray:
    """Share of the rows that would have to move, `sum(abs(p - q)) / 2`; 0 to 1."""
    gap, n, m = _share_gap(live, baseline)
    return _absent(np.minimum(np.abs(gap, out=gap).sum(axis=-1) / 2.0, 1.0), n, m)


def l_infinity(live: ArrayLike, baseline: ArrayLike) -> FloatArray:
    """Largest change of any one bin's share, `max(abs(p - q))`; 0 to 1."""
    gap, n, m = _share_gap(live, baseline)
    return _absent(np.abs(gap, out=gap).max(axis=-1, initial=0.0), n, m)


def chi_square(live: ArrayLike, baseline: ArrayLike) -> FloatArray:
    """Pearson's two-sample statistic, `n * m * sum((p - q)**2 / (live + baseline))`; 0 or more.

    It equals `scipy.stats.chi2_contingency([live, baseline], correction=False)` and grows with the rows: without
    drift it is about one less than the number of occupied bins. Use it for a test, not as an effect size.
    """
    live, baseline, n, m = _counts_and_rows(live, baseline)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = live / n
        gap -= baseline / m
        pooled = live + baseline
        gap *= gap
        terms = np.divide(gap, pooled, out=np.zeros_like(gap), where=pooled != 0)
        value = terms.sum(axis=-1) * (n * m)[..., 0]
    return _absent(value, n, m)


def wasserstein(live: ArrayLike, baseline: ArrayLike, *, positions: ArrayLike, scale: ArrayLike) -> FloatArray:
    """Earth mover's distance over the baseline's standard deviation; 0 or more.

    The rows of a bin are taken to lie at the bin's position, so the result is within the widest bin's width of
    the value on raw rows. A constant baseline (scale 0) gives 0 when nothing moved and inf when something did.

    Args:
        live: Counts, shape (..., B).
        baseline: Counts, shape (..., B).
        positions: What value stands for each bin, ascending, shape (..., B) or (B,), in the column's unit.
            Pad with anything of the same size, or inf or nan.
        scale: The baseline's standard deviation, shape (...), in the column's unit.
    """
    gap, n, m = _cumulative_gap(live, baseline)
    places = np.asarray(positions, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        width = np.diff(places, axis=-1)
    # Beside padding a width may be anything, and the gap there is 0 but for rounding.
    width = np.where(np.isfinite(width) & (width > 0), width, 0.0)
    work = np.einsum("...b,...b->...", np.abs(gap[..., :-1]), width)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(work == 0, 0.0, work / np.asarray(scale, dtype=np.float64))
    return _absent(value, n, m)


Distance = Callable[[ArrayLike, ArrayLike], FloatArray]

DISTANCES: Mapping[str, Distance] = MappingProxyType(
    {
        "psi": psi,
        "jensen_shannon": jensen_shannon,
        "kolmogorov_smirnov": kolmogorov_smirnov,
        "hellinger": hellinger,
        "total_variation": total_variation,
        "l_infinity": l_infinity,
        "chi_square": chi_square,
    }
)
"""The distances by name, but for `wasserstein`, which needs positions."""


def _counts_and_rows(live: ArrayLike, baseline: ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Counts as float64, shape (..., B), and rows per column, shape (..., 1)."""
    a = np.asarray(live, dtype=np.float64)
    b = np.asarray(baseline, dtype=np.float64)
    if a.shape[-1:] != b.shape[-1:]:
        raise ValueError(f"live and baseline must have the same bins, got {a.shape[-1:]} and {b.shape[-1:]}")
    return a, b, a.sum(axis=-1, keepdims=True), b.sum(axis=-1, keepdims=True)


def _share_gap(live: ArrayLike, baseline: ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
    """`p - q`, and the rows of each side."""
    live, baseline, n, m = _counts_and_rows(live, baseline)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = live / n
        gap -= baseline / m
    return gap, n, m


def _cumulative_gap(live: ArrayLike, baseline: ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Difference of the cumulative shares after each bin, and the rows of each side.

    Past the last occupied bin it is 0 but for rounding, some 1e-16.
    """
    gap, n, m = _share_gap(live, baseline)
    return np.cumsum(gap, axis=-1, out=gap), n, m


def _relative_entropy(share: FloatArray, mixed: FloatArray) -> FloatArray:
    """`sum(share * ln(share / mixed))`, where an empty bin adds 0."""
    ratio = np.divide(share, mixed, out=np.ones_like(share), where=share > 0)
    total: FloatArray = np.einsum("...b,...b->...", share, np.log(ratio, out=ratio))
    return total


def _absent(value: FloatArray, n: FloatArray, m: FloatArray) -> FloatArray:
    """The value, nan where a side has no rows."""
    result: FloatArray = np.where((n[..., 0] > 0) & (m[..., 0] > 0), value, np.nan)
    return result
