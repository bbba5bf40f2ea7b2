"""Baselines that move with time: the window before, the same hour of another day, another model's window.

They are compared when a window of its own has ended, which shares no row with the one before it; between two such
windows, while a window slides, the last verdicts stand::

    windows    |  1  |  2  |  3  |  4  |  5  |
                               `---> 4 : previous_window
                   `---------------> 5 : seasonal, offset of three windows
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from driftmeter.baseline import Baseline
from driftmeter.processor._comparison import Comparer
from driftmeter.processor._history import History
from driftmeter.processor._rules import Rules
from driftmeter.schema import BaselineKind
from driftmeter.sketches import Snapshot

EARLIER_WINDOWS: Final = 12
"""Windows kept beside the previous one, to know how windows differ when nothing is wrong."""
_SECOND: Final = 1_000_000_000
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


@dataclass(frozen=True, slots=True)
class Moving:
    """One moving baseline.

    Attributes:
        kind: previous_window, seasonal or model.
        id: Which one, where there can be several: the offset, the other model.
        find: Returns the snapshots that a window ending at a time is compared with, the one meant last and before it
            those that show how windows differ; empty when there are none.
        season: How many windows it lies back, if how windows differ is learned from comparisons; else 0.
    """

    kind: BaselineKind
    id: str
    find: Callable[[int], Sequence[Snapshot]]
    season: int = 0

    def comparer(self, end: int, rules: Rules) -> Comparer | None:
        """Return what compares a window that ended at ``end``, or None when there is nothing to compare it with."""
        found = [rules.without_ignored(snapshot) for snapshot in self.find(end)]
        if not found or not found[-1].columns:
            return None
        blocks = tuple(found) if len(found) > 1 else ()
        return Comparer(Baseline(found[-1], self.kind, id=self.id, blocks=blocks))


def previous_window(history: History, *, min_rows: int) -> Moving:
    """Return the window before, or the last one that had enough rows."""

    def find(end: int) -> list[Snapshot]:
        enough = (window for window in history.before(end) if window.rows >= min_rows)
        return [*islice(enough, 1 + EARLIER_WINDOWS)][::-1]

    return Moving("previous_window", "", find)


def seasonal(history: History, *, offset: int, window: int, min_rows: int) -> Moving:
    """Return the window of ``window`` nanoseconds that ended ``offset`` earlier."""

    def find(end: int) -> list[Snapshot]:
        found = history.window(end - offset)
        return [found] if found is not None and found.rows >= min_rows else []

    return Moving("seasonal", offset_name(offset), find, season=offset // window)


def other_model(name: str, window: Callable[[str, int], Snapshot | None], *, min_rows: int) -> Moving:
    """Return another model's window of the same time."""

    def find(end: int) -> list[Snapshot]:
        found = window(name, end)
        return [found] if found is not None and found.rows >= min_rows else []

    return Moving("model", name, find)


def offset_name(offset: int) -> str:
    """Return nanoseconds as they are written in the configuration: 24h, 7d."""
    seconds = offset / _SECOND
    if seconds == 86_400:
        return "24h"
    for unit, letter in _UNITS:
        if seconds >= unit and not seconds % unit:
            return f"{seconds // unit:.0f}{letter}"
    return f"{seconds:g}s"
