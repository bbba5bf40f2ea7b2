"""P-values of several tests of the same rows as one, by Cauchy's method.

Its level hardly depends on how the tests are correlated, and the smaller p-value is what it mostly follows.

Source: Liu and Xie (2020), doi:10.1080/01621459.2018.1554485.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# Two p-values near 1 say 'too alike', which must not outweigh a small one.
_LARGEST_COMBINED = 0.95


def combined(p: FloatArray, q: FloatArray) -> FloatArray:
    """The p-values of two dependent tests as one; those of the first where the second has none."""
    return np.where(np.isnan(q), p, cauchy(p, np.where(np.isnan(q), 1.0, q)))


def cauchy(p: FloatArray, q: FloatArray) -> FloatArray:
    """The combined p-value of two dependent tests."""
    bounds = (1e-300, _LARGEST_COMBINED)
    evidence = 0.5 / np.tan(np.pi * np.clip(p, *bounds)) + 0.5 / np.tan(np.pi * np.clip(q, *bounds))
    combined: FloatArray = np.arctan2(1.0, evidence) / np.pi
    # Where nothing speaks against it at all, say so rather than 0.95.
    return np.where(np.minimum(p, q) > _LARGEST_COMBINED, np.minimum(p, q), combined)
