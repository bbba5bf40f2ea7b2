"""The buckets of many columns in one array, so that a few numpy calls work on all columns at once.

A bucket is one integer, its key: column, sign, and the index with an offset that makes it positive::

    column 3, negative, index -2 at scale 20     (3 * 2 + 1) << 32  |  2**31 - 2
                        index -1 at scale 19     (3 * 2 + 1) << 32  |  2**30 - 1

The offset at scale s is ``2 ** (s + 11)``, half as much one scale further down. So shifting the low half of a key to
the right does to it what going down a scale does to an index. Keys in order are in that of column, sign and index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from driftmeter.sketches._buckets import Buckets, run_starts
from driftmeter.sketches._mapping import MAX_SCALE, MIN_SCALE, map_to_index
from driftmeter.typing import Float64Array, Int64Array

_INDEX_BITS: Final = 32
INDEX: Final = (1 << _INDEX_BITS) - 1
NEGATIVE: Final = 1 << _INDEX_BITS
"""The bit that tells keys of negative values from those of positive ones."""

_OFFSET_BITS: Final = 11
_FINEST_OFFSET: Final = 1 << MAX_SCALE + _OFFSET_BITS
_SIGN_OF_PLACE: Final = 31
_HALF: Final = 1 << 30
"""What makes an index at the finest scale, which is from -1022 * 2**20 - 1 to 2**30 - 1, a number of 31 bits."""
_NEVER: Final = _INDEX_BITS
"""By so many scales two buckets of different signs or columns would have to go down to be one."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Occupied buckets: ``keys`` strictly ascending and ``counts``, int64 of shape (k,); ``scales`` by column."""

    scales: Int64Array
    keys: Int64Array
    counts: Int64Array

    @property
    def has_negative(self) -> bool:
        """Whether there is a negative value."""
        return bool((self.keys & NEGATIVE).any())

    def columns(self) -> Int64Array:
        """Return the column of each bucket."""
        return self.keys >> (_INDEX_BITS + 1)

    def indexes(self) -> Int64Array:
        """Return the index of each bucket."""
        return (self.keys & INDEX) - _offsets(self.scales)[self.columns()]

    def magnitudes(self) -> Stack:
        """Return the buckets of the absolute values."""
        if not self.has_negative:
            return self
        return merge_stacks([Stack(self.scales, self.keys & ~NEGATIVE, self.counts)])

    def at_scales(self, scales: Int64Array) -> Stack:
        """Return the same counts at each column's coarser scale, exactly."""
        return _collected(scales, _at_scales(self, scales), self.counts)

    def compacted(self, max_buckets: int) -> Stack:
        """Return the finest buckets of the same values with at most ``max_buckets`` a column (or at scale 3)."""
        columns = self.columns()
        spare = np.bincount(columns, minlength=len(self.scales)) - max_buckets
        if not (spare > 0).any():
            return self
        # Two neighbours are one bucket when all bits are gone in which they differ; see `Buckets.joining_scales`.
        joining = np.frexp((self.keys[1:] ^ self.keys[:-1]).astype(np.float64))[1]
        places = columns[1:] * (_NEVER + 1) + np.minimum(joining, _NEVER)
        joined = np.bincount(places, minlength=len(self.scales) * (_NEVER + 1)).reshape(-1, _NEVER + 1)
        by = (np.cumsum(joined, axis=1) < spare[:, np.newaxis]).sum(axis=1)
        return self.at_scales(np.maximum(self.scales - by, np.minimum(self.scales, MIN_SCALE)))

    def buckets(self) -> list[tuple[Buckets, Buckets]]:
        """Return each column's (positive, negative) buckets."""
        indexes = self.indexes()
        ends = np.searchsorted(self.keys, np.arange(2 * len(self.scales) + 1) << _INDEX_BITS).tolist()
        parts = [Buckets(indexes[a:b], self.counts[a:b]) for a, b in pairwise(ends)]
        return list(zip(parts[::2], parts[1::2], strict=True))


