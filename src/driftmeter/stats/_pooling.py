"""Pooling of sparse bins, so that every bin of a test expects enough rows on the smaller side.

Which bins are pooled depends on the pooled counts of both sides only, which the test conditions on: pooling
does not bias it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


def coarsen(live: FloatArray, baseline: FloatArray, *, most: int) -> tuple[FloatArray, FloatArray]:
    """Join neighbouring bins to `most` about equally full ones, fewer where heavy bins leave some empty."""
    pooled = live + baseline
    middle = np.cumsum(pooled, axis=1)
    total = middle[:, -1:].copy()
    middle -= 0.5 * pooled
    middle *= most / np.maximum(total, 1.0)
    return _sum_groups(np.minimum(middle, most - 1).astype(np.intp), live, baseline, width=most)


def pool_sparse_bins(
    live: FloatArray, baseline: FloatArray, *, ordered: bool, least: float
) -> tuple[FloatArray, FloatArray]:
    """The counts on fewer bins, each of which expects at least `least` rows of the smaller side.

    Ordered bins are pooled with their neighbours, from the left. Unordered bins that suffice stay as they are,
    and the sparse ones are pooled among themselves, the larger first.

    Args:
        live: Counts, shape (d, B).
        baseline: Counts, shape (d, B).
        ordered: Whether the order of the bins means something.
        least: Rows that a bin has to expect.

    Returns:
        Counts of shape (d, B'), padded with zeros.
    """
    pooled = live + baseline
    smaller = np.minimum(live.sum(axis=1), baseline.sum(axis=1))
    share = smaller / np.maximum(pooled.sum(axis=1), 1.0)
    expected = pooled * share[:, None]
    sparse = (expected < least) & (pooled > 0)
    todo = np.flatnonzero(sparse.any(axis=1))
    if todo.size == 0:
        return live, baseline
    return _pool_columns(live, baseline, expected, todo=todo, ordered=ordered, least=least)


def _pool_columns(
    live: FloatArray,
    baseline: FloatArray,
    expected: FloatArray,
    *,
    todo: IntArray,
    ordered: bool,
    least: float,
) -> tuple[FloatArray, FloatArray]:
    """Pool the columns `todo`, leave the others."""
    width = live.shape[1]
    group = np.tile(np.arange(width), (live.shape[0], 1))
    place = group[todo]
    if not ordered:
        place = np.argsort(-expected[todo], axis=1, kind="stable")
    greedy = greedy_groups(np.take_along_axis(expected[todo], place, axis=1), least)
    moved = np.empty_like(greedy)
    np.put_along_axis(moved, place, greedy, axis=1)
    group[todo] = moved
    return _sum_groups(group, live, baseline, width=int(group.max()) + 1)


def _sum_groups(
    group: IntArray, live: FloatArray, baseline: FloatArray, *, width: int
) -> tuple[FloatArray, FloatArray]:
    """Sum the counts of each column's groups; `group` has shape (d, B)."""
    columns = group.shape[0]
    slot = (group + (np.arange(columns) * width)[:, None]).ravel()

    def summed(counts: FloatArray) -> FloatArray:
        sums: FloatArray = np.bincount(slot, counts.ravel(), columns * width).astype(np.float64)
        return sums.reshape(columns, width)

    return summed(live), summed(baseline)


def greedy_groups(expected: FloatArray, least: float) -> IntArray:
    """Group per bin, from the left, each closed once it expects `least`; what is left joins the last one.

        expected 3 1 4 9 2 1, least 5  ->  groups 0 0 0 1 1 1

    Args:
        expected: Expected rows, shape (d, B).
        least: Rows to expect.

    Returns:
        Group numbers from 0 without gaps, shape (d, B).
    """
    by_bin = np.ascontiguousarray(expected.T)
    # After each bin, what is still to come: a group may only close if the rest can make one.
    to_come = np.cumsum(by_bin[::-1], axis=0)[::-1]
    closable = np.zeros(by_bin.shape, dtype=bool)
    closable[:-1] = to_come[1:] >= least
    group = np.zeros(by_bin.shape, dtype=np.intp)
    held = np.zeros(by_bin.shape[1])
    for j in range(by_bin.shape[0] - 1):
        held += by_bin[j]
        closes = (held >= least) & closable[j]
        held[closes] = 0.0
        group[j + 1] = closes
    return np.ascontiguousarray(np.cumsum(group, axis=0).T)
