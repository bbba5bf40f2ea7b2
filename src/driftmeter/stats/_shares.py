"""What the distances between two arrays of counts share: each side's shares, their gap and their ratio."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


class Shares:
    """Live and baseline counts of shape (..., B), and what follows from them, computed when first needed."""

    def __init__(self, live: ArrayLike, baseline: ArrayLike) -> None:
        """Take counts on the same bins.

        Raises:
            ValueError: If the bins differ in number.
        """
        self.live: FloatArray = np.asarray(live, dtype=np.float64)
        self.baseline: FloatArray = np.asarray(baseline, dtype=np.float64)
        if self.live.shape[-1:] != self.baseline.shape[-1:]:
            raise ValueError(
                f"live and baseline must have the same bins, got shapes {self.live.shape} and {self.baseline.shape}"
            )
        self.n: FloatArray = self.live.sum(axis=-1, keepdims=True)
        self.m: FloatArray = self.baseline.sum(axis=-1, keepdims=True)

    @cached_property
    def p(self) -> FloatArray:
        """Share of the live rows in each bin; 0 where there are no rows."""
        return self.live / np.maximum(self.n, 1.0)

    @cached_property
    def q(self) -> FloatArray:
        """Share of the baseline rows in each bin; 0 where there are no rows."""
        return self.baseline / np.maximum(self.m, 1.0)

    @cached_property
    def gap(self) -> FloatArray:
        """`p - q`."""
        return self.p - self.q

    @cached_property
    def cumulative_gap(self) -> FloatArray:
        """The gap summed up to each bin; past the last occupied bin it is 0 but for rounding, some 1e-16."""
        return np.cumsum(self.gap, axis=-1)

    @cached_property
    def half_rows(self) -> tuple[FloatArray, FloatArray]:
        """`p` and `q` where an empty side counts as half a row, though never as more than the other side's share."""
        p, q = self.p, self.q
        if not p.all():
            p = np.where(p == 0, np.minimum(0.5 / np.maximum(self.n, 1.0), q), p)
        if not q.all():
            q = np.where(q == 0, np.minimum(0.5 / np.maximum(self.m, 1.0), self.p), q)
        return p, q

    @cached_property
    def log_ratio(self) -> FloatArray:
        """`ln(p / q)` with half a row for an empty side, 0 where both are empty."""
        p, q = self.half_rows
        if q.all():
            ratio = p / q
        else:
            # Dividing everywhere and mending is several times faster than a masked division.
            with np.errstate(invalid="ignore"):
                ratio = p / q
            ratio[q == 0] = 1.0
        return np.log(ratio, out=ratio)

    def present(self, value: FloatArray) -> FloatArray:
        """The value, nan where a side has no rows."""
        return np.where((self.n[..., 0] > 0) & (self.m[..., 0] > 0), value, np.nan)
