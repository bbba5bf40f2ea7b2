"""From exponential histograms' protobuf points, whoever wrote them, to numeric sketches that keep every rule.

Many points are read at once: what must be asked of each bucket list is asked of all of them in one numpy call.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np

from driftmeter.exceptions import DecodeError
from driftmeter.otlp import _bucket_lists
from driftmeter.otlp._bucket_lists import MAX_BUCKETS, MAX_BYTES
from driftmeter.sketches import MAX_SCALE, MIN_SCALE, Buckets, NumericSketch
from driftmeter.typing import Float64Array, Int64Array

MAX_COUNT: Final = 1 << 53
"""What a column's counts must stay below, all of them together: up to there float64 is exact, and nothing wraps."""
_FIRST_EXPONENT: Final = -1022
_LAST_EXPONENT: Final = math.nextafter(1024, 0)
_ROUNDING: Final = 1e-9
"""By how much a value beside a boundary may seem to be in the other bucket."""
_SUBNORMAL: Final = 2.0 ** (_FIRST_EXPONENT + 1)
_MIN_EXPONENT: Final = -1075
_MAX_EXPONENT: Final = 1024
_PIECE: Final = 1 << 18
"""Bytes of buckets that are read at once: it bounds the work space."""

Point: TypeAlias = Any
"""An ``ExponentialHistogramDataPoint`` whose buckets are in wire form, see `metrics_in`."""

_EMPTY: Final = Buckets(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))

Unseen: TypeAlias = tuple[int, int, int]
"""What a sketch counts beside the finite values, and no histogram holds: missing, non-finite, mismatched ones."""


@dataclass(slots=True)
class _Piece:
    """Some points, and those of their bucket lists that are not empty."""

    points: list[Point] = field(default_factory=list)
    unseen: list[Unseen] = field(default_factory=list)
    lists: list[bytes] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    """Of each list its side: 2i is the positive one of point i, 2i + 1 the negative one."""
    size: int = 0

    def add(self, point: Point, unseen: Unseen) -> None:
        if not MIN_SCALE <= point.scale <= MAX_SCALE:
            raise DecodeError(f"scale must be from {MIN_SCALE} to {MAX_SCALE}; got {point.scale}")
        for place, buckets in enumerate((point.positive, point.negative), 2 * len(self.points)):
            if len(buckets) > MAX_BYTES:
                raise DecodeError(f"a point must have at most {MAX_BUCKETS} buckets; got {len(buckets)} bytes of them")
            if buckets:
                self.lists.append(buckets)
                self.places.append(place)
                self.size += len(buckets)
        self.points.append(point)
        self.unseen.append(unseen)


