"""How large a change is, apart from how sure one can be of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftmeter.stats._shares import Shares

FloatArray = NDArray[np.float64]


def moved_share(live: ArrayLike, baseline: ArrayLike) -> FloatArray:
    """Share of the rows that moved, less what chance moves; 0 to 1.

    The total variation distance of two samples of one distribution is not 0 but, with B bins, some
    `0.4 * sqrt(B * (1 / n + 1 / m))`: 9 % with 50 bins and a thousand rows. That expectation is taken off as noise is,
    `sqrt(tv**2 - expected**2)`, and what is left hardly depends on the rows or the bins. With many rows it is the
    total variation distance itself.

    Args:
        live: Counts, shape (..., B).
        baseline: Counts on the same bins, shape (..., B).

    Returns:
        Shape (...), nan where a side has no rows.
    """
    shares = Shares(live, baseline)
    distance = np.abs(shares.gap).sum(axis=-1) / 2.0
    rows = np.maximum(shares.n, 1.0), np.maximum(shares.m, 1.0)
    pooled = (shares.live + shares.baseline) / (rows[0] + rows[1])
    # Half of the mean absolute value of a normal deviation with variance v is sqrt(v / (2 pi)).
    variance = pooled * (1.0 - pooled) * (1.0 / rows[0] + 1.0 / rows[1])
    by_chance = np.sqrt(np.maximum(variance, 0.0) / (2.0 * np.pi)).sum(axis=-1)
    return shares.present(np.minimum(np.sqrt(np.maximum(distance**2 - by_chance**2, 0.0)), 1.0))
