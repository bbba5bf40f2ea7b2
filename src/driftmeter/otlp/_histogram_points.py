"""From exponential histograms' protobuf points, whoever wrote them, to numeric sketches that keep every rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from driftmeter.exceptions import DecodeError
from driftmeter.otlp._bucket_lists import MAX_BUCKETS
from driftmeter.otlp._histograms import RULES, Faults, Heads, Histograms, read_histograms
from driftmeter.otlp._wire import parse
from driftmeter.sketches import MAX_SCALE, MIN_SCALE, Buckets, NumericSketch

_PIECE: Final = 1 << 18
"""Bytes of buckets that are read at once: it bounds the work space."""

Point: TypeAlias = Any
"""An ``ExponentialHistogramDataPoint`` whose buckets are in wire form, see `metrics_in`."""

_EMPTY: Final = Buckets(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))

Unseen: TypeAlias = tuple[int, int, int]
"""What a sketch counts beside the finite values, and no histogram holds: missing, non-finite, mismatched ones."""


@dataclass(slots=True)
class _Piece:
    """Some points, and those of their bucket lists that are not empty, with the side that each is of."""

    points: list[Point] = field(default_factory=list)
    unseen: list[Unseen] = field(default_factory=list)
    lists: list[bytes] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    size: int = 0

    def add(self, point: Point, unseen: Unseen) -> None:
        for place, buckets in enumerate((point.positive, point.negative), 2 * len(self.points)):
            if buckets:
                self.lists.append(buckets)
                self.places.append(place)
                self.size += len(buckets)
        self.points.append(point)
        self.unseen.append(unseen)


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
    histograms, faults = read_histograms(_heads(piece.points), piece.lists, piece.places)
    if faults.any():
        _refuse(piece.points, histograms, faults)
    sides = histograms.sides
    parts = [
        Buckets(sides.indexes[start:end].copy(), sides.counts[start:end].copy()) if start < end else _EMPTY
        for start, end in zip(sides.starts.tolist(), sides.ends.tolist(), strict=True)
    ]
    least, most = histograms.least.tolist(), histograms.most.tolist()
    rows = zip(piece.points, parts[::2], parts[1::2], least, most, piece.unseen, strict=True)
    for point, positive, negative, low, high, unseen in rows:
        yield NumericSketch(point.scale, positive, negative, point.zero_count, point.sum, low, high, *unseen)


def _heads(points: Sequence[Point]) -> Heads:
    totals = [(point.count, point.zero_count) for point in points]
    real = [(point.sum, point.min, point.max, point.zero_threshold) for point in points]
    told = [(point.HasField("min"), point.HasField("max")) for point in points]
    scales = np.array([point.scale for point in points], dtype=np.int64)
    # What is beyond int64 becomes negative, and is refused.
    counts, zero_counts = np.array(totals, dtype=np.uint64).reshape(-1, 2).T.view(np.int64)
    sums, least, most, zero_thresholds = np.array(real, dtype=np.float64).reshape(-1, 4).T
    tell_least, tell_most = np.array(told, dtype=bool).reshape(-1, 2).T
    return Heads(scales, counts, zero_counts, sums, least, most, tell_least, tell_most, zero_thresholds)


def _refuse(points: Sequence[Point], histograms: Histograms, faults: Faults) -> None:
    """Raise an error that says what is wrong with the first point that breaks a rule."""
    at = int(np.flatnonzero(faults)[0])
    point = points[at]
    sides = [parse(pb.ExponentialHistogramDataPoint.Buckets, wire) for wire in (point.positive, point.negative)]
    buckets = max(len(side.bucket_counts) for side in sides)
    count = point.zero_count + sum(sum(side.bucket_counts) for side in sides)
    raise DecodeError(
        {
            "scale": f"scale must be from {MIN_SCALE} to {MAX_SCALE}; got {point.scale}",
            "buckets": f"a point must have at most {MAX_BUCKETS} buckets; got {buckets}",
            "counts": "a point's bucket counts must stay below 2**53",
            "range": "an offset must not lie beyond float64's range; got "
            f"{' and '.join(str(side.offset) for side in sides)} at scale {point.scale}",
            "count": f"count must be the sum of the bucket counts, {count}; got {point.count}"
            if count != point.count
            else f"count must be below 2**53; got {count}",
            "extremes": "min and max must be finite and fit the buckets; got "
            f"{histograms.least[at]:g} and {histograms.most[at]:g}",
        }[RULES[faults[at]]]
    )