@dataclass(frozen=True, slots=True)
class _Sides:
    """The occupied buckets of points, of one side after the other.

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


def numeric_sketches(points: Iterable[tuple[Point, Unseen]]) -> Iterator[NumericSketch]:
    """Return the sketches that points hold, one a point.

    Args:
        points: The points, each with what its sketch counts beside.

    Raises:
        DecodeError: A point breaks a rule, and which.
    """
    piece = _Piece()
    for point, unseen in points:
        piece.add(point, unseen)
        if piece.size >= _PIECE:
            yield from _sketches(piece)
            piece = _Piece()
    yield from _sketches(piece)


def _sketches(piece: _Piece) -> Iterator[NumericSketch]:
    sides = _sides(piece)
    _check_counts(piece.points, sides.totals.tolist())
    least, most = _extremes(piece.points, sides)
    parts = [
        Buckets(sides.indexes[start:end].copy(), sides.counts[start:end].copy()) if start < end else _EMPTY
        for start, end in zip(sides.starts.tolist(), sides.ends.tolist(), strict=True)
    ]
    rows = zip(piece.points, parts[::2], parts[1::2], least.tolist(), most.tolist(), piece.unseen, strict=True)
    for point, positive, negative, low, high, unseen in rows:
        yield NumericSketch(point.scale, positive, negative, point.zero_count, point.sum, low, high, *unseen)


def _sides(piece: _Piece) -> _Sides:
    sizes, totals = np.zeros((2, 2 * len(piece.points)), dtype=np.int64)
    if not piece.lists:
        return _Sides(totals[:0], totals[:0], sizes, sizes, totals)
    lists = _bucket_lists.read(piece.lists)
    counts, starts = lists.counts, lists.starts
    if counts.min() < 0 or np.add.reduceat(counts, starts, dtype=np.float64).max() >= MAX_COUNT:
        raise DecodeError("a point's bucket counts must stay below 2**53")
    totals[piece.places] = np.add.reduceat(counts, starts, dtype=np.int64)
    occupied = (counts > 0).nonzero()[0]  # of bool it is four times as fast
    of_lists = np.diff(np.searchsorted(occupied, starts), append=len(occupied))
    sizes[piece.places] = of_lists
    held = counts[occupied].astype(np.int64)
    indexes = occupied
    indexes += np.repeat(lists.firsts - starts, of_lists)
    ends = sizes.cumsum()
    sides = _Sides(indexes, held, ends - sizes, ends, totals)
    _check_range(piece, sides, lists.offsets)
    return sides


def _check_range(piece: _Piece, sides: _Sides, offsets: Int64Array) -> None:
    scales = np.array([point.scale for point in piece.points]).repeat(2)
    first, last = sides.outer()
    inside = (first >> scales >= _MIN_EXPONENT) & (last >> scales < _MAX_EXPONENT)
    beyond = np.flatnonzero(~inside & (sides.totals > 0))
    if len(beyond):
        at = int(beyond[0])
        offset = offsets[piece.places.index(at)]
        raise DecodeError(f"an offset must not lie beyond float64's range; got {offset} at scale {scales[at]}")


def _check_counts(points: Sequence[Point], totals: Sequence[int]) -> None:
    for point, positive, negative in zip(points, totals[::2], totals[1::2], strict=True):
        count = positive + negative + point.zero_count
        if count != point.count:
            raise DecodeError(f"count must be the sum of the bucket counts, {count}; got {point.count}")
        if count >= MAX_COUNT:
            raise DecodeError(f"count must be below 2**53; got {count}")


def _extremes(points: Sequence[Point], sides: _Sides) -> tuple[Float64Array, Float64Array]:
    """Return min and max; where a point does not tell them, the outer edges of its outer buckets."""
    (first_lower, first_upper), (last_lower, last_upper) = _outer_buckets(points, sides)
    told = np.array([(point.HasField("min"), point.HasField("max")) for point in points], dtype=bool).reshape(-1, 2)
    extremes = np.array([(point.min, point.max, point.zero_threshold) for point in points]).reshape(-1, 3)
    least = np.where(told[:, 0], extremes[:, 0], first_lower)
    most = np.where(told[:, 1], extremes[:, 1], last_upper)
    # A part tells the extremes of its whole column. All subnormals are in one bucket.
    slack = np.fmax(extremes[:, 2], _SUBNORMAL)
    with np.errstate(over="ignore"):  # the last bucket's upper edge is the greatest float64
        fits = least <= first_upper + np.abs(first_upper) * _ROUNDING + slack
        fits &= most >= last_lower - np.abs(last_lower) * _ROUNDING - slack
    fits &= np.isfinite(least) & np.isfinite(most) & (least <= most)
    empty = np.array([point.count == 0 for point in points], dtype=bool)
    wrong = np.flatnonzero(~(fits | empty))
    if len(wrong):
        at = wrong[0]
        raise DecodeError(f"min and max must be finite and fit the buckets; got {least[at]:g} and {most[at]:g}")
    return np.where(empty, np.nan, least), np.where(empty, np.nan, most)


_Edges: TypeAlias = tuple[Float64Array, Float64Array]


def _outer_buckets(points: Sequence[Point], sides: _Sides) -> tuple[_Edges, _Edges]:
    """Return the edges, (lower, upper), of each point's bucket of least values and of that of greatest ones."""
    scales = np.array([point.scale for point in points], dtype=np.int64)
    zero = np.array([point.zero_count > 0 for point in points], dtype=bool)
    (first, below_first), (last, below_last) = (index.reshape(-1, 2).T for index in sides.outer())
    above, below = sides.totals.reshape(-1, 2).T > 0
    least = np.where(below, below_last, first), np.where(below, -1.0, np.where(zero, 0.0, 1.0))
    most = np.where(above, last, below_first), np.where(above, 1.0, np.where(zero, 0.0, -1.0))
    return _edges(*least, scales), _edges(*most, scales)


def _edges(indexes: Int64Array, signs: Float64Array, scales: Int64Array) -> _Edges:
    exponents = np.ldexp(np.stack((indexes, indexes + 1)).astype(np.float64), -scales)
    near, far = signs * np.exp2(np.clip(exponents, _FIRST_EXPONENT, _LAST_EXPONENT))
    return np.minimum(near, far), np.maximum(near, far)
