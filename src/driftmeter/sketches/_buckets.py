"""Sparse buckets: the occupied ones only, in the order of their indexes.

Going down one scale merges neighbours in pairs, and so loses no count::

    scale 4   index   -2  -1   0   1   2   3
              count    5   0   2   1   0   7
    scale 3   index     -1       0       1        index >> 1
              count      5       3       7
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from driftmeter.typing import Int64Array


@dataclass(frozen=True, slots=True, eq=False)
class Buckets:
    """Occupied buckets: ``indexes`` strictly ascending, ``counts`` positive, both int64 of one shape (k,)."""

    indexes: Int64Array
    counts: Int64Array

    @property
    def total(self) -> int:
        """The number of values in all buckets."""
        return int(self.counts.sum())

    def __len__(self) -> int:
        return len(self.indexes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Buckets):
            return NotImplemented
        return bool(np.array_equal(self.indexes, other.indexes) and np.array_equal(self.counts, other.counts))

    def downscaled(self, by: int) -> Buckets:
        """Return the same counts on buckets that are ``2 ** by`` times as wide."""
        if by == 0 or not len(self.indexes):
            return self
        coarse = self.indexes >> by
        starts = np.flatnonzero(np.r_[True, coarse[1:] != coarse[:-1]])
        return Buckets(coarse[starts], np.add.reduceat(self.counts, starts))

    def merged(self, other: Buckets) -> Buckets:
        """Return the sum of two bucket sets of one scale."""
        if not len(other.indexes):
            return self
        if not len(self.indexes):
            return other
        return collect(np.concatenate((self.indexes, other.indexes)), np.concatenate((self.counts, other.counts)))


_EMPTY: Final = Buckets(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))


def empty() -> Buckets:
    """Return buckets without a count."""
    return _EMPTY


def collect(indexes: Int64Array, counts: Int64Array | None = None) -> Buckets:
    """Return buckets from indexes in any order, repeated ones added up (each counts once without ``counts``)."""
    if not len(indexes):
        return _EMPTY
    if counts is None:
        unique, occurrences = np.unique(indexes, return_counts=True)
        return Buckets(unique.astype(np.int64, copy=False), occurrences.astype(np.int64, copy=False))
    order = np.argsort(indexes, kind="stable")
    indexes, counts = indexes[order], counts[order]
    starts = np.flatnonzero(np.r_[True, indexes[1:] != indexes[:-1]])
    return Buckets(indexes[starts], np.add.reduceat(counts, starts))
