"""Counters of a driver, as counters of this process: they begin at 0 and never fall.

A driver counts since it was loaded. Told as it is, each start of a process would look like the energy of weeks to
whoever takes differences, and a GPU that was reset would let the series fall::

    the driver says    900  910  930 | reset | 5  20
    told                 0   10   30           35  50
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeVar

_Number = TypeVar("_Number", int, float)


class Totals:
    """Running totals by any key."""

    def __init__(self) -> None:
        self._last: dict[Hashable, float] = {}
        self._totals: dict[Hashable, float] = {}

    def follow(self, key: Hashable, count: _Number) -> _Number:
        """Return how much has been counted since the first call with this key; ``count`` is what the driver says."""
        last = self._last.get(key, count)
        self._last[key] = count
        total = self._totals.get(key, 0) + (count - last if count >= last else count)
        self._totals[key] = total
        return type(count)(total)
