"""Sparse buckets: the occupied ones only, in the order of their indexes.

Going down one scale merges neighbours in pairs, and so loses no count::

    scale 4   index   -2  -1   0   1   2   3
              count    5   0   2   1   0   7
    scale 3   index     -1       0       1        index >> 1
              count      5       3       7
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Final

import numpy as np

from driftmeter.sketches._work_space import WorkSpace
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
        return union((self, other))


_DENSE: Final = 1 << 14
_SAMPLE: Final = 32

_SPACE: Final = 1 << 14
"""Enough for two dozen full sketches; a quarter of a MB."""

_EMPTY: Final = Buckets(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))


def empty() -> Buckets:
    """Return buckets without a count."""
    return _EMPTY


def union(parts: Sequence[Buckets], *, down: Sequence[int] = ()) -> Buckets:
    """Return the sum of any number of bucket sets.

    Args:
        parts: The sets.
        down: By how many scales each has to go down to reach the common one; by none if empty.
    """
    if len(set(down)) > 1:
        # Those that go down by as much stand side by side, and go down together.
        order = sorted(range(len(parts)), key=down.__getitem__)
        parts, down = [parts[i] for i in order], [down[i] for i in order]
    all_indexes = [part.indexes for part in parts]
    with _space.lent() as space:
        return _union_within(space.arrays(sum(map(len, all_indexes))), parts, all_indexes, down)


def _union_within(
    space: Int64Array, parts: Sequence[Buckets], all_indexes: Sequence[Int64Array], down: Sequence[int]
) -> Buckets:
    indexes, counts = space
    if not len(indexes):
        return _EMPTY
    alike = len(set(down)) <= 1
    np.concatenate(all_indexes, out=indexes)
    np.concatenate([part.counts for part in parts], out=counts)
    if alike and any(down):
        indexes >>= down[0]
    elif not alike:
        ends = list(accumulate(map(len, all_indexes)))
        for by, group in groupby(range(len(parts)), key=down.__getitem__):
            members = list(group)
            first, last = members[0], members[-1]
            indexes[ends[first] - len(all_indexes[first]) : ends[last]] >>= by
    return _collected(indexes, counts)


def collect(indexes: Int64Array, counts: Int64Array) -> Buckets:
    """Return buckets from indexes in any order and their counts; those of repeated ones are added up."""
    return _collected(indexes.copy(), counts) if len(indexes) else _EMPTY


def _collected(indexes: Int64Array, counts: Int64Array) -> Buckets:
    """Return the buckets; ``indexes`` is overwritten.

    Those around the median are added up in a dense array. The few beside it, sentinels say, are sorted.
    """
    least, greatest = int(indexes.min()), int(indexes.max())
    width = min(greatest - least + 1, _DENSE)
    if width == _DENSE:
        sample = np.sort(indexes[:: max(len(indexes) // _SAMPLE, 1)])
        least = int(sample[len(sample) // 2]) - width // 2
    indexes -= least
    far = np.flatnonzero(indexes.view(np.uint64) >= width) if width == _DENSE else np.empty(0, dtype=np.int64)
    if len(far) > len(indexes) // 2:
        return _sorted(indexes + least, counts)
    beside = _sorted(indexes[far] + least, counts[far]) if len(far) else _EMPTY
    dense = np.zeros(width + 1, dtype=np.int64)
    indexes[far] = width
    np.add.at(dense, indexes, counts)
    occupied = np.flatnonzero(dense[:width])
    if not len(far):
        return Buckets(occupied + least, dense[occupied])
    at = np.searchsorted(beside.indexes, least)
    return Buckets(
        np.concatenate((beside.indexes[:at], occupied + least, beside.indexes[at:])),
        np.concatenate((beside.counts[:at], dense[occupied], beside.counts[at:])),
    )


def _sorted(indexes: Int64Array, counts: Int64Array) -> Buckets:
    order = np.argsort(indexes, kind="stable")  # the fastest kind, as they come in sorted runs
    indexes = indexes[order]
    starts = run_starts(indexes)
    return Buckets(indexes[starts], np.add.reduceat(counts[order], starts))


class _Space:
    """Work space for one union."""

    def __init__(self) -> None:
        self._arrays = np.empty((2, _SPACE), dtype=np.int64)

    def arrays(self, size: int) -> Int64Array:
        """Return two arrays of a size, whose contents nobody else uses meanwhile."""
        return self._arrays[:, :size] if size <= _SPACE else np.empty((2, size), dtype=np.int64)


_space: Final = WorkSpace(_Space)


def run_starts(ordered: AnyArray) -> Int64Array:
    """Return where each run of equal elements starts in an array in order, of shape (n,) with n > 0."""
    changes = np.flatnonzero(ordered[1:] != ordered[:-1])
    starts = np.zeros(len(changes) + 1, dtype=np.int64)
    np.add(changes, 1, out=starts[1:])
    return starts
