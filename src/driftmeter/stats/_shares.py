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
    def all_occupied(self) -> bool:
        """Whether no bin is empty on either side."""
        return bool(self.p.all() and self.q.all())

    @cached_property
    def one_sided(self) -> NDArray[np.bool_]:
        """Where exactly one side is empty."""
        one_sided: NDArray[np.bool_] = (self.p == 0) != (self.q == 0)
        return one_sided

    @cached_property
    def ratio(self) -> FloatArray:
        """`p / q`, 1 where either is 0."""
        if self.all_occupied:
            return self.p / self.q
        # Dividing everywhere and mending is several times faster than a masked division.
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = self.p / self.q
        ratio[(self.p == 0) | (self.q == 0)] = 1.0
        return ratio

    @cached_property
    def log_ratio(self) -> FloatArray:
        """`ln(p / q)`, 0 where either is 0."""
        return np.log(self.ratio)

    def present(self, value: FloatArray) -> FloatArray:
        """The value, nan where a side has no rows."""
        return np.where((self.n[..., 0] > 0) & (self.m[..., 0] > 0), value, np.nan)