def empty_stack(columns: int) -> Stack:
    """Return a stack without a count, at the finest scale."""
    nothing = np.empty(0, dtype=np.int64)
    return Stack(np.full(columns, MAX_SCALE), nothing, nothing)


def stack_values(
    values: Float64Array, in_column: Int64Array, counts: Int64Array | None = None, *, columns: int
) -> Stack:
    """Return the buckets, at the finest scale, of values other than 0, all finite, of shape (n,).

    Args:
        values: The values.
        in_column: The column of each.
        counts: How often each is there; once if None.
        columns: How many columns there are.
    """
    index = map_to_index(np.abs(values), MAX_SCALE)
    keys = (2 * in_column + (values < 0) << _INDEX_BITS) + index + _FINEST_OFFSET
    if counts is not None:
        return merge_stacks([Stack(np.full(columns, MAX_SCALE), keys, counts)])
    return _sorted(keys, columns)


def places(values: Float64Array) -> npt.NDArray[np.uint32]:
    """Return each value's bucket at the finest scale, and its sign, in 32 bits; values as `stack_values` takes them."""
    index = (map_to_index(np.abs(values), MAX_SCALE) + _HALF).astype(np.uint32)
    index |= (values < 0).astype(np.uint32) << np.uint32(_SIGN_OF_PLACE)
    return index


def stack_places(at: npt.NDArray[np.uint32], in_column: npt.NDArray[np.uint8], *, columns: int) -> Stack:
    """Return the buckets of values that `places` gave, and the column of each, of shape (n,)."""
    index = at.astype(np.int64)
    keys = (2 * in_column.astype(np.int64) + (index >> _SIGN_OF_PLACE)) << _INDEX_BITS
    keys += (index & ((1 << _SIGN_OF_PLACE) - 1)) + (_FINEST_OFFSET - _HALF)
    return _sorted(keys, columns)


def _sorted(keys: Int64Array, columns: int) -> Stack:
    keys.sort(kind="stable")  # the fastest kind, as many are equal
    return _collected(np.full(columns, MAX_SCALE), keys, None)


def merge_stacks(stacks: Sequence[Stack]) -> Stack:
    """Return the sum of stacks of the same columns, each column at the coarsest of its scales.

    The keys of the arguments need not be in order.
    """
    scales = np.minimum.reduce([stack.scales for stack in stacks])
    keys = np.concatenate([_at_scales(stack, scales) for stack in stacks])
    order = np.argsort(keys, kind="stable")  # as they come in sorted runs
    return _collected(scales, keys[order], np.concatenate([stack.counts for stack in stacks])[order])


def first_keys(scales: Int64Array, indexes: Int64Array) -> Int64Array:
    """Return the key of one index of positive values in each column; of negative ones it is `NEGATIVE` more."""
    return (2 * np.arange(len(scales)) << _INDEX_BITS) + indexes + _offsets(scales)


def _offsets(scales: Int64Array) -> Int64Array:
    """Return what is added to an index at each scale to make it positive."""
    offsets: Int64Array = np.left_shift(1, scales + _OFFSET_BITS)
    return offsets


def _at_scales(stack: Stack, scales: Int64Array) -> Int64Array:
    down = stack.scales - scales
    if not down.any():
        return stack.keys
    index = stack.keys & INDEX
    keys: Int64Array = (stack.keys - index) | (index >> down[stack.columns()])
    return keys


def _collected(scales: Int64Array, ordered: Int64Array, counts: Int64Array | None) -> Stack:
    """Return the stack of keys in order; counts of repeated ones are added up, each is 1 if there are none."""
    if not len(ordered):
        return Stack(scales, ordered, np.empty(0, dtype=np.int64))
    starts = run_starts(ordered)
    if counts is None:
        return Stack(scales, ordered[starts], np.diff(starts, append=len(ordered)))
    return Stack(scales, ordered[starts], np.add.reduceat(counts, starts))
