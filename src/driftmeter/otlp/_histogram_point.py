"""From an exponential histogram's protobuf point, whoever wrote it, to a numeric sketch that keeps every rule."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from driftmeter.exceptions import DecodeError
from driftmeter.otlp._bucket_counts import bucket_counts
from driftmeter.sketches import MAX_SCALE, MIN_SCALE, Buckets, NumericSketch

MAX_BUCKETS_A_POINT: Final = 1 << 16
MAX_COUNT: Final = 1 << 53
"""What a column's counts must stay below, all of them together: up to there float64 is exact, and nothing wraps."""
_FIRST_EXPONENT: Final = -1022
_LAST_EXPONENT: Final = math.nextafter(1024, 0)
_ROUNDING: Final = 1e-9
"""By how much a value beside a boundary may seem to be in the other bucket."""
_MIN_EXPONENT: Final = -1075
_MAX_EXPONENT: Final = 1024


def numeric_sketch(point: pb.ExponentialHistogramDataPoint) -> NumericSketch:
    """Return the sketch that a point holds.

    Raises:
        DecodeError: The point breaks a rule, and which.
    """
    if not MIN_SCALE <= point.scale <= MAX_SCALE:
        raise DecodeError(f"scale must be from {MIN_SCALE} to {MAX_SCALE}; got {point.scale}")
    sketch = NumericSketch(
        scale=point.scale,
        positive=_buckets(point.positive, point.scale),
        negative=_buckets(point.negative, point.scale),
        zero_count=point.zero_count,
        sum=point.sum,
    )
    if sketch.count != point.count:
        raise DecodeError(f"count must be the sum of the bucket counts, {sketch.count}; got {point.count}")
    if sketch.count >= MAX_COUNT:
        raise DecodeError(f"count must be below 2**53; got {sketch.count}")
    least, most = _extremes(sketch, point)
    return replace(sketch, min=least, max=most)


def _extremes(sketch: NumericSketch, point: pb.ExponentialHistogramDataPoint) -> tuple[float, float]:
    """Return min and max; where a point does not tell them, the outer edges of its outer buckets."""
    if not point.count:
        return math.nan, math.nan
    (first_lower, first_upper), (last_lower, last_upper) = _outer_buckets(sketch)
    least = point.min if point.HasField("min") else first_lower
    most = point.max if point.HasField("max") else last_upper
    # A part tells the extremes of its whole column. All subnormals are in one bucket.
    slack = max(2.0 ** (_FIRST_EXPONENT + 1), point.zero_threshold)
    fits = least <= first_upper + abs(first_upper) * _ROUNDING + slack
    fits = fits and most >= last_lower - abs(last_lower) * _ROUNDING - slack
    if not (fits and math.isfinite(least) and math.isfinite(most) and least <= most):
        raise DecodeError(f"min and max must be finite and fit the buckets; got {least:g} and {most:g}")
    return least, most


def _outer_buckets(sketch: NumericSketch) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the edges of the bucket of the least values and of that of the greatest ones."""
    scale, ends = sketch.scale, []
    for first, last, sign in ((-1, 0, -1.0), (0, -1, 1.0)):
        indexes = (sketch.negative if sign < 0 else sketch.positive).indexes
        for at in (first, last) if len(indexes) else ():
            edges = sign * _edge(int(indexes[at]), scale), sign * _edge(int(indexes[at]) + 1, scale)
            ends.append((min(edges), max(edges)))
        if sign < 0 and sketch.zero_count:
            ends.append((0.0, 0.0))
    return ends[0], ends[-1]


def _edge(index: int, scale: int) -> float:
    exponent = min(max(index / (1 << scale), _FIRST_EXPONENT), _LAST_EXPONENT)
    return float(2.0**exponent)


def _buckets(buckets: pb.ExponentialHistogramDataPoint.Buckets, scale: int) -> Buckets:
    if len(buckets.bucket_counts) > MAX_BUCKETS_A_POINT:
        raise DecodeError(f"a point must have at most {MAX_BUCKETS_A_POINT} buckets; got {len(buckets.bucket_counts)}")
    try:
        counts = bucket_counts(buckets)
    except OverflowError:
        counts = np.array([-1])
    if counts.min(initial=0) < 0 or counts.sum(dtype=np.float64) >= MAX_COUNT:
        raise DecodeError("a point's bucket counts must stay below 2**53")
    occupied = counts.nonzero()[0]
    indexes = occupied + buckets.offset
    if len(indexes) and not (_MIN_EXPONENT << scale <= indexes[0] and indexes[-1] < _MAX_EXPONENT << scale):
        raise DecodeError(f"an offset must not lie beyond float64's range; got {buckets.offset} at scale {scale}")
    return Buckets(indexes, counts[occupied])
