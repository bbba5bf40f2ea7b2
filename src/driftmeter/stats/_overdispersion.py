"""How much more a column varies from window to window than independent rows would.

Rows that arrive together are alike: a week of flights shares 170 hours of weather, a customer sends a hundred rows.
Blocks of the baseline as long as a window show what that does. Each statistic is the squared distance between two
samples' features: the cumulative one's are those of `_cumulative`, the omnibus one's are

    y_b = 3 / 2 * sqrt(q_b) * (p_b / q_b)^(2/3),     p the sample's shares, q those of all blocks,

which gives Pearson's statistic for small deviations and less for large ones. (If a window's state moves a normal
column by z, Pearson's grows as exp(z^2) - 1; normally distributed states give it tails that blocks do not show.)

With n_t rows in block t, the covariance C of e_t = sqrt(n_t) * (y_t - mean) is the multinomial one if rows are
independent, and larger, in a few directions, if not. The eigenvalues of `sum(e_t e_t') / degrees` give

- the scale tr(C): by what the statistic of a window is to be divided, the design effect;
- the shape, the largest eigenvalue and tr(C)^2 / tr(C^2): how many directions share it;
- and the degrees of freedom of the estimate itself, so the null is F-like: ten blocks know their scale badly, and
  the p-value says so.

tr(C^2) is estimated without bias (Bai and Saranadasa 1996) and raised by 30 %, since windows made of few states have
heavier tails than normal ones (doubled where bins have no order: no other p-value tempers this one there); where the
statistic itself varied yet more between blocks, that counts, the more so the more blocks there are. That neighbouring
blocks are alike is allowed for (`_block_series`). Where the blocks do not contradict independence, at a level of 6 %,
the column counts as independent: an estimate from ten blocks would cost half of the power. Only of many categories so
much less is enough to make a window's statistic look large, and so well do ten blocks know it, that it is divided by
their dispersion (Rao and Scott's first correction).

The shares move by as much in a window with twice the traffic, if it lasts as long: the excess over 1 grows with
the rows of the window. It is not reduced for smaller ones. Windows that overlap are not blocks.

Past windows refine the estimate, but a drift does not teach it that drift is normal: they vary around means of their
own (`_block_series`), none counts for more than is plausible beside the median one, and where they vary significantly
less than the blocks, which then have seen what they have not, the blocks alone count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftmeter.stats._block_series import BlockSeries
from driftmeter.stats._cumulative import Edges
from driftmeter.stats._tempering import tempered_weights

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.intp]

LEAST_BLOCKS = 4
INDEPENDENCE_LEVEL = 0.06
_HEAVY_TAILS = 1.3
_HEAVY_TAILS_WITHOUT_ORDER = 2.0

_WELL_KNOWN = 200.0
"""Degrees of freedom from which on a dispersion is known to a tenth or so."""

_VARIES_LESS_LEVEL = 0.05
_POWERS = 12
_ONE_THREAD = 200_000


def _joined(parts: Sequence[object], name: str) -> Any:
    return np.concatenate([getattr(part, name) for part in parts])


@dataclass(frozen=True)
class ScaleEstimate:
    """One statistic's null as estimated from blocks; each field has shape (d,)."""

    factor: FloatArray
    """Mean of the statistic in multiples of its mean under independence, 1 or more."""

    mean: FloatArray
    """Its mean under independence."""

    lead: FloatArray
    """Share of the mean that the leading direction has."""

    freedom: FloatArray
    """Degrees of freedom that the statistic of one block effectively has, 1 or more."""

    scale_freedom: FloatArray
    """Degrees of freedom of the factor's estimate."""

    @classmethod
    def gathered(cls, parts: Sequence[ScaleEstimate]) -> ScaleEstimate:
        """Several estimates, one after the other."""
        return cls(**{field.name: _joined(parts, field.name) for field in fields(cls)})

    def take(self, columns: IntArray) -> ScaleEstimate:
        """The estimate for some of the columns."""
        return ScaleEstimate(**{field.name: getattr(self, field.name)[columns] for field in fields(self)})


