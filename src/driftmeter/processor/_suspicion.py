"""What earlier windows said of the columns: for the rule of two windows, and so that a verdict does not flicker."""

from __future__ import annotations

from collections.abc import Sequence

from driftmeter.processor._comparison import Verdict
from driftmeter.schema import Column


class Suspicion:
    """The columns that were suspected in the windows against one baseline, and those with a verdict in the last."""

    def __init__(self) -> None:
        self.detected: frozenset[Column] = frozenset()
        """Columns whose last verdict was 1."""
        self._by_end: dict[int, frozenset[Column]] = {}

    def until(self, end: int) -> frozenset[Column]:
        """Return the columns suspected in the last window with verdicts that ended by ``end``; older ones go."""
        ended = [other for other in self._by_end if other <= end]
        if not ended:
            return frozenset()
        self._by_end = {other: columns for other, columns in self._by_end.items() if other >= max(ended)}
        return self._by_end[max(ended)]

    def note(self, end: int, verdicts: Sequence[Verdict], *, before: frozenset[Column]) -> None:
        """Note what a window said; a column with too few rows there keeps what was thought of it."""
        if not verdicts:
            return
        # Mostly nothing was thought of any column, and nothing is.
        left = before | self.detected
        if left:
            left -= {verdict.column for verdict in verdicts}
        suspected = frozenset(verdict.column for verdict in verdicts if verdict.suspected)
        detected = frozenset(verdict.column for verdict in verdicts if verdict.detected)
        self._by_end[end] = suspected | (before & left)
        self.detected = detected | (self.detected & left)
