"""Many exponential histograms of OTLP at once, as arrays, and the rules that each of them must keep.

What must be asked of each bucket list is asked of all of them in one numpy call.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from driftmeter.otlp import _bucket_lists
from driftmeter.otlp._bucket_lists import MAX_BUCKETS, MAX_BYTES
from driftmeter.sketches import MAX_SCALE, MIN_SCALE
from driftmeter.typing import BoolArray, Float64Array, Int64Array

MAX_COUNT: Final = 1 << 53
"""What a column's counts must stay below, all of them together: up to there float64 is exact, and nothing wraps."""
RULES: Final = ("", "scale", "buckets", "counts", "range", "count", "extremes")
"""What can be wrong with a point, by number; the first is that nothing is."""
_SCALE, _BUCKETS, _COUNTS, _RANGE, _COUNT, _EXTREMES = range(1, len(RULES))

_FIRST_EXPONENT: Final = -1022
_LAST_EXPONENT: Final = math.nextafter(1024, 0)
_ROUNDING: Final = 1e-9
"""By how much a value beside a boundary may seem to be in the other bucket."""
_SUBNORMAL: Final = 2.0 ** (_FIRST_EXPONENT + 1)
_MIN_EXPONENT: Final = -1075
_MAX_EXPONENT: Final = 1024

Faults: TypeAlias = npt.NDArray[np.int8]
"""For each point the number of the first rule, out of `RULES`, that it breaks, or 0."""


@dataclass(frozen=True, slots=True)
class Heads:
    """What n points tell beside their buckets, each an array of shape (n,).

    ``least`` and ``most`` are what they tell as min and max, where they do.
    """

    scales: Int64Array
    counts: Int64Array
    zero_counts: Int64Array
    sums: Float64Array
    least: Float64Array
    most: Float64Array
    tell_least: BoolArray
    tell_most: BoolArray
    zero_thresholds: Float64Array


@dataclass(frozen=True, slots=True)
class Sides:
    """The occupied buckets of points, of one side after the other; side 2i is the positive one of point i.

    Those of side k are from ``starts[k]`` to ``ends[k]`` in ``indexes`` and ``counts``, and add up to ``totals[k]``.
    """

    indexes: Int64Array
    counts: Int64Array
    starts: Int64Array
    ends: Int64Array
    totals: Int64Array

    def outer(self) -> tuple[Int64Array, Int64Array]:
        """Return each side's first and last index; of an empty one anything."""
        if not len(self.indexes):
            return self.starts, self.ends
        return self.indexes.take(self.starts, mode="clip"), self.indexes.take(self.ends - 1, mode="clip")


@dataclass(frozen=True, slots=True)
class Histograms:
    """The numeric sketches that n points hold; ``least`` and ``most`` are NaN where there is no value."""

    scales: Int64Array
    sides: Sides
    counts: Int64Array
    zero_counts: Int64Array
    sums: Float64Array
    least: Float64Array
    most: Float64Array


def read_histograms(heads: Heads, lists: Sequence[bytes], places: npt.ArrayLike) -> tuple[Histograms, Faults]:
    """Return the sketches, and which are none.

    Args:
        heads: What the points tell beside their buckets.
        lists: Those of their bucket lists that are not empty, as protobuf ``Buckets`` messages.
        places: Of each list its side: 2i is the positive one of point i, 2i + 1 the negative one.

    Raises:
        DecodeError: A list is no such message.
    """
    faults: Faults = np.zeros(len(heads.scales), dtype=np.int8)
    sides_of_lists = np.asarray(places, dtype=np.int64)
    blame(faults, (heads.scales < MIN_SCALE) | (heads.scales > MAX_SCALE), _SCALE)
    scales = np.clip(heads.scales, MIN_SCALE, MAX_SCALE)
    if max(map(len, lists), default=0) > MAX_BYTES:
        long = np.array([len(wire) > MAX_BYTES for wire in lists])
        _blame_sides(faults, long, sides_of_lists, _BUCKETS)
        lists = [wire for wire in lists if len(wire) <= MAX_BYTES]
        sides_of_lists = sides_of_lists[~long]
    sides = _sides(lists, sides_of_lists, faults)
    _check_range(sides, scales, faults)
    _check_counts(heads, sides, faults)
    least, most = _extremes(heads, scales, sides, faults)
    return Histograms(scales, sides, heads.counts, heads.zero_counts, heads.sums, least, most), faults


def blame(faults: Faults, breaks: BoolArray, rule: int) -> None:
    """Note which points break a rule, of those that broke none before."""
    if breaks.any():
        faults[breaks & (faults == 0)] = rule


def _blame_sides(faults: Faults, breaks: BoolArray, places: Int64Array, rule: int) -> None:
    if breaks.any():
        points = places[breaks] >> 1
        faults[points[faults[points] == 0]] = rule


