"""Volume: how many rows a window has, against the windows of the same hour on earlier days.

The rows of one hour of the day vary from day to day by some factor, so their logarithms are compared: the window is one
more draw beside those of up to two weeks, by Student's t with the spread that they show, or Poisson's if that is
more. What is like the same day of the last weeks is usual too: weekends are. Windows that were found too full or too
empty are no example of what is usual for other days, until they are all there is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

_DAY: Final = 86_400 * 1_000_000_000
_DAYS: Final = 14
_WEEK: Final = 7
_LEAST: Final = 3
"""Earlier windows that it takes for a verdict."""
_MOST_KEPT: Final = 4096


@dataclass(frozen=True, slots=True)
class Volume:
    """Rows of a window, and what is usual at its time."""

    rows: int
    usual: float
    p_value: float

    @property
    def ratio(self) -> float:
        """Rows as a share of the usual."""
        return self.rows / self.usual


class Volumes:
    """The rows of the windows of the last two weeks."""

    def __init__(self, *, window: int) -> None:
        # Windows longer than a day, or that do not divide it, have no hour: then each is like any other.
        self._period = _DAY if window <= _DAY and not _DAY % window else window
        self._window = window
        self._rows: dict[int, int] = {}
        self._odd: set[int] = set()
        self._first: int | None = None

    def add(self, end: int, rows: int) -> None:
        """Note a window that ended. The first one is left out: it began before the process did."""
        if self._first is None:
            self._first = end
            return
        for later in [other for other in self._rows if other > end]:
            del self._rows[later]  # the clock was set back
        self._first = min(self._first, end)
        self._rows[end] = rows
        oldest = end - _DAYS * self._period
        for other in [other for other in self._rows if other < oldest]:
            del self._rows[other]
            self._odd.discard(other)
        while len(self._rows) > _MOST_KEPT:
            self._first = min(self._rows)
            del self._rows[self._first]

    def leave_out(self, end: int) -> None:
        """Do not take the window that ended at ``end`` for a usual one."""
        self._odd.add(end)

    def of(self, end: int, rows: int) -> Volume | None:
        """Return how a window's rows compare with those of its hour; None where too little is known."""
        from scipy.special import stdtr

        ends = [end - days * self._period for days in range(1, _DAYS + 1)]
        known = [other for other in ends if self._first is not None and other > self._first]
        usual = [other for other in known if other not in self._odd]
        if len(usual) < _LEAST:
            usual = known
        if len(usual) < _LEAST:
            return None
        logs = self._logs(usual)
        mean = math.fsum(logs) / len(logs)
        spread = math.fsum((log - mean) ** 2 for log in logs) / (len(logs) - 1)
        found: list[Volume] = []
        for like in (usual, [other for other in known if (end - other) % (_WEEK * self._period) == 0]):
            if like:
                logs = self._logs(like)
                mean = math.fsum(logs) / len(logs)
                expected = max(math.exp(mean) - 0.5, 0.5)
                error = math.sqrt(max(spread, 1.0 / expected) * (1.0 + 1.0 / len(logs)))
                t = abs(math.log(rows + 0.5) - mean) / error
                found.append(Volume(rows, expected, 2.0 * float(stdtr(len(usual) - 1, -t))))
        return max(found, key=lambda volume: volume.p_value)

    def _logs(self, ends: list[int]) -> list[float]:
        return [math.log(self._rows.get(end, 0) + 0.5) for end in ends]
