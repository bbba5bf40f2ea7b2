"""Distances between two distributions given as counts on the same bins.

Every function takes `live` and `baseline` counts of shape (..., B) and returns shape (...). The last axis is the
bins; columns with fewer bins are padded with zeros on both sides, and a bin that is empty on both sides
contributes nothing. A side without rows has no distribution, so the distance is nan.

`p` and `q` below are the shares of the live and the baseline rows in each bin, `n` and `m` their numbers of rows.
All but `chi_square` and `wasserstein` are free of the sample size and of the unit of the column.

Whoever wants several distances of the same counts calls `distances`, which computes what they share once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import update_wrapper
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftmeter.stats._column_groups import column_groups
from driftmeter.stats._shares import Shares

FloatArray = NDArray[np.float64]


class Distance:
    """A distance of counts, made of a function of what `Shares` holds: several can share one."""

    def __init__(self, from_shares: Callable[[Shares], FloatArray]) -> None:
        self.from_shares = from_shares
        update_wrapper(self, from_shares)

    def __call__(self, live: ArrayLike, baseline: ArrayLike) -> FloatArray:
        """Return the distance, shape (...), of counts of shape (..., B)."""
        return self.from_shares(Shares(live, baseline))


@Distance
def psi(shares: Shares) -> FloatArray:
    """Population stability index, `sum((p - q) * ln(p / q))`; 0 or more.

    A bin that is empty on one side would make it infinite. Such a side counts as half a row (0.5 / n or 0.5 / m),
    though never as more than the other side's share: a baseline of ten rows does not contradict a category that
    one live row in a million has. Bins occupied on both sides enter exactly as the formula says.

    Source: Yurdakul (2018), Statistical Properties of Population Stability Index.
    """
    p, q = shares.half_rows
    value: FloatArray = np.einsum("...b,...b->...", p - q, shares.log_ratio)
    return shares.present(value)


@Distance
def jensen_shannon(shares: Shares) -> FloatArray:
    """Jensen-Shannon distance, base 2: the square root of the divergence in bits; 0 to 1.

    With `r = (p + q) / 2` the divergence is `(sum(p * log2(p / r)) + sum(q * log2(q / r))) / 2`. 1 means disjoint.

    Source: Endres and Schindelin (2003), doi:10.1109/TIT.2003.813506; as `scipy.spatial.distance.jensenshannon`.
    """
    # With r = p / q: p ln(p / mean) + q ln(q / mean) = p ln r - (p + q) ln((1 + r) / 2), which is exactly 0 for
    # equal shares, and q ln 2 for r = 0. Where q is 0, it is p ln 2.
    p, q = shares.p, shares.q
    both = p + q
    only_live = None if q.all() else q == 0
    if only_live is not None:
        q = np.where(only_live, 1.0, q)
        p, both = np.where(only_live, 0.0, p), np.where(only_live, 0.0, both)
    half = p / q
    half += 1.0
    half *= 0.5
    nats = np.einsum("...b,...b->...", p, shares.log_ratio)
    nats -= np.einsum("...b,...b->...", both, np.log(half, out=half))
    if only_live is not None:
        nats += np.log(2.0) * np.where(only_live, shares.p, 0.0).sum(axis=-1)
    return shares.present(np.sqrt(np.clip(nats / (2.0 * np.log(2.0)), 0.0, 1.0)))


@Distance
def kolmogorov_smirnov(shares: Shares) -> FloatArray:
    """Largest gap between the cumulative shares at a bin's edge; 0 to 1. The bins must be in order."""
    reached = shares.cumulative_gap
    return shares.present(np.maximum(reached.max(axis=-1, initial=0.0), -reached.min(axis=-1, initial=0.0)))


@Distance
def hellinger(shares: Shares) -> FloatArray:
    """Hellinger distance, `sqrt(sum((sqrt(p) - sqrt(q))**2) / 2)`; 0 to 1, and 1 means disjoint."""
    root = np.sqrt(shares.p)
    root -= np.sqrt(shares.q)
    # Rounding may push disjoint shares to 1 + 1e-16.
    return shares.present(np.minimum(np.sqrt(np.einsum("...b,...b->...", root, root) / 2.0), 1.0))


