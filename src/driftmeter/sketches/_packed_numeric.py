"""Numeric sketches at rest: the gaps between their buckets, which mostly are none, and their counts.

indexes     100 101 102 105        first 100, gaps 0 0 2
counts        7   1   4   1        less 1:  6 0 3 0
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from driftmeter.sketches._buckets import Buckets, empty
from driftmeter.sketches._numeric import NumericSketch
from driftmeter.sketches._packing import pack_counts, unpack_counts
from driftmeter.typing import Float64Array, Int64Array


@dataclass(frozen=True, slots=True)
class PackedNumeric:
    """Numeric sketches, all of a snapshot's.

    Attributes:
        number: How many they are.
        numbers: Scale, zeros, missing, non-finite and mismatched of each, and of both signs the number of buckets and
            the first one's index.
        moments: Sum, least and greatest value, shape (sketches, 3).
        gaps: How many empty buckets are before each occupied one, 0 before the first of a sign.
        counts: What each bucket holds, less 1.
    """

    number: int
    numbers: bytes
    moments: Float64Array
    gaps: bytes
    counts: bytes

    @classmethod
    def of(cls, sketches: Sequence[NumericSketch]) -> PackedNumeric:
        """Pack sketches."""
        sides = [side for sketch in sketches for side in (sketch.positive, sketch.negative)]
        lengths = np.array([len(side) for side in sides], dtype=np.int64).reshape(-1, 2)
        firsts = np.array([side.indexes[0] if len(side) else 0 for side in sides], dtype=np.int64).reshape(-1, 2)
        numbers = np.array(
            [(one.scale, one.zero_count, one.missing, one.non_finite, one.mismatched) for one in sketches],
            dtype=np.int64,
        ).reshape(-1, 5)
        gaps = counts = np.zeros(0, dtype=np.int64)
        if lengths.any():
            indexes = np.concatenate([side.indexes for side in sides])
            counts = np.concatenate([side.counts for side in sides]) - 1
            gaps = np.diff(indexes, prepend=indexes[:1]) - 1
            gaps[_starts(lengths)] = 0
        return cls(
            len(sketches),
            pack_counts(np.hstack((numbers, lengths, _zigzag(firsts))).T),
            np.array([(one.sum, one.min, one.max) for one in sketches], dtype=np.float64),
            pack_counts(gaps),
            pack_counts(counts),
        )

    def unpacked(self) -> list[NumericSketch]:
        """Return the sketches."""
        numbers = unpack_counts(self.numbers, (9, self.number))
        lengths, firsts = numbers[5:7].T, _unzigzag(numbers[7:]).T
        buckets = int(lengths.sum())
        counts = unpack_counts(self.counts, buckets) + 1
        steps = unpack_counts(self.gaps, buckets) + 1
        starts = _starts(lengths)
        steps[starts] = firsts.reshape(-1)[lengths.reshape(-1) > 0]
        if len(starts):
            # One running sum over all sides: where one begins, the last index of the one before is taken away.
            steps[starts[1:]] -= np.add.reduceat(steps, starts)[:-1]
        indexes = steps.cumsum()
        ends = np.append(0, lengths.reshape(-1).cumsum()).tolist()
        sides = [Buckets(indexes[a:b], counts[a:b]) if b > a else empty() for a, b in pairwise(ends)]
        return [
            NumericSketch(scale, positive, negative, zeros, total, low, high, missing, non_finite, mismatched)
            for (scale, zeros, missing, non_finite, mismatched), positive, negative, (total, low, high) in zip(
                numbers[:5].T.tolist(), sides[::2], sides[1::2], self.moments.tolist(), strict=True
            )
        ]


def _starts(lengths: Int64Array) -> Int64Array:
    """Return where the buckets of each side start that has some."""
    flat = lengths.reshape(-1)
    starts: Int64Array = (flat.cumsum() - flat)[flat > 0]
    return starts


def _zigzag(numbers: Int64Array) -> Int64Array:
    """Return 0, 1, 2, 3, 4, ... for 0, -1, 1, -2, 2, ..."""
    return (numbers << 1) ^ (numbers >> 63)


def _unzigzag(numbers: Int64Array) -> Int64Array:
    return (numbers >> 1) ^ -(numbers & 1)
