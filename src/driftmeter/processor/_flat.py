"""A snapshot with the buckets of all its numeric columns in two arrays, so that they are worked on all at once.

A column's buckets are in the order of their values, with keys as `NumericSketch.keys` has them::

    columns    temp          | wind    | flag, which is always 0
    keys       -9  -7  3  4  | 1  2  5 | 0
    counts      1   2  7  1  | 5  9  1 | 4
    sizes       4            | 3       | 1
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from driftmeter.schema import Column
from driftmeter.sketches import ZERO_KEY_OFFSET, NumericSketch, Snapshot
from driftmeter.typing import BoolArray, Float64Array, Int64Array

_NONE: Final = np.empty(0, dtype=np.int64)
_ZERO: Final = np.zeros(1, dtype=np.int64)


@dataclass(frozen=True)
class Flat:
    """A snapshot, its numeric columns laid out.

    Attributes:
        snapshot: The snapshot, unpacked.
        columns: All of its columns.
        numeric: Which of them have a numeric sketch; arrays are about those, in this order.
        keys: The keys of their occupied buckets, ascending within a column, shape (buckets,).
        counts: The counts of these, likewise.
        sizes: How many buckets each column has, shape (columns,).
        scale: The scale of each column.
        low: The least value, NaN where there is none.
        high: The greatest value, likewise.
        sums: The sum of the values.
        values: The number of values.
        unseen: Missing, mismatched and non-finite ones, shape (columns, 3).
    """

    snapshot: Snapshot
    columns: tuple[Column, ...]
    numeric: BoolArray
    keys: Int64Array
    counts: Int64Array
    sizes: Int64Array
    scale: Int64Array
    low: Float64Array
    high: Float64Array
    sums: Float64Array
    values: Int64Array
    unseen: Int64Array

    @classmethod
    def of(cls, snapshot: Snapshot, *, columns: tuple[Column, ...] = ()) -> Flat:
        """Lay a snapshot out.

        Args:
            snapshot: The snapshot.
            columns: Those of the one before, which are taken where they are the same: many stretches keep theirs, and
                to compare a tuple with itself takes no time.
        """
        snapshot = snapshot.unpacked()
        own = tuple(snapshot.columns)
        sketches = [sketch for sketch in snapshot.columns.values() if isinstance(sketch, NumericSketch)]
        moments = np.array([(one.scale, one.min, one.max, one.sum) for one in sketches], dtype=np.float64)
        unseen = np.array([(one.missing, one.mismatched, one.non_finite) for one in sketches], dtype=np.int64)
        indexes: list[Int64Array] = [_NONE]
        counts: list[Int64Array] = [_NONE]
        signs = [0]
        sizes: list[int] = []
        for sketch in sketches:
            negative, zeros, positive = sketch.negative, sketch.zero_count, sketch.positive
            if len(negative.indexes):
                indexes.append(negative.indexes[::-1])
                counts.append(negative.counts[::-1])
                signs.append(-1)
            if zeros:
                indexes.append(_ZERO)
                counts.append(np.array([zeros], dtype=np.int64))
                signs.append(0)
            indexes.append(positive.indexes)
            counts.append(positive.counts)
            signs.append(1)
            sizes.append(len(negative.indexes) + (zeros > 0) + len(positive.indexes))
        keys = np.concatenate(indexes) + ZERO_KEY_OFFSET
        keys *= np.repeat(signs, [len(part) for part in indexes])
        flat, lengths = np.concatenate(counts), np.array(sizes, dtype=np.int64)
        scale, low, high, sums = moments.reshape(-1, 4).T
        return cls(
            snapshot,
            columns if columns == own else own,
            np.array([isinstance(sketch, NumericSketch) for sketch in snapshot.columns.values()], dtype=np.bool_),
            keys,
            flat,
            lengths,
            scale.astype(np.int64),
            low,
            high,
            sums,
            _sums(flat, lengths),
            unseen.reshape(-1, 3),
        )

    def places(self, columns: Iterable[Column]) -> Int64Array:
        """Return the places of some columns among the numeric ones, -1 for those that are not."""
        numeric = (column for column, is_numeric in zip(self.columns, self.numeric, strict=True) if is_numeric)
        places = {column: at for at, column in enumerate(numeric)}
        return np.array([places.get(column, -1) for column in columns], dtype=np.int64)

    def buckets(self, places: Int64Array) -> tuple[Int64Array, Int64Array, Int64Array]:
        """Return the keys and counts of some columns' buckets, one column after the other, and each column's number."""
        sizes = self.sizes[places]
        if len(places) == len(self.sizes) and bool((places == np.arange(len(places))).all()):
            return self.keys, self.counts, sizes
        starts = (np.cumsum(self.sizes) - self.sizes)[places]
        at = np.arange(int(sizes.sum())) + np.repeat(starts - np.cumsum(sizes) + sizes, sizes)
        return self.keys[at], self.counts[at], sizes


def _sums(counts: Int64Array, sizes: Int64Array) -> Int64Array:
    """Return the sums of counts that stand one column after the other; columns may have none."""
    reached = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=reached[1:])
    return np.diff(reached[np.cumsum(sizes)], prepend=0)
