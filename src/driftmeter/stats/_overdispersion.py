"""How much more a column varies from window to window than independent rows would.

Rows that arrive together are alike: a week of flights shares 170 hours of weather, a customer sends a hundred rows.
Blocks of the baseline as long as a window show what that does. With n_t rows in block t, its shares P_t and the
baseline's shares P, both statistics of `_homogeneity` are squared lengths of a linear map of

    e_t = sqrt(n_t) * (P_t - P),

whose covariance C is the multinomial one if rows are independent, and larger, in a few directions, if not. Over T
blocks the eigenvalues of `sum(e_t e_t') / (T - 1)`, which are those of the blocks' Gram matrix, give

- the scale tr(C): by what the statistic of a window is to be divided, the design effect;
- the shape, the largest eigenvalue and tr(C)^2 / tr(C^2): how many directions share it;
- and T - 1 times that many degrees of freedom of the estimate itself, so the null is F-like: ten blocks know their
  scale badly, and the p-value says so.

tr(C^2) is estimated without bias (Bai and Saranadasa 1996) and raised by 30 %, since windows made of few states have
heavier tails than normal ones; where the statistic itself varied yet more between blocks, that counts, the more so
the more blocks there are. Where the blocks do not contradict independence, at a level of 6 %, the column counts
as independent: an estimate from ten blocks would cost half of the power. What goes unnoticed at that level raises
false alarms at 1 % to some 2.5 % with ten blocks, and to 1.4 % with forty.

The shares move by as much in a window with twice the traffic, if it lasts as long: the excess over 1 grows with
the rows of the window. It is not reduced for smaller ones.

Blocks are taken to be independent of each other, so they should be a few times longer than what the column remembers:
where a block is as long as that, false alarms at 1 % come to 3 %. Windows that overlap are not blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftmeter.stats._cumulative import cumulative_map, cumulative_moments

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_LEAST_BLOCKS = 4
_INDEPENDENCE_LEVEL = 0.06
_HEAVY_TAILS = 1.3


@dataclass(frozen=True)
class ScaleEstimate:
    """One statistic's null as estimated from blocks; each field has shape (d,)."""

    factor: FloatArray
    """Mean of the statistic in multiples of its mean under independence, 1 or more."""

    lead: FloatArray
    """Share of the mean that the leading direction has."""

    freedom: FloatArray
    """Degrees of freedom that the statistic of one block effectively has, 1 or more."""

    contradiction: FloatArray
    """P-value of the blocks under independent rows."""


@dataclass(frozen=True)
class DesignEffect:
    """Overdispersion of d columns, on the bins that it was estimated on."""

    omnibus: ScaleEstimate
    cumulative: ScaleEstimate

    blocks: FloatArray
    """Blocks with rows of the column, shape (d,)."""

    rows: FloatArray
    """Mean rows of these blocks, shape (d,)."""

    dependent: BoolArray
    """Whether the blocks contradict independent rows, shape (d,)."""


def estimate_design_effect(blocks: ArrayLike, *, ordered: ArrayLike) -> DesignEffect:
    """Estimate how columns vary between blocks of window length.

    A block without rows of a column does not count for it, so a block that is not to be learned from, say because
    drift was detected in it, is left out by setting its counts to 0.

    Args:
        blocks: Counts, shape (T, d, B), on the bins that windows are going to be tested on.
        ordered: Whether the order of the bins means something, shape (d,) or one bool.

    Returns:
        The design effect. Columns with fewer than 4 blocks count as independent.
    """
    counts = np.asarray(blocks, dtype=np.float64)
    if counts.ndim != 3:
        raise ValueError(f"blocks must have shape (T, d, B), got {counts.shape}")
    is_ordered = np.broadcast_to(np.asarray(ordered, dtype=bool), counts.shape[1:2])
    rows = counts.sum(axis=2)
    seen = np.count_nonzero(rows, axis=0).astype(np.float64)
    total = counts.sum(axis=0)
    share = total / np.maximum(total.sum(axis=1, keepdims=True), 1.0)
    deviation = counts / np.maximum(rows, 1.0)[..., None] - share
    deviation *= np.sqrt(rows)[..., None]
    omnibus = _estimate(_omnibus_map(deviation, share), seen, *_omnibus_moments(share))
    cumulative = _estimate(cumulative_map(deviation, share), seen, *cumulative_moments(share))
    contradiction = np.where(
        is_ordered,
        np.minimum(omnibus.contradiction, cumulative.contradiction),
        omnibus.contradiction,
    )
    return DesignEffect(
        omnibus=omnibus,
        cumulative=cumulative,
        blocks=seen,
        rows=rows.sum(axis=0) / np.maximum(seen, 1.0),
        dependent=(seen >= _LEAST_BLOCKS) & (contradiction < _INDEPENDENCE_LEVEL),
    )


