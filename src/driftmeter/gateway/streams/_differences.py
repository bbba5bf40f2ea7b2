"""By how much running totals of sketches have grown.

Both are brought to the scale of the later one, which is the coarser, and subtracted bucket by bucket::

    index    -2  -1   0   1   2   3
    now       5   9   2   1   0   7
    before    5   5   2   1   0   6
    grown     0   4   0   0   0   1        none has fallen
"""

from __future__ import annotations

import numpy as np

from driftmeter import otlp
from driftmeter.gateway.streams._cumulatives import Before
from driftmeter.gateway.streams._ragged import ranges
from driftmeter.typing import AnyArray, BoolArray, Float64Array, Int64Array


def growth(histograms: otlp.Histograms, rows: Int64Array, before: Before) -> tuple[otlp.Histograms, BoolArray]:
    """Return by how much running totals have grown, and which have fallen: of these nothing else holds.

    Args:
        histograms: Sketches.
        rows: Which of them; of shape (n,).
        before: What they were before, as many.
    """
    scales, points = histograms.scales[rows], before.points
    old = _read(before)
    down = points["scale"] - scales
    # A running total's scale never rises, unless it began anew.
    sides, fallen = _subtracted(_chosen(histograms.sides, rows), old, np.maximum(down, 0))
    counts = histograms.counts[rows] - points["count"]
    zero_counts = histograms.zero_counts[rows] - points["zero_count"]
    fallen |= (down < 0) | (zero_counts < 0)
    least, most = _extremes(histograms, rows, points, sides, zero_counts > 0)
    with np.errstate(invalid="ignore"):
        sums = histograms.sums[rows] - points["sum"]
    # Beyond float64's range both are infinite.
    sums = np.where(np.isnan(sums), histograms.sums[rows], sums)
    least, most = np.where(counts > 0, least, np.nan), np.where(counts > 0, most, np.nan)
    return otlp.Histograms(scales, sides, counts, zero_counts, sums, least, most), fallen


def _read(before: Before) -> otlp.Sides:
    sizes = np.fromiter(map(len, before.lists), dtype=np.int64, count=len(before.lists))
    return otlp.sides_of(list(filter(None, before.lists)), np.flatnonzero(sizes), points=len(before.points))


def _chosen(sides: otlp.Sides, rows: Int64Array) -> otlp.Sides:
    """Return the sides of some points."""
    of_rows = (2 * rows[:, None] + (0, 1)).ravel()
    starts, ends = sides.starts[of_rows], sides.ends[of_rows]
    places = ranges(starts, ends - starts)
    new_ends = (ends - starts).cumsum()
    return otlp.Sides(
        sides.indexes[places], sides.counts[places], new_ends - (ends - starts), new_ends, sides.totals[of_rows]
    )


def _subtracted(now: otlp.Sides, before: otlp.Sides, down: Int64Array) -> tuple[otlp.Sides, BoolArray]:
    """Return what sides hold more than before, once that has gone ``down`` in scale, and which points have fallen."""
    sizes = now.ends - now.starts
    first, last = now.outer()
    widths = np.where(sizes > 0, last - first + 1, 0)
    bases = widths.cumsum() - widths
    dense = np.zeros(int(widths.sum()), dtype=np.int64)
    dense[now.indexes + np.repeat(bases - first, sizes)] = now.counts
    owner = np.repeat(np.arange(len(sizes)), before.ends - before.starts)
    places = (before.indexes >> down[owner >> 1]) - first[owner]
    inside = (places >= 0) & (places < widths[owner])
    fallen = np.zeros(len(down), dtype=bool)
    fallen[owner[~inside] >> 1] = True
    np.subtract.at(dense, (places + bases[owner])[inside], before.counts[inside])
    ends = bases + widths
    fallen[np.searchsorted(ends, np.flatnonzero(dense < 0), side="right") >> 1] = True
    grown = np.flatnonzero(dense > 0)
    new_ends = np.searchsorted(grown, ends)
    new_sizes = np.diff(new_ends, prepend=0)
    indexes = grown + np.repeat(first - bases, new_sizes)
    totals = now.totals - before.totals
    return otlp.Sides(indexes, dense[grown], new_ends - new_sizes, new_ends, totals), fallen


def _extremes(
    histograms: otlp.Histograms, rows: Int64Array, before: AnyArray, sides: otlp.Sides, zeros: BoolArray
) -> tuple[Float64Array, Float64Array]:
    """Return new extremes; where they have not moved, the outer edges of the buckets that have grown, within them.

    A part of a sketch that was not there before tells the extremes of the whole column; so its edges are better too.
    """
    least, most = histograms.least[rows], histograms.most[rows]
    (lower, _), (_, upper) = otlp.outer_edges(histograms.scales[rows], sides, zeros)
    lower, upper = np.clip(lower, least, most), np.clip(upper, least, most)
    return np.where(least < before["least"], least, lower), np.where(most > before["most"], most, upper)
