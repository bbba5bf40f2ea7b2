"""Windows that ended: what later ones are compared with, as `previous_window`, as `seasonal`, or by another model.

A window is kept as compact sketches, some 2 kB a column, no finer than bins are (`compacted`), and only as long as a
comparison can still ask for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from driftmeter.sketches import NumericSketch, Snapshot

KEPT_BUCKETS: Final = 200
"""Buckets of one numeric column of a window that ended, at most."""


class History:
    """Keeps traffic as one snapshot a window of ``window`` nanoseconds."""

    def __init__(self, *, window: int) -> None:
        self._window = window
        self.windows = 1
        """How many are kept, the latest ones."""
        self._by_end: dict[int, Snapshot] = {}

    def add(self, snapshot: Snapshot) -> None:
        """Add what was recorded in one step, or a part of it."""
        end = self._end(snapshot.start)
        known = self._by_end.get(end)
        if known is None:
            self._compact()
            self._by_end[end] = snapshot.packed()
            while len(self._by_end) > self.windows:
                del self._by_end[min(self._by_end)]
        else:
            self._by_end[end] = known.merge(snapshot).packed()

    def forget_after(self, end: int) -> None:
        """Let go of windows that end later: the clock was set back."""
        for other in [other for other in self._by_end if other > end]:
            del self._by_end[other]

    def _end(self, time: int) -> int:
        return (time // self._window + 1) * self._window

    def _compact(self) -> None:
        """Compact the last window, which was in the making until now."""
        if self._by_end:
            last = max(self._by_end)
            self._by_end[last] = _compacted(self._by_end[last])

    def window(self, end: int) -> Snapshot | None:
        """Return the window that ended at ``end``, if it had rows and is still kept."""
        return self._by_end.get(end)

    def before(self, end: int) -> Iterator[Snapshot]:
        """Yield the windows that ended before ``end``, the latest first."""
        return (self._by_end[other] for other in sorted(self._by_end, reverse=True) if other < end)


def _compacted(snapshot: Snapshot) -> Snapshot:
    columns = {
        column: sketch.compacted(KEPT_BUCKETS) if isinstance(sketch, NumericSketch) else sketch
        for column, sketch in snapshot.columns.items()
    }
    return replace(snapshot, columns=columns).packed()