def _sides(lists: Sequence[bytes], places: Int64Array, faults: Faults) -> Sides:
    if not lists:
        return _no_sides(len(faults))
    read = _bucket_lists.read(lists)
    _blame_sides(faults, read.sizes > MAX_BUCKETS, places, _BUCKETS)
    if read.counts.dtype != np.uint8:
        totals = np.add.reduceat(read.counts, read.starts, dtype=np.float64)
        wrong = (np.minimum.reduceat(read.counts, read.starts) < 0) | (totals >= MAX_COUNT)
        _blame_sides(faults, wrong, places, _COUNTS)
    return _occupied(read, places, len(faults))


def sides_of(lists: Sequence[bytes], places: Int64Array, *, points: int) -> Sides:
    """Return what bucket lists hold that are known to keep the rules, see `read_histograms`."""
    return _occupied(_bucket_lists.read(lists), places, points) if lists else _no_sides(points)


def _no_sides(points: int) -> Sides:
    none = np.zeros(2 * points, dtype=np.int64)
    return Sides(none[:0], none[:0], none, none, none)


def _occupied(read: _bucket_lists.BucketLists, places: Int64Array, points: int) -> Sides:
    counts, starts = read.counts, read.starts
    sizes, totals = np.zeros((2, 2 * points), dtype=np.int64)
    totals[places] = np.add.reduceat(counts, starts, dtype=np.int64)
    occupied = (counts > 0).nonzero()[0]  # of bool it is four times as fast
    of_lists = np.diff(np.searchsorted(occupied, starts), append=len(occupied))
    sizes[places] = of_lists
    held = counts[occupied].astype(np.int64)
    indexes = occupied
    indexes += np.repeat(read.firsts - starts, of_lists)
    ends = sizes.cumsum()
    return Sides(indexes, held, ends - sizes, ends, totals)


def _check_range(sides: Sides, scales: Int64Array, faults: Faults) -> None:
    """Check that no bucket lies beyond float64's range."""
    of_sides = scales.repeat(2)
    first, last = sides.outer()
    inside = (first >> of_sides >= _MIN_EXPONENT) & (last >> of_sides < _MAX_EXPONENT)
    beyond = ~inside & (sides.ends > sides.starts)
    blame(faults, beyond[::2] | beyond[1::2], _RANGE)


def _check_counts(heads: Heads, sides: Sides, faults: Faults) -> None:
    in_buckets = sides.totals[::2] + sides.totals[1::2]
    # None of the two wraps: each is below 2**54 where nothing has been wrong yet.
    zeros = heads.zero_counts
    wrong = (zeros < 0) | (zeros >= MAX_COUNT) | (in_buckets + zeros != heads.counts) | (heads.counts >= MAX_COUNT)
    blame(faults, wrong, _COUNT)


def _extremes(heads: Heads, scales: Int64Array, sides: Sides, faults: Faults) -> tuple[Float64Array, Float64Array]:
    """Return min and max; where a point does not tell them, the outer edges of its outer buckets."""
    (first_lower, first_upper), (last_lower, last_upper) = outer_edges(scales, sides, heads.zero_counts > 0)
    least = np.where(heads.tell_least, heads.least, first_lower)
    most = np.where(heads.tell_most, heads.most, last_upper)
    # A part tells the extremes of its whole column. All subnormals are in one bucket.
    slack = np.fmax(heads.zero_thresholds, _SUBNORMAL)
    with np.errstate(over="ignore", invalid="ignore"):  # the last bucket's upper edge is the greatest float64
        fits = least <= first_upper + np.abs(first_upper) * _ROUNDING + slack
        fits &= most >= last_lower - np.abs(last_lower) * _ROUNDING - slack
    fits &= np.isfinite(least) & np.isfinite(most) & (least <= most)
    empty = heads.counts == 0
    blame(faults, ~(fits | empty), _EXTREMES)
    return np.where(empty, np.nan, least), np.where(empty, np.nan, most)


Edges: TypeAlias = tuple[Float64Array, Float64Array]


def outer_edges(scales: Int64Array, sides: Sides, zeros: BoolArray) -> tuple[Edges, Edges]:
    """Return the edges, (lower, upper), of each point's bucket of least values and of that of greatest ones.

    Args:
        scales: The points' scales.
        sides: Their buckets.
        zeros: Whether a point has zeros.
    """
    (first, below_first), (last, below_last) = (index.reshape(-1, 2).T for index in sides.outer())
    above, below = (sides.ends > sides.starts).reshape(-1, 2).T
    least = np.where(below, below_last, first), np.where(below, -1.0, np.where(zeros, 0.0, 1.0))
    most = np.where(above, last, below_first), np.where(above, 1.0, np.where(zeros, 0.0, -1.0))
    return _edges(*least, scales), _edges(*most, scales)


def _edges(indexes: Int64Array, signs: Float64Array, scales: Int64Array) -> Edges:
    exponents = np.ldexp(np.stack((indexes, indexes + 1)).astype(np.float64), -scales)
    near, far = signs * np.exp2(np.clip(exponents, _FIRST_EXPONENT, _LAST_EXPONENT))
    return np.minimum(near, far), np.maximum(near, far)
