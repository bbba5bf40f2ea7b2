"""Points by the intervals that they speak of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

from driftmeter.typing import Int64Array

Interval: TypeAlias = tuple[int, int]
"""Start and time, Unix nanoseconds."""


def by_interval(starts: Int64Array, times: Int64Array) -> Iterator[tuple[Interval, Int64Array]]:
    """Return the intervals in the order of their times, each with the places of its points, ascending.

    Args:
        starts: When each point began; there are some.
        times: When each was taken.
    """
    if (starts == starts[0]).all() and (times == times[0]).all():  # as with nearly all exporters
        yield (int(starts[0]), int(times[0])), np.arange(len(starts))
        return
    order = np.lexsort((starts, times))
    changes = np.flatnonzero((np.diff(starts[order]) != 0) | (np.diff(times[order]) != 0)) + 1
    for members in np.split(order, changes):
        yield (int(starts[members[0]]), int(times[members[0]])), members
