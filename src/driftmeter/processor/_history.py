"""The steps of one model, and the windows they add up to.

A window is the steps of the configured duration that end where it ends; with ``step`` equal to ``window`` windows
tumble, else they slide. Steps are aligned to the Unix epoch, so that all replicas cut at the same instants.
"""

from __future__ import annotations

from driftmeter.sketches import Snapshot, merge_snapshots


class History:
    """Keeps the steps of the last two windows; what is older is let go."""

    def __init__(self, *, window: int, step: int) -> None:
        self._window = window
        self._step = step
        self._steps: dict[int, Snapshot] = {}
        self._evaluated: int | None = None

    def add(self, snapshot: Snapshot) -> None:
        """Add a snapshot to the step that it starts in."""
        start = snapshot.start // self._step * self._step
        known = self._steps.get(start)
        self._steps[start] = snapshot if known is None else known.merge(snapshot)

    def due(self, now: int) -> list[int]:
        """Return the ends of the windows that can be evaluated now, oldest first; each is returned once.

        Of a stretch without rows only the first window is returned, which says that none came.
        """
        last = now // self._step * self._step
        if self._evaluated is None:
            self._evaluated = min(self._steps, default=last)
        ends: list[int] = []
        end = self._evaluated + self._step
        while end <= last:
            if self._occupied(end):
                ends.append(end)
            else:
                ends.append(end)
                later = [start for start in self._steps if start >= end]
                end = min(min(later, default=last), last)
            end += self._step
        self._evaluated = max(self._evaluated, last)
        return ends

    def _occupied(self, end: int) -> bool:
        return any(end - self._window <= start < end for start in self._steps)

    def window(self, end: int) -> Snapshot | None:
        """Return the window that ends at ``end``, or None when no row came in it."""
        inside = [snapshot for start, snapshot in self._steps.items() if end - self._window <= start < end]
        return merge_snapshots(inside)

    def forget_before(self, end: int) -> None:
        """Let go of what neither the window that ends at ``end`` nor the one before it holds."""
        oldest = end - 2 * self._window
        self._steps = {start: snapshot for start, snapshot in self._steps.items() if start >= oldest}