def _omnibus_map(deviation: FloatArray, share: FloatArray) -> FloatArray:
    """Scaled so that the squared length is Pearson's statistic."""
    return deviation / np.sqrt(np.where(share > 0, share, 1.0))


def _omnibus_moments(share: FloatArray) -> tuple[FloatArray, FloatArray]:
    """tr(C) and tr(C^2) under independence: the number of occupied bins less one, both."""
    freedom = np.maximum(np.count_nonzero(share, axis=1) - 1.0, 0.0)
    return freedom, freedom


def _estimate(mapped: FloatArray, seen: FloatArray, trace: FloatArray, trace_of_square: FloatArray) -> ScaleEstimate:
    """Compare the blocks' eigenvalues with the traces under independence."""
    from scipy.special import gammaincc

    estimable = (seen >= _LEAST_BLOCKS) & (trace > 0)
    mean = np.where(estimable, trace, 1.0)
    most = np.where(estimable, np.maximum(mean**2 / np.where(estimable, trace_of_square, 1.0), 1.0), 1.0)
    t = np.where(estimable, seen, _LEAST_BLOCKS)
    eigenvalues = _eigenvalues(mapped) / (t - 1.0)[:, None]
    scale = eigenvalues.sum(axis=1)
    square = (eigenvalues**2).sum(axis=1) - scale**2 / (t - 1.0)
    square *= _HEAVY_TAILS * (t - 1.0) ** 2 / ((t - 2.0) * (t + 1.0))
    square = np.maximum(square, (1.0 - 1.0 / np.sqrt(t)) * _half_variance(mapped, t))
    # A column that varies less than independent rows (a timetable) keeps their scale.
    factor = np.maximum(scale / mean, 1.0)
    scale = factor * mean
    freedom = np.clip(scale**2 / np.maximum(square, 1e-300), 1.0, most)
    lead = np.clip(eigenvalues[:, -1] / scale, 1.0 / freedom, 1.0 / np.sqrt(freedom))
    half = (t - 1.0) * most / 2.0
    contradiction = gammaincc(half, half * eigenvalues.sum(axis=1) / mean)
    return ScaleEstimate(
        factor=np.where(estimable, factor, 1.0),
        lead=lead,
        freedom=freedom,
        contradiction=np.where(estimable, contradiction, 1.0),
    )


def _half_variance(mapped: FloatArray, blocks: FloatArray) -> FloatArray:
    """Half the variance of the blocks' statistics, which is tr(C^2) where they are normal."""
    statistics = np.einsum("tdk,tdk->td", mapped, mapped)
    mean = statistics.sum(axis=0) / blocks
    # Blocks without rows have a statistic of 0 and are not among `blocks`.
    around = (statistics**2).sum(axis=0) - blocks * mean**2
    half: FloatArray = np.maximum(around, 0.0) / (2.0 * (blocks - 1.0))
    return half


def _eigenvalues(mapped: FloatArray) -> FloatArray:
    """Eigenvalues of `sum(e e')` per column, ascending, from the smaller of the two matrices that have them."""
    if 0 in mapped.shape:
        return np.zeros((mapped.shape[1], 1))
    by_column = np.ascontiguousarray(np.moveaxis(mapped, 1, 0))
    turned = np.swapaxes(by_column, 1, 2)
    gram = by_column @ turned if by_column.shape[1] <= by_column.shape[2] else turned @ by_column
    eigenvalues: FloatArray = np.maximum(np.linalg.eigvalsh(gram), 0.0)
    return eigenvalues