@dataclass(frozen=True)
class DesignEffect:
    """Overdispersion of d columns, on the B bins that it was estimated on."""

    omnibus: ScaleEstimate
    cumulative: ScaleEstimate

    share: FloatArray
    """The shares of all blocks of the baseline, shape (d, B)."""

    blocks: FloatArray
    """Blocks of the baseline with rows of the column, shape (d,)."""

    rows: FloatArray
    """Mean rows of these blocks, shape (d,)."""

    correlation: FloatArray
    """How alike neighbouring blocks are, 0 to 0.8, shape (d,)."""

    dependent: BoolArray
    """Whether the blocks contradict independent rows, shape (d,)."""

    dispersion: FloatArray
    """Pearson's statistic of the blocks over its degrees of freedom, at least 1, where many bins without an order tell
    it well; 1 elsewhere, shape (d,)."""

    @classmethod
    def gathered(cls, parts: Sequence[tuple[DesignEffect, IntArray]], *, bins: int) -> DesignEffect:
        """Some columns of each of several design effects, one after the other, padded to so many bins."""
        taken = [effect.take(columns) for effect, columns in parts]
        share = np.zeros((sum(len(part.rows) for part in taken), bins))
        first = 0
        for part in taken:
            own = part.share[:, :bins]
            share[first : first + len(own), : own.shape[1]] = own
            first += len(own)
        return cls(
            omnibus=ScaleEstimate.gathered([part.omnibus for part in taken]),
            cumulative=ScaleEstimate.gathered([part.cumulative for part in taken]),
            share=share,
            **{name: _joined(taken, name) for name in ("blocks", "rows", "correlation", "dependent", "dispersion")},
        )

    def take(self, columns: IntArray) -> DesignEffect:
        """The design effect of some of the columns."""
        return DesignEffect(
            omnibus=self.omnibus.take(columns),
            cumulative=self.cumulative.take(columns),
            share=self.share[columns],
            blocks=self.blocks[columns],
            rows=self.rows[columns],
            correlation=self.correlation[columns],
            dependent=self.dependent[columns],
            dispersion=self.dispersion[columns],
        )


def estimate_design_effect(blocks: ArrayLike, *, ordered: ArrayLike, history: ArrayLike | None = None) -> DesignEffect:
    """Estimate how columns vary between blocks of window length.

    Blocks and windows must not overlap and be in the order of time. One without rows of a column does not count for
    it, so what is not to be learned from is left out by setting its counts to 0: windows that led to a verdict. To
    leave out all that look suspicious would cut the tails off what is learned, and ever more would look suspicious.

    Args:
        blocks: Counts of the baseline's blocks, shape (T, d, B), on the bins that windows are going to be tested on.
        ordered: Whether the order of the bins means something, shape (d,) or one bool.
        history: Counts of past windows on the same bins, the oldest first, shape (H, d, B).

    Returns:
        The design effect. Columns with fewer than 4 blocks count as independent.
    """
    counts, past = _checked(blocks, history)
    is_ordered = np.broadcast_to(np.asarray(ordered, dtype=bool), counts.shape[1:2])
    total = counts.sum(axis=0)
    share = total / np.maximum(total.sum(axis=1, keepdims=True), 1.0)
    series = BlockSeries.of(counts.sum(axis=2), past.sum(axis=2))
    counts = np.concatenate([counts, past])
    shares = counts / np.maximum(series.rows, 1.0)[..., None]
    edges = Edges.of(share)
    freedom = np.maximum(np.count_nonzero(share, axis=1) - 1.0, 0.0)
    uniform, moments = (freedom, freedom), edges.moments()
    features = omnibus_features(shares, share)
    weights = _weights(features, series, *uniform)
    omnibus = series.deviations(features, weights)
    pearson = series.deviations(shares / np.sqrt(np.where(share > 0, share, 1.0)), weights)
    features = edges.map(shares)
    cumulative = series.deviations(features, _weights(features, series, *moments))
    of_order = np.where(is_ordered, _contradiction(cumulative, series, *moments), 1.0)
    contradiction = np.minimum(_contradiction(pearson, series, *uniform), of_order)
    correlation = np.where(is_ordered, series.correlation(cumulative), series.correlation(omnibus))
    baseline = series.baseline()
    return DesignEffect(
        omnibus=_estimate(
            omnibus,
            series,
            correlation,
            *uniform,
            tails=np.where(is_ordered, _HEAVY_TAILS, _HEAVY_TAILS_WITHOUT_ORDER),
        ),
        cumulative=_estimate(cumulative, series, correlation, *moments),
        share=share,
        blocks=baseline.seen,
        rows=baseline.rows.sum(axis=0) / np.maximum(baseline.seen, 1.0),
        correlation=correlation,
        dependent=(baseline.seen >= LEAST_BLOCKS) & (contradiction < INDEPENDENCE_LEVEL),
        dispersion=np.where(is_ordered, 1.0, _dispersion(pearson, series, freedom)),
    )