@Distance
def total_variation(shares: Shares) -> FloatArray:
    """Share of the rows that would have to move, `sum(abs(p - q)) / 2`; 0 to 1."""
    return shares.present(np.minimum(np.abs(shares.gap).sum(axis=-1) / 2.0, 1.0))


@Distance
def l_infinity(shares: Shares) -> FloatArray:
    """Largest change of any one bin's share, `max(abs(p - q))`; 0 to 1."""
    gap = shares.gap
    return shares.present(np.maximum(gap.max(axis=-1, initial=0.0), -gap.min(axis=-1, initial=0.0)))


@Distance
def chi_square(shares: Shares) -> FloatArray:
    """Pearson's two-sample statistic, `n * m * sum((p - q)**2 / (live + baseline))`; 0 or more.

    It equals `scipy.stats.chi2_contingency([live, baseline], correction=False)` and grows with the rows: without
    drift it is about one less than the number of occupied bins. Use it for a test, not as an effect size.
    """
    pooled = shares.live + shares.baseline
    if not pooled.all():
        pooled[pooled == 0] = 1.0
    scaled = shares.gap / pooled
    value: FloatArray = np.einsum("...b,...b->...", scaled, shares.gap)
    return shares.present(value * (shares.n * shares.m)[..., 0])


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
    return _wasserstein(Shares(live, baseline), positions, scale)


def _wasserstein(shares: Shares, positions: ArrayLike, scale: ArrayLike) -> FloatArray:
    places = np.asarray(positions, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        width = np.diff(places, axis=-1)
    # Beside padding a width may be anything, and the gap there is 0 but for rounding.
    width = np.where(np.isfinite(width) & (width > 0), width, 0.0)
    work = np.einsum("...b,...b->...", np.abs(shares.cumulative_gap[..., :-1]), width)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(work == 0, 0.0, work / np.asarray(scale, dtype=np.float64))
    return shares.present(value)


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


def distances(
    live: ArrayLike,
    baseline: ArrayLike,
    *,
    names: Iterable[str] = tuple(DISTANCES),
    positions: ArrayLike | None = None,
    scale: ArrayLike | None = None,
) -> dict[str, FloatArray]:
    """Several distances of the same counts, for a fraction of the cost of one call each.

    Args:
        live: Counts, shape (..., B).
        baseline: Counts, shape (..., B).
        names: Keys of `DISTANCES`; `wasserstein` comes on top where `positions` and `scale` are given.
        positions: As for `wasserstein`.
        scale: As for `wasserstein`.

    Returns:
        Arrays of shape (...) by name.

    Raises:
        ValueError: If a name is unknown.
    """
    wanted = tuple(names)
    unknown = [name for name in wanted if name not in DISTANCES]
    if unknown:
        raise ValueError(f"names must be among {', '.join(DISTANCES)}, got {unknown[0]!r}")
    a, b = np.asarray(live, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    if a.ndim != 2 or a.shape != b.shape:
        return _distances(a, b, wanted, positions, scale)
    parts = []
    for group in column_groups(*a.shape):
        places = None if positions is None else np.broadcast_to(positions, a.shape)[group]
        spread = None if scale is None else np.broadcast_to(scale, a.shape[:1])[group]
        parts.append(_distances(a[group], b[group], wanted, places, spread))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _distances(
    live: FloatArray,
    baseline: FloatArray,
    names: tuple[str, ...],
    positions: ArrayLike | None,
    scale: ArrayLike | None,
) -> dict[str, FloatArray]:
    shares = Shares(live, baseline)
    result = {name: DISTANCES[name].from_shares(shares) for name in names}
    if positions is not None and scale is not None:
        result["wasserstein"] = _wasserstein(shares, positions, scale)
    return result
