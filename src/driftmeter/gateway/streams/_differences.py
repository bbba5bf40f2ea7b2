"""By how much running totals of sketches have grown.

Both are brought to the scale of the later one, which is the coarser, and subtracted bucket by bucket::

    index    -2  -1   0   1   2   3
    now       5   9   2   1   0   7
    before    5   5   2   1   0   6
    grown     0   4   0   0   0   1        none has fallen
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from driftmeter import otlp
from driftmeter.gateway.streams._last import Before
from driftmeter.gateway.streams._ragged import ranges, run
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
    if 2 * len(rows) == len(sides.starts) and run(rows) == slice(0, len(rows)):
        return sides
    of_rows = (2 * rows[:, None] + (0, 1)).ravel()
    starts, sizes = sides.starts[of_rows], sides.ends[of_rows] - sides.starts[of_rows]
    places = ranges(starts, sizes)
    ends = sizes.cumsum()
    return otlp.Sides(sides.indexes[places], sides.counts[places], ends - sizes, ends, sides.totals[of_rows])


def _subtracted(now: otlp.Sides, before: otlp.Sides, down: Int64Array) -> tuple[otlp.Sides, BoolArray]:
    """Return what sides hold more than before, once that has gone ``down`` in scale, and which points have fallen."""
    before, lost = _within(now, before, down)
    sizes = now.ends - now.starts
    first, last = now.outer()
    widths = np.where(sizes > 0, last - first + 1, 0)
    ends = widths.cumsum()
    shift = ends - widths - first
    dense = np.zeros(int(ends[-1]), dtype=np.int64)
    dense[now.indexes + np.repeat(shift, sizes)] = now.counts
    np.subtract.at(dense, before.indexes + np.repeat(shift, before.ends - before.starts), before.counts)
    lost[np.searchsorted(ends, np.flatnonzero(dense < 0), side="right")] = True
    grown = dense.nonzero()[0]
    grown_ends = np.searchsorted(grown, ends)
    grown_sizes = np.diff(grown_ends, prepend=0)
    indexes = grown - np.repeat(shift, grown_sizes)
    totals = now.totals - before.totals
    grown_sides = otlp.Sides(indexes, dense[grown], grown_ends - grown_sizes, grown_ends, totals)
    return grown_sides, lost[::2] | lost[1::2]


def _within(now: otlp.Sides, before: otlp.Sides, down: Int64Array) -> tuple[otlp.Sides, BoolArray]:
    """Return what was before, at the scale of now; and the sides, empty then, that had a bucket beyond those of now."""
    sizes, of_sides = before.ends - before.starts, down.repeat(2)
    if down.any():
        indexes = before.indexes >> np.repeat(of_sides, sizes)
        before = replace(before, indexes=indexes)
    (first, last), (low, high) = before.outer(), now.outer()
    lost: BoolArray = (first < low) | (last > high) | (now.ends == now.starts)
    lost &= sizes > 0
    if lost.any():
        kept = np.repeat(~lost, sizes)
        ends = np.where(lost, 0, sizes).cumsum()
        before = otlp.Sides(
            before.indexes[kept], before.counts[kept], ends - np.where(lost, 0, sizes), ends, before.totals
        )
    return before, lost


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