def _checked(blocks: ArrayLike, history: ArrayLike | None) -> tuple[FloatArray, FloatArray]:
    counts = np.asarray(blocks, dtype=np.float64)
    if counts.ndim != 3:
        raise ValueError(f"blocks must have shape (T, d, B), got {counts.shape}")
    past = counts[:0] if history is None else np.asarray(history, dtype=np.float64)
    if past.ndim != 3 or past.shape[1:] != counts.shape[1:]:
        raise ValueError(f"history must have shape (H, d, B) with {counts.shape[1:]} of the blocks, got {past.shape}")
    return counts, past


def omnibus_features(shares: FloatArray, share: FloatArray) -> FloatArray:
    """The features `y` of samples with `shares`, shape (..., d, B); `share` has shape (d, B)."""
    occupied = np.where(share > 0, share, 1.0)
    features = np.cbrt(shares / occupied)
    features *= features
    features *= 1.5 * np.sqrt(occupied)
    return features


def _weights(features: FloatArray, series: BlockSeries, trace: FloatArray, trace_of_square: FloatArray) -> FloatArray:
    """The rows of the blocks and past windows, less where a past window is outlandish, shape (T + H, d)."""
    if len(series.rows) == series.blocks:
        return series.rows
    alone = series.baseline()
    blocks = alone.deviations(features[: series.blocks])
    freedom = _scale(blocks, alone, np.zeros_like(trace), trace, trace_of_square).freedom
    return tempered_weights(features, series, freedom=freedom)


def _contradiction(
    deviations: FloatArray, series: BlockSeries, trace: FloatArray, trace_of_square: FloatArray
) -> FloatArray:
    """P-value of the blocks under independent rows, from the first two moments; 1 where there are too few."""
    from scipy.special import gammaincc

    estimable = (series.baseline().seen >= LEAST_BLOCKS) & (trace > 0)
    mean = np.where(estimable, trace, 1.0)
    half = series.degrees * mean**2 / np.where(estimable, trace_of_square, 1.0) / 2.0
    half = np.where(estimable, half, 1.0)
    square = np.einsum("tdk,tdk->d", deviations, deviations) / np.maximum(series.degrees, 1.0)
    return np.where(estimable, gammaincc(half, half * square / mean), 1.0)


def _dispersion(deviations: FloatArray, series: BlockSeries, freedom: FloatArray) -> FloatArray:
    """The mean of the blocks' statistics over its degrees of freedom where there are enough of these, else 1."""
    degrees = series.degrees * freedom
    told = (series.baseline().seen >= LEAST_BLOCKS) & (degrees >= _WELL_KNOWN)
    square = np.einsum("tdk,tdk->d", deviations, deviations)
    return np.where(told, np.maximum(square / np.maximum(degrees, 1.0), 1.0), 1.0)


def _estimate(
    deviations: FloatArray,
    series: BlockSeries,
    correlation: FloatArray,
    trace: FloatArray,
    trace_of_square: FloatArray,
    *,
    tails: FloatArray | float = _HEAVY_TAILS,
) -> ScaleEstimate:
    """What the blocks say, and the past windows with them where there are any."""
    first = series.blocks
    blocks = _scale(deviations[:first], series.baseline(), correlation, trace, trace_of_square, tails=tails)
    if len(series.rows) == first:
        return blocks
    alone = _varies_less(deviations[first:], series.history(), correlation, blocks)
    both = _scale(deviations, series, correlation, trace, trace_of_square, tails=tails)
    return ScaleEstimate(
        **{
            field.name: np.where(alone, getattr(blocks, field.name), getattr(both, field.name))
            for field in fields(ScaleEstimate)
        }
    )


