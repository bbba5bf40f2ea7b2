"""The first rows of a model without a baseline, until there are enough of them to be one."""

from __future__ import annotations

from typing import Final

from driftmeter.baseline import Baseline
from driftmeter.sketches import Snapshot, merge_snapshots

MAX_WINDOWS: Final = 64
"""Windows kept apart; what is older is kept in one."""


class Learning:
    """Keeps traffic as one snapshot a window of ``window`` nanoseconds, and one of all that is older."""

    def __init__(self, *, window: int) -> None:
        self._window = window
        self.clear()

    def clear(self) -> None:
        """Forget all of it."""
        self.rows = 0
        self._older: list[Snapshot] = []
        self._windows: dict[int, Snapshot] = {}

    def add(self, snapshot: Snapshot) -> None:
        """Add what was recorded in one step, or a part of it."""
        self.rows += snapshot.rows
        start = snapshot.start // self._window * self._window
        known = self._windows.get(start)
        self._windows[start] = (snapshot if known is None else known.merge(snapshot)).packed()
        if len(self._windows) > MAX_WINDOWS:
            oldest = merge_snapshots([*self._older, self._windows.pop(min(self._windows))])
            self._older = [] if oldest is None else [oldest.packed()]

    def take(self) -> Baseline | None:
        """Take out everything as a baseline; None when there is nothing.

        The last window, which may go on, is no example of one.
        """
        in_order = [self._windows[start] for start in sorted(self._windows)]
        whole = merge_snapshots([*self._older, *in_order])
        self.clear()
        return None if whole is None else Baseline(whole, "previous_window", blocks=tuple(in_order[:-1]))
