"""The steps of one model's traffic, and the windows that they add up to.

A step is not kept as sketches but as what a window needs: its rows by bin of each baseline, and its bad values by
check. Both add up, so a window is a sum over its steps, whether windows slide or (``step`` equal to ``window``)
tumble::

    steps     |  1  |  2  |  3  |  4  |  5  |      aligned to the Unix epoch, so that replicas cut alike
    window          |-----------------|            three steps, evaluated when the last of them has ended
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from driftmeter.processor import _quality
from driftmeter.processor._comparison import Comparer, Counts
from driftmeter.sketches import Snapshot


@dataclass(slots=True)
class Window:
    """A stretch of traffic, counted."""

    rows: int = 0
    counts: dict[Comparer, Counts] = field(default_factory=dict)
    tally: _quality.Tally = field(default_factory=dict)

    def add(self, other: Window) -> None:
        """Add another stretch."""
        self.rows += other.rows
        for comparer, counts in other.counts.items():
            known = self.counts.get(comparer)
            self.counts[comparer] = counts if known is None else known + counts
        self.tally = _quality.add(self.tally, other.tally)


class Windows:
    """Keeps the steps of the last window; what is older is let go."""

    def __init__(self, *, window: int, step: int) -> None:
        self._window = window
        self._step = step
        self._steps: dict[int, Window] = {}
        self._evaluated: int | None = None

    def add(self, snapshot: Snapshot, comparers: Mapping[str, Comparer], usual: Snapshot | None) -> None:
        """Count a snapshot into the step that it starts in."""
        start = snapshot.start // self._step * self._step
        counts = {comparer: comparer.count(snapshot) for comparer in comparers.values()}
        self._steps.setdefault(start, Window()).add(Window(snapshot.rows, counts, _quality.tally(snapshot, usual)))

    def clear(self) -> None:
        """Let go of all steps."""
        self._steps.clear()

    def due(self, now: int) -> list[int]:
        """Return the ends of the windows that can be evaluated now, oldest first; each is returned once.

        Of a stretch without rows only the first window is returned: it says that none came.
        """
        last = now // self._step * self._step
        if self._evaluated is None or self._evaluated > last + self._window:
            # At the start, or after the clock was set back by more than a window.
            self._evaluated = min(self._steps, default=last)
        ends: list[int] = []
        end = self._evaluated + self._step
        while end <= last:
            ends.append(end)
            if not self._occupied(end):
                end = min(min((start for start in self._steps if start >= end), default=last), last)
            end += self._step
        self._evaluated = max(self._evaluated, last)
        return ends

    def _occupied(self, end: int) -> bool:
        return any(end - self._window <= start < end for start in self._steps)

    def window(self, end: int) -> Window:
        """Return the window that ends at ``end``."""
        total = Window()
        for start, step in sorted(self._steps.items()):
            if end - self._window <= start < end:
                total.add(step)
        return total

    def forget_before(self, end: int) -> None:
        """Let go of what no window after the one that ends at ``end`` holds."""
        oldest = end + self._step - self._window
        self._steps = {start: step for start, step in self._steps.items() if start >= oldest}
