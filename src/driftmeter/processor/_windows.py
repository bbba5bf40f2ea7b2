"""The steps of one model's traffic, and the window that slides over them.

A step is not kept as sketches but as what a window needs: its rows by bin of each baseline, and its bad values by
check. Both add up, so the window is a running sum: each step is added once, when the window reaches it, and
subtracted once, when the window has left it behind, however many steps a window has::

    steps      | 1 | 2 | 3 | 4 | 5 |      aligned to the Unix epoch, so that replicas cut alike
    window         |-----------|          three steps: 2 + 3 + 4
    next               |-----------|      + 5 - 2

The least and the greatest value cannot be subtracted; they are taken from the steps.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from driftmeter.processor._comparison import Comparer
from driftmeter.processor._counts import Counts, PackedCounts
from driftmeter.processor._flat import Flat
from driftmeter.processor._strange import Strange, strange, together
from driftmeter.processor._tally import ROWS, Known, PackedTally, Tally, tally
from driftmeter.schema import Column
from driftmeter.sketches import Snapshot


@dataclass(slots=True)
class Stretch:
    """A stretch of traffic, counted."""

    rows: int = 0
    counts: dict[Comparer, Counts] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)

    def add(self, other: Stretch) -> None:
        """Add another stretch."""
        self.rows += other.rows
        for comparer, counts in other.counts.items():
            known = self.counts.get(comparer)
            self.counts[comparer] = counts if known is None else known + counts
        self.tally += other.tally

    def subtract(self, other: Stretch) -> None:
        """Take away a stretch that was added, perhaps before a sum without rows began anew: then it had none itself."""
        self.rows -= other.rows
        for comparer, counts in other.counts.items():
            if comparer in self.counts:
                self.counts[comparer] = self.counts[comparer] - counts
        self.tally -= other.tally

    def packed(self) -> PackedStretch:
        """Return the same as few bytes: a window has many steps."""
        counts = {comparer: counts.packed() for comparer, counts in self.counts.items()}
        return PackedStretch(self.rows, counts, self.tally.packed())


@dataclass(frozen=True, slots=True)
class PackedStretch:
    """A stretch at rest."""

    rows: int
    counts: Mapping[Comparer, PackedCounts]
    tally: PackedTally

    def unpacked(self) -> Stretch:
        """Return the stretch, which may be changed."""
        counts = {comparer: counts.unpacked() for comparer, counts in self.counts.items()}
        return Stretch(self.rows, counts, self.tally.unpacked())


class Windows:
    """Keeps the steps of the window and those to come; what the window has left is let go."""

    def __init__(self, *, window: int, step: int) -> None:
        self._window = window
        self._step = step
        self._steps: dict[int, PackedStretch] = {}
        self._strange: dict[int, Mapping[Column, Strange]] = {}
        self._evaluated: int | None = None
        self._sum = Stretch()
        self._sum_end: int | None = None
        self._columns: tuple[Column, ...] = ()
        self.late_rows = 0
        """Rows that came when no window was left to count them in."""

    def add(self, snapshot: Snapshot, comparers: Iterable[Comparer], known: Mapping[Column, Known]) -> None:
        """Count a snapshot into the step that it starts in, unless the last window to hold that has been evaluated."""
        start = snapshot.start // self._step * self._step
        if self._evaluated is not None and start < self._evaluated + self._step - self._window:
            self.late_rows += snapshot.rows
            return
        flat = Flat.of(snapshot, columns=self._columns)
        self._columns = flat.columns
        counts = {comparer: comparer.count_flat(flat) for comparer in comparers}
        tallied = tally(flat, known)
        more = Stretch(int(tallied.counts[:, ROWS].max(initial=0)), counts, tallied)
        packed = self._steps.get(start)
        step = Stretch() if packed is None else packed.unpacked()
        step.add(more)
        self._steps[start] = step.packed()
        self._note(start, strange(flat, known, tallied))
        if self._sum_end is not None and start < self._sum_end:
            self._sum.add(more)

    def _note(self, start: int, found: Mapping[Column, Strange]) -> None:
        if found:
            self._strange[start] = together([self._strange.get(start, {}), found])

    def count_anew(self) -> None:
        """Let go of what was counted against an old baseline; how many rows there were stays."""
        self._steps = {start: Stretch(stretch.rows).packed() for start, stretch in self._steps.items()}
        self._sum = Stretch(self._sum.rows)
        self._strange = {}

    def follow(self, now: int) -> None:
        """Begin with the first step at the start, and anew when the clock was set back by more than a window."""
        last = now // self._step * self._step
        if self._evaluated is not None and self._evaluated > last + self._window:
            self._evaluated = None
            self._steps = {start: stretch for start, stretch in self._steps.items() if start <= last}
            self._strange = {start: found for start, found in self._strange.items() if start <= last}
            self._sum, self._sum_end = Stretch(), None

    def due(self, now: int) -> list[int]:
        """Return the ends of the windows that can be evaluated now, oldest first; each is returned once.

        Of a stretch without rows only these are returned: the first window, which says that none came, and the first
        and the last that share no row with the one before them.
        """
        last = now // self._step * self._step
        starts = sorted(self._steps)
        if self._evaluated is None:
            self._evaluated = starts[0] if starts else last
        ends: list[int] = []
        end = self._evaluated + self._step
        while end <= last:
            ends.append(end)
            at = bisect_left(starts, end - self._window)
            if at == len(starts) or starts[at] >= end:
                until = min(starts[at] if at < len(starts) else last, last)
                ends += self._whole_ends(end, until)
                end = until
            end += self._step
        self._evaluated = max(self._evaluated, last)
        return ends

    def _whole_ends(self, after: int, until: int) -> list[int]:
        """Return the first and the last end of a whole window after one time and up to another."""
        first = (after // self._window + 1) * self._window
        last = until // self._window * self._window
        return [first, last] if first < last else [last] if first == last else []

    def window(self, end: int) -> Stretch:
        """Return the window that ends at ``end``; ends must not fall. What it returns changes with the next one."""
        gone = [start for start in self._steps if start < end - self._window]
        for start in gone:
            left = self._steps.pop(start)
            self._strange.pop(start, None)
            if self._sum_end is not None and start < self._sum_end:
                self._sum.subtract(left.unpacked())
        for start, stretch in self._steps.items():
            if start < end and (self._sum_end is None or start >= self._sum_end):
                self._sum.add(stretch.unpacked())
        self._sum_end = end
        if not self._sum.rows:
            self._sum = Stretch()
        inside = [stretch for start, stretch in self._steps.items() if start < end]
        for comparer, counts in list(self._sum.counts.items()):
            parts = [stretch.counts[comparer] for stretch in inside if comparer in stretch.counts]
            if parts:
                self._sum.counts[comparer] = counts.within(parts)
            else:
                # Nobody counts for it any more: its baseline was replaced.
                del self._sum.counts[comparer]
        return self._sum

    def strange(self, end: int) -> dict[Column, Strange]:
        """Return what lies behind the bad values of the window that ends at ``end``, the last that was asked for."""
        return together(found for start, found in self._strange.items() if start < end)
