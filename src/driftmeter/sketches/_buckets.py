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

from driftmeter.typing import AnyArray, Int64Array


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
        starts = run_starts(coarse)
        return Buckets(coarse[starts], np.add.reduceat(self.counts, starts))

    def joining_scales(self) -> Int64Array:
        """Return for each two neighbours by how many scales one must go down until they are one bucket.

        It is the place of the highest bit in which their indexes differ, 5 = 0b101 and 7 = 0b111 say: 2 scales.
        Those left and right of 1 never meet: -1 and 0 differ in all bits, which are 64.
        """
        differing = self.indexes[1:] ^ self.indexes[:-1]
        # The exponent of a float64 is the bit length, for the 32 bits that an index has.
        return np.where(differing < 0, 64, np.frexp(differing.astype(np.float64))[1].astype(np.int64))

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
    if (indexes[1:] < indexes[:-1]).any():
        if counts is None:
            indexes = np.sort(indexes)
        else:
            order = np.argsort(indexes, kind="stable")
            indexes, counts = indexes[order], counts[order]
    starts = run_starts(indexes)
    if counts is None:
        return Buckets(indexes[starts], np.diff(starts, append=len(indexes)))
    return Buckets(indexes[starts], np.add.reduceat(counts, starts))


def run_starts(ordered: AnyArray) -> Int64Array:
    """Return where each run of equal elements starts in an array in order, of shape (n,) with n > 0."""
    changes = np.flatnonzero(ordered[1:] != ordered[:-1])
    starts = np.zeros(len(changes) + 1, dtype=np.int64)
    np.add(changes, 1, out=starts[1:])
    return starts
