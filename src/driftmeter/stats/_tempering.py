"""Weights of past windows by which an outlandish one neither counts in full nor bends the line of its stretch.

A window counts in full as long as its squared deviation is plausible beside the median one: below what one in a
hundred exceeds where squared deviations are chi-square distributed. What is above gets the weight that brings it down
to that, and the lines are fitted again with these weights (Huber's iteratively reweighted fit).

Source: Huber (1964), doi:10.1214/aoms/1177703732; Holland and Welsch (1977), doi:10.1080/03610927708827533.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from driftmeter.stats._block_series import BlockSeries

FloatArray = NDArray[np.float64]

_PLAUSIBLE = 0.99
_FITS = 4


def tempered_weights(
    values: FloatArray, series: BlockSeries, *, freedom: FloatArray, weights: FloatArray | None = None
) -> FloatArray:
    """Weights for `series.deviations`: those of past windows tempered, the baseline's own blocks' what they are.

    Args:
        values: Shape (T + H, d, K).
        series: The blocks and past windows.
        freedom: Degrees of freedom of a squared deviation, shape (d,).
        weights: Of the blocks, shape (T + H, d), 0 where there are no rows; the rows if not given.

    Returns:
        Shape (T + H, d).
    """
    weight = series.rows if weights is None else weights
    first, history = series.blocks, series.history()
    if not len(history.rows):
        return weight
    part = np.ones_like(history.rows)
    for _ in range(_FITS):
        past = history.deviations(values[first:], weight[first:] * part)
        part = _plausible_part(np.einsum("tdk,tdk->td", past, past) / part, freedom)
    return np.concatenate([weight[:first], weight[first:] * part])


def _plausible_part(statistics: FloatArray, freedom: FloatArray) -> FloatArray:
    """What part of each past window's statistic counts, shape (H, d), above 0."""
    from scipy.special import gammaincinv

    # Those of windows that do not count are 0, and sort before the others.
    ranked = np.sort(statistics, axis=0)
    counted = np.count_nonzero(statistics, axis=0)
    middle = np.minimum(len(ranked) - (counted + 1) // 2, len(ranked) - 1)
    median = np.take_along_axis(ranked, middle[None], axis=0)[0]
    most = median * gammaincinv(freedom / 2.0, _PLAUSIBLE) / gammaincinv(freedom / 2.0, 0.5)
    part: FloatArray = np.minimum(1.0, np.maximum(most, 1e-300) / np.maximum(statistics, 1e-300))
    return part
