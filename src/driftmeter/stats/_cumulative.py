"""The cumulative chi-square: Anderson and Darling's statistic on bins.

At each edge between bins the columns left and right of it are compared by a chi-square with one degree of freedom,
and these are averaged with the mean share of the two adjacent bins as weight. So it looks first at shifts, then
at changes of spread, and hardly at single bins.

With F_j the pooled share below edge j, the deviations at two edges i < j correlate as
`sqrt(o_i / o_j)`, o = F / (1 - F) being the odds, hence sums over pairs are cumulative sums. With these weights the
largest eigenvalue of the null is 1/2 whatever the bins (its direction is Wilcoxon's rank sum).

Source: Anderson and Darling (1952), doi:10.1214/aoms/1177729437; Hirotsu (1986), Cumulative chi-squared statistic
as a tool for testing goodness of fit, doi:10.1093/biomet/73.1.165.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

LEAD = 0.5
"""The largest eigenvalue under independent rows."""


@dataclass(frozen=True)
class Edges:
    """The edges between d columns' bins, each field of shape (d, B - 1)."""

    weight: FloatArray
    """Mean share of the two adjacent bins, 0 outside the occupied ones."""

    below: FloatArray
    """Share below the edge."""

    @classmethod
    def of(cls, share: FloatArray) -> Edges:
        """The edges of bins with pooled shares of shape (d, B)."""
        below = np.cumsum(share, axis=1)[:, :-1]
        inside = (below > 1e-12) & (below < 1.0 - 1e-12)
        weight = 0.5 * (share[:, 1:] + share[:, :-1])
        weight *= inside
        return cls(weight, np.where(inside, below, 0.5))

    def map(self, deviation: FloatArray) -> FloatArray:
        """Map deviations of shares to a vector whose squared length is the statistic.

        Args:
            deviation: `sqrt(rows) * (shares of a sample - pooled shares)`, shape (..., d, B).

        Returns:
            Shape (..., d, B - 1).
        """
        scaled: FloatArray = np.cumsum(deviation, axis=-1)[..., :-1]
        scaled *= np.sqrt(self.weight / (self.below * (1.0 - self.below)))
        return scaled

    def moments(self) -> tuple[FloatArray, FloatArray]:
        """The null's sum of eigenvalues (its mean) and sum of their squares (half its variance), shape (d,)."""
        odds = self.below / (1.0 - self.below)
        towards = self.weight * odds
        reach = np.cumsum(towards, axis=1)
        reach -= towards
        reach /= odds
        reach *= 2.0
        reach += self.weight
        return self.weight.sum(axis=1), np.einsum("db,db->d", self.weight, reach)
