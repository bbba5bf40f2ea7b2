"""Correction of p-values for the many columns of a model."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def benjamini_hochberg(p: ArrayLike) -> FloatArray:
    """Adjusted p-values: calling those at most q drifted keeps the false discovery rate at q.

    Where no column drifted, at most a share q of the windows has any call at all. nan stays nan and does not
    count as a test.

    Args:
        p: P-values of one model's columns, shape (..., d); each row is corrected by itself.

    Returns:
        Adjusted p-values, shape (..., d).

    Source: Benjamini and Hochberg (1995), doi:10.1111/j.2517-6161.1995.tb02031.x; valid under positive dependence.
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, axis=-1)  # nan sorts last
    ranked = np.take_along_axis(values, order, axis=-1)
    tests = np.count_nonzero(~np.isnan(values), axis=-1, keepdims=True)
    scaled = ranked * tests / np.arange(1, values.shape[-1] + 1)
    # From the largest down, no smaller p-value may end above a larger one.
    adjusted = np.fmin.accumulate(scaled[..., ::-1], axis=-1)[..., ::-1]
    result = np.empty_like(values)
    np.put_along_axis(result, order, np.minimum(adjusted, 1.0), axis=-1)
    return np.where(np.isnan(values), np.nan, result)
