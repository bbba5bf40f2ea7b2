"""Served traffic that becomes a baseline: its sketches, a window at a time."""

from __future__ import annotations

from typing import Final

from driftmeter.sketches import Snapshot, merge_snapshots

MAX_WINDOWS: Final = 64
"""Windows kept apart; of more, the oldest two become one."""


class ServedTraffic:
    """Keeps traffic as one snapshot a window of ``window`` nanoseconds."""

    def __init__(self, *, window: int) -> None:
        self.rows = 0
        self._window = window
        self._snapshots: dict[int, Snapshot] = {}

    def add(self, snapshot: Snapshot) -> None:
        """Add what was recorded in one step, or a part of it."""
        self.rows += snapshot.rows
        start = snapshot.start // self._window * self._window
        known = self._snapshots.get(start)
        self._snapshots[start] = snapshot if known is None else known.merge(snapshot)
        if len(self._snapshots) > MAX_WINDOWS:
            oldest, second = sorted(self._snapshots)[:2]
            self._snapshots[second] = self._snapshots[second].merge(self._snapshots.pop(oldest))

    def take(self, end: int | None = None) -> list[Snapshot]:
        """Take out the windows that ended by ``end``, or all of them, oldest first."""
        ended = sorted(start for start in self._snapshots if end is None or start < end)
        taken = [self._snapshots.pop(start) for start in ended]
        self.rows -= sum(snapshot.rows for snapshot in taken)
        return taken

    def take_one(self, end: int) -> Snapshot | None:
        """Take out what came by ``end``, as one snapshot; None when nothing did."""
        return merge_snapshots(self.take(end))
