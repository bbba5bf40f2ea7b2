"""How much windows a season apart differ when nothing is wrong, learned from the comparisons so far.

Rows that arrive together are alike, and one Monday is not the next: so the chi-square of two windows a season apart,
over its degrees of freedom, is not 1 on average but some D, and varies as D chi2(v) / v with a v of its own: 1 where
all of the difference is a shift by that day's weather. The median and the upper quartile of many comparisons tell D
and v, whatever some of them found: a change lasts for one season, and comparisons are kept for five. With M of them, a
new one is compared with D F(v, M / 3)::

    ratios so far    0.2 0.9 1.1 2.0 2.3 4.1 9.8     median 2.0, quartile 3.2, so v = 4.0 and D = 2.4

False alarms by simulation, M = 8 to 168, v = 1 to 20: at most 1.0 times alpha at 5 %, 1.1 at 1 %, 1.4 at 0.1 %.

Source: Rao and Scott (1981), doi:10.1080/01621459.1981.10477633, for the chi-square of clustered rows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np

from driftmeter import stats
from driftmeter.schema import Column
from driftmeter.typing import Float64Array

LEAST: Final = 8
"""Comparisons that it takes to know a column."""
_SEASONS: Final = 5
_FEWEST_KEPT: Final = 64


class Experience:
    """What the comparisons of a season of ``windows`` windows have shown so far."""

    def __init__(self, *, windows: int) -> None:
        self._kept = max(_FEWEST_KEPT, _SEASONS * windows)
        self._ratios: dict[Column, deque[float]] = {}

    def p_values(self, columns: Sequence[Column], live: Float64Array, baseline: Float64Array) -> Float64Array:
        """Return how likely counts so different are by the comparisons so far; NaN for columns with fewer than 8.

        Args:
            columns: The columns.
            live: Counts of the window, shape (columns, bins).
            baseline: Counts on the same bins, likewise.
        """
        from scipy.special import fdtrc

        found = np.full(len(columns), np.nan)
        for at, (column, ratio) in enumerate(zip(columns, _ratios(live, baseline), strict=True)):
            known = self._ratios.get(column, ())
            if len(known) >= LEAST:
                median, quartile = np.quantile(known, (0.5, 0.75))
                freedom = _freedom(float(quartile / max(median, 1e-12)))
                scale = max(1.0, float(median) / _median(freedom))
                found[at] = fdtrc(freedom, len(known) / 3.0, ratio / scale)
        return found

    def note(self, columns: Sequence[Column], live: Float64Array, baseline: Float64Array) -> None:
        """Note what a comparison showed."""
        for column, ratio in zip(columns, _ratios(live, baseline), strict=True):
            self._ratios.setdefault(column, deque(maxlen=self._kept)).append(float(ratio))


def _ratios(live: Float64Array, baseline: Float64Array) -> Float64Array:
    """Return each column's Freeman-Tukey chi-square over its degrees of freedom.

    Pearson's grows as exp(z^2) when all rows move by z, and no number of ordinary days would foretell a larger z.
    """
    freedom = np.count_nonzero(live + baseline, axis=1) - 1
    rows, others = live.sum(axis=1), baseline.sum(axis=1)
    telling = rows * others / np.maximum(rows + others, 1.0)
    return np.asarray(8.0 * telling * stats.hellinger(live, baseline) ** 2 / np.maximum(freedom, 1), dtype=np.float64)


_FREEDOMS: Final = np.geomspace(0.5, 100.0, 60)


def _freedom(spread: float) -> float:
    """Return the v whose chi-square has an upper quartile so many times its median; at most 100."""
    return float(np.interp(-spread, -_spreads(), _FREEDOMS))


@lru_cache(maxsize=1)
def _spreads() -> Float64Array:
    from scipy.special import gammaincinv

    return np.asarray(gammaincinv(_FREEDOMS / 2.0, 0.75) / gammaincinv(_FREEDOMS / 2.0, 0.5), dtype=np.float64)


def _median(freedom: float) -> float:
    """Return the median of chi2(v) / v."""
    from scipy.special import gammaincinv

    return float(gammaincinv(freedom / 2.0, 0.5)) * 2.0 / freedom
