"""How many bins to compare on, and which buckets or categories make them.

Bins come from the baseline alone, so that they can be computed once. Their number follows the smaller sample: more
bins than that see noise, fewer miss narrow changes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

IntArray = NDArray[np.intp]

ROWS_PER_BIN = 20
"""Rows of the smaller sample that a numeric bin should expect."""

# The baseline's own rows make the bins, so their number per bin is fixed and the true share of the bin is what
# varies, by 1 / rows: with 20 that skews every statistic, with 80 hardly.
_BASELINE_ROWS_PER_BIN = 80

# Counts of bins in steps of a quarter or so: bins and what is derived from them stay the same from one window to
# the next, though the traffic differs a little.
_LADDER = np.array([1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 25, 32, 40, 50, 64, 80, 100, 128, 160, 200, 256])


def bin_count(n_live: float, n_baseline: float, *, max_bins: int = 50) -> int:
    """How many equally likely bins to compare two samples of a numeric column on, see `bin_counts`."""
    return int(bin_counts(n_live, n_baseline, max_bins=max_bins))


def bin_counts(n_live: ArrayLike, n_baseline: ArrayLike, *, max_bins: int = 50) -> IntArray:
    """How many equally likely bins to compare two samples of each numeric column on.

    Args:
        n_live: Rows of the live window, shape (d,).
        n_baseline: Rows of the baseline, shape (d,).
        max_bins: Never more than this.

    Returns:
        1 to `max_bins`, shape (d,): such that a bin expects 20 rows of the live window and 80 of the baseline, rounded
        down to a coarse ladder. 1 means that there are too few rows to compare.
    """
    if max_bins < 1:
        raise ValueError(f"max_bins must be 1 or more, got {max_bins}")
    live, baseline = np.asarray(n_live, dtype=np.float64), np.asarray(n_baseline, dtype=np.float64)
    # Of small windows four bins are worth having though they expect but 10 rows each.
    by_live = np.maximum(live / ROWS_PER_BIN, np.minimum(4.0, 2.0 * live / ROWS_PER_BIN))
    wanted = np.minimum(np.minimum(by_live, baseline / _BASELINE_ROWS_PER_BIN), float(max_bins))
    rung = np.searchsorted(_LADDER, wanted, side="right") - 1
    return _LADDER[np.maximum(rung, 0)]


def equal_mass_groups(counts: ArrayLike, n_bins: int, *, sizes: ArrayLike | None = None) -> IntArray:
    """Group neighbouring buckets of the baseline into about equally likely bins.

    A bucket that holds a bin's mass or more (many rows of one value) is a bin of its own; the run of buckets between
    two such ones is cut evenly, and is one bin if it holds less than a bin's mass.

        counts 1 1 9 1 1 2, n_bins 5 (3 a bin)  ->  groups 0 0 1 2 2 2

    Args:
        counts: Baseline rows per bucket, in the order of the buckets, shape (K,).
        n_bins: Bins wanted; a column of few values gives fewer, heavy buckets may give a few more.
        sizes: How many buckets each column has, shape (d,), where `counts` are those of several columns, one after the
            other. None of them may be 0.

    Returns:
        Group per bucket, in each column from 0, ascending without gaps, shape (K,).
    """
    mass = np.asarray(counts, dtype=np.float64)
    if n_bins < 1:
        raise ValueError(f"n_bins must be 1 or more, got {n_bins}")
    if mass.size == 0:
        return np.zeros(mass.shape, dtype=np.intp)
    length = np.asarray([mass.size] if sizes is None else sizes, dtype=np.intp)
    begin = np.cumsum(length) - length
    total = np.add.reduceat(mass, begin)
    target = np.repeat(np.where(total > 0, total, 1.0) / n_bins, length)
    # A hair below the target, or rounding splits a bucket's exact share.
    heavy = mass >= target * (1.0 - 1e-9)
    starts = heavy.copy()
    starts[1:] |= heavy[:-1]
    starts[begin] = True
    run = np.cumsum(starts) - 1
    run_mass = np.bincount(run, mass)
    cuts = np.maximum(np.floor(run_mass / target[starts] * (1.0 + 1e-9)), 1.0)
    cuts[run[heavy]] = 1.0
    before = np.cumsum(mass) - mass
    # A light bucket is narrower than its run's bins, so no bin between two buckets' middles is left out.
    middle = (before - before[starts][run] + mass / 2.0) / np.maximum(run_mass, 1e-300)[run]
    inner = np.minimum(np.floor(middle * cuts[run]), cuts[run] - 1.0)
    cut = (np.cumsum(cuts) - cuts)[run] + inner
    changes = np.ones(mass.shape, dtype=bool)
    changes[1:] = cut[1:] != cut[:-1]
    group = np.cumsum(changes) - 1
    of_column: IntArray = group - np.repeat(group[begin], length)
    return of_column


class CategoryCuts:
    """How many of a baseline's categories stand alone when a window has so many rows; the rest share a bin.

    A category stands alone if it expects `least` rows. But the baseline's own counts say so, and of many categories
    that are alike those come out on top that chance favoured: together they have fewer rows in any other sample, and
    the rest has more. By Good and Turing some `t N_t`, if `N_t` categories have the count `t` that the line is drawn
    at. The line is drawn only where that is lost in the noise: else below more categories, else below fewer, and where
    there is no such place at all nothing can be told::

        counts 60 55 52 | 9 8 9 7       a gap: no category is near the line
        counts 6 6 5 5 5 4 4 4 3 |      none but below all of them, if no others went unnamed or were seen but once

    What is too sparse then is pooled by the counts of both sides, which biases nothing. Nor does a hash of the names,
    by which the rest is spread over some bins where it has most of the rows: in one bin it could not be seen to change.

    Source: Good (1953), doi:10.1093/biomet/40.3-4.237.
    """

    def __init__(self, counts: ArrayLike, *, unnamed: float = 0.0, least: float = 5.0) -> None:
        """Look for the lines.

        Args:
            counts: Baseline rows by category, shape (K,).
            unnamed: Baseline rows of categories that are none of these.
            least: Rows that a category has to expect to stand alone.
        """
        ranked = -np.sort(-np.asarray(counts, dtype=np.float64))
        self._total = float(ranked.sum() + unnamed)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            self._alone_from = least * self._total / ranked
            self._most_rows = np.full(len(ranked) + 1, np.inf)
            self._most_rows[1:] = _rows_without_bias(ranked, self._total, unnamed=unnamed)
        self._least = least
        self._rest = np.append(self._total, self._total - np.cumsum(ranked))

    def alone(self, rows: float) -> int:
        """Return how many categories, the most frequent ones, stand alone with so many rows on the smaller side."""
        alone = int(np.searchsorted(self._alone_from, rows * (1.0 + 1e-9), side="right"))
        if alone == 0 or self._most_rows[alone] >= rows:
            return alone
        lines = np.flatnonzero(self._most_rows >= rows)
        after = int(np.searchsorted(lines, alone))
        return int(lines[after]) if after < len(lines) else int(lines[-1])

    def buckets(self, rows: float, *, alone: int, most: int) -> int:
        """Return over how many bins the categories that do not stand alone are to be spread by a hash of their names.

        Args:
            rows: Rows on the smaller side.
            alone: How many stand alone.
            most: Never more than this.

        Returns:
            A power of two such that each expects `least` rows; 1 where most rows are of categories that stand alone.
        """
        rest = float(self._rest[alone])
        if 2.0 * rest <= self._total:
            return 1
        expected = rows * rest / self._total / self._least
        return 1 << max(int(min(expected, most)).bit_length() - 1, 0)

    def all_alone(self, rows: float) -> bool:
        """Return whether each category can have a bin, however sparse, and all others one, with so many rows."""
        return bool(self._most_rows[-1] >= rows)


_NOISE_SHARE = 0.25
"""How large a bias may be, as a share of the standard error of what it biases."""


def _rows_without_bias(ranked: NDArray[np.float64], total: float, *, unnamed: float) -> NDArray[np.float64]:
    """Return, for a line below each category, with how many rows its bias is lost in the noise; shape (K,)."""
    if not ranked.size:
        return ranked
    line = np.append((ranked[:-1] + ranked[1:]) / 2.0, ranked[-1])
    rising, near = ranked[::-1], np.sqrt(line)
    reach = np.searchsorted(rising, line + near, side="right"), np.searchsorted(rising, line - near, side="left")
    bias = line * (reach[0] - reach[1]) / (2.0 * near + 1.0)
    # Below the last one lies what has no name, and cannot be counted; or what was never seen, by Good as much as was
    # seen once.
    bias[-1] = line[-1] * reach[0][-1] / (near[-1] + 1.0) if unnamed else np.count_nonzero(ranked == 1.0)
    share = np.clip(np.cumsum(ranked), bias, np.maximum(total - bias, bias)) / total
    variance = np.maximum(share * (1.0 - share), 0.0)
    return np.where(bias > 0, (_NOISE_SHARE * total / bias) ** 2 * variance, np.inf)


def category_groups(counts: ArrayLike, rows: float, *, unnamed: float = 0.0, least: float = 5.0) -> IntArray:
    """Keep the categories that stand alone, see `CategoryCuts`, and put the rest into one bin.

    Args:
        counts: Baseline rows by category, shape (K,).
        rows: Rows of the smaller sample.
        unnamed: Baseline rows of categories that are none of these.
        least: Rows that a category has to expect to stand alone.

    Returns:
        Group per category, shape (K,): from 0 in the order of the categories, the rest bin last.
    """
    mass = np.asarray(counts, dtype=np.float64)
    alone = np.zeros(mass.shape, dtype=bool)
    alone[np.argsort(-mass, kind="stable")[: CategoryCuts(mass, unnamed=unnamed, least=least).alone(rows)]] = True
    return np.where(alone, np.cumsum(alone) - 1, alone.sum()).astype(np.intp)
