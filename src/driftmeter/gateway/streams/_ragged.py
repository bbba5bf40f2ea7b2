"""Ragged arrays: lists of different lengths, one after the other in one array; and arrays that grow."""

from __future__ import annotations

import numpy as np

from driftmeter.typing import AnyArray, Int64Array


def run(places: Int64Array) -> slice | None:
    """Return the slice that places are, if they ascend one by one; of none at all the empty one."""
    if not len(places):
        return slice(0, 0)
    first, last = places.item(0), places.item(-1)
    if last - first != len(places) - 1 or (places[1:] - places[:-1] != 1).any():
        return None
    return slice(first, last + 1)


def ranges(starts: Int64Array, sizes: Int64Array) -> Int64Array:
    """Return the places of lists, one list after the other.

    Starts 5 and 20 and sizes 3 and 2 give 5, 6, 7, 20, 21.
    """
    ends = sizes.cumsum()
    places: Int64Array = np.repeat(starts - (ends - sizes), sizes)
    places += np.arange(len(places))
    return places


def grown(array: AnyArray, size: int, fill: float) -> AnyArray:
    """Return an array that has at least that size, the same one if it has; what is new is ``fill``."""
    if size <= len(array):
        return array
    longer = np.full(max(size, len(array) * 3 // 2), fill, dtype=array.dtype)
    longer[: len(array)] = array
    return longer