def _scale(
    deviations: FloatArray,
    series: BlockSeries,
    correlation: FloatArray,
    trace: FloatArray,
    trace_of_square: FloatArray,
    *,
    tails: FloatArray | float = _HEAVY_TAILS,
) -> ScaleEstimate:
    """Compare the spectrum with the traces under independence."""
    degrees = series.degrees
    estimable = (series.seen >= LEAST_BLOCKS) & (degrees >= LEAST_BLOCKS - 1) & (trace > 0)
    mean = np.where(estimable, trace, 1.0)
    most = np.where(estimable, np.maximum(mean**2 / np.where(estimable, trace_of_square, 1.0), 1.0), 1.0)
    f = np.where(estimable, degrees, LEAST_BLOCKS - 1.0)
    scale, square, largest = _spectrum(deviations)
    scale, square, largest = scale / f, square / f**2, largest / f
    square -= scale**2 / f
    square *= tails * f**2 / ((f - 1.0) * (f + 2.0))
    square = np.maximum(square, (1.0 - 1.0 / np.sqrt(f + 1.0)) * _half_variance(deviations, f + 1.0))
    unbiased = f / series.independent_degrees(correlation)
    # A column that varies less than independent rows (a timetable) keeps their scale.
    factor = np.maximum(unbiased * scale / mean, 1.0)
    scale = np.maximum(scale, mean / unbiased)
    freedom = np.clip(scale**2 / np.maximum(square, 1e-300), 1.0, most)
    lead = np.clip(largest / scale, 1.0 / freedom, 1.0 / np.sqrt(freedom))
    return ScaleEstimate(
        factor=np.where(estimable, factor, 1.0),
        mean=mean,
        lead=lead,
        freedom=freedom,
        scale_freedom=series.spread_degrees(correlation) * freedom,
    )


def _varies_less(past: FloatArray, history: BlockSeries, correlation: FloatArray, blocks: ScaleEstimate) -> BoolArray:
    """Whether the past windows varied significantly less than the blocks, by an F test, shape (d,)."""
    from scipy.special import fdtr

    square = np.einsum("tdk,tdk->d", past, past) / history.independent_degrees(correlation)
    freedom = history.spread_degrees(correlation) * blocks.freedom
    less: BoolArray = fdtr(freedom, blocks.scale_freedom, square / (blocks.factor * blocks.mean)) < _VARIES_LESS_LEVEL
    return less


def _half_variance(deviations: FloatArray, blocks: FloatArray) -> FloatArray:
    """Half the variance of the blocks' statistics, which is tr(C^2) where they are normal."""
    statistics = np.einsum("tdk,tdk->td", deviations, deviations)
    mean = statistics.sum(axis=0) / blocks
    # Blocks without rows have a statistic of 0 and are not among `blocks`.
    around = (statistics**2).sum(axis=0) - blocks * mean**2
    half: FloatArray = np.maximum(around, 0.0) / (2.0 * (blocks - 1.0))
    return half


def _spectrum(deviations: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Of the eigenvalues of `sum(e e')`: the sum, the sum of squares and the largest, each of shape (d,)."""
    if 0 in deviations.shape:
        zero = np.zeros(deviations.shape[1])
        return zero, zero, zero
    by_column = np.moveaxis(deviations, 1, 0)
    turned = np.swapaxes(by_column, 1, 2)
    # Both matrices have them; the smaller one is cheaper.
    gram = _product(by_column, turned) if by_column.shape[1] <= by_column.shape[2] else _product(turned, by_column)
    total = np.einsum("dii->d", gram)
    gram /= np.where(total > 0, total, 1.0)[:, None, None]
    squared = _product(gram, gram)
    # The power method, two powers at a time, from the column that is longest.
    longest = np.einsum("dii->di", squared).argmax(axis=1)
    vector = np.take_along_axis(squared, longest[:, None, None], axis=2)[..., 0]
    for _ in range(_POWERS):
        vector = np.einsum("dij,dj->di", squared, vector)
        vector /= np.maximum(np.sqrt((vector**2).sum(axis=1, keepdims=True)), 1e-300)
    largest = np.einsum("di,dij,dj->d", vector, gram, vector)
    return total, np.einsum("dii->d", squared) * total**2, largest * total


def _product(a: FloatArray, b: FloatArray) -> FloatArray:
    """Matrix products of shape (d, i, k) and (d, k, j), in slices of k so small that each takes one thread.

    OpenBLAS takes all threads for a larger one, which wait for each other longer than they compute on a busy machine.
    """
    step = max(_ONE_THREAD // (a.shape[1] * b.shape[2]), 1)
    if step >= a.shape[2]:
        return a @ b
    product = np.zeros((a.shape[0], a.shape[1], b.shape[2]))
    for k in range(0, a.shape[2], step):
        product += a[:, :, k : k + step] @ b[:, k : k + step]
    return product
