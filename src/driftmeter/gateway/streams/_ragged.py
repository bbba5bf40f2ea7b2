"""Ragged arrays: lists of different lengths, one after the other in one array."""

from __future__ import annotations

import numpy as np

from driftmeter.typing import Int64Array


def ranges(starts: Int64Array, sizes: Int64Array) -> Int64Array:
    """Return the places of lists, one list after the other.

    Starts 5 and 20 and sizes 3 and 2 give 5, 6, 7, 20, 21.
    """
    ends = sizes.cumsum()
    places: Int64Array = np.repeat(starts - (ends - sizes), sizes)
    places += np.arange(len(places))
    return places
