"""Looks for rows in the bins that gained the most, so that a click on such a bin opens a trace of a row that is in it.

It looks while there is drift alone, and until it has found enough: then a call costs what it always does.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from opentelemetry.trace import SpanContext

from driftmeter.otlp import TracedRow
from driftmeter.schema import Column, Role
from driftmeter.sketches import category_name
from driftmeter.tables import Table, to_categories, to_float64

PER_BIN: Final = 2
"""Rows of one bin that are told in one interval."""
_ROWS: Final = 1000
"""Rows of one call that are looked at."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Values from ``lower`` to ``upper``, or one category."""

    lower: float = 0.0
    upper: float = 0.0
    category: str = ""

    @property
    def middle(self) -> float:
        """A value that stands for those in it: no row's own value is told."""
        return 1.0 if self.category else self.lower + (self.upper - self.lower) / 2


class Seeker:
    """Looks for rows of one model; any number of threads may look while another takes."""

    def __init__(self, wanted: Mapping[Column, Sequence[Bin]]) -> None:
        self._wanted = wanted
        self._lock = threading.Lock()
        self._start_anew()

    def _start_anew(self) -> None:
        self._found: dict[Column, list[TracedRow]] = {}
        self._left = {(column, one): PER_BIN for column, bins in self._wanted.items() for one in bins}

    @property
    def is_done(self) -> bool:
        """Whether enough was found in this interval."""
        return not self._left

    def look(self, tables: Sequence[tuple[Role, Table]], span: SpanContext, *, now: int) -> None:
        """Look through the rows of one call.

        Args:
            tables: Its columns, by role.
            span: The call's span; only one that is sampled can be opened later.
            now: Unix nanoseconds.
        """
        if not span.trace_flags.sampled:
            return
        by_role = dict(tables)
        for column, one in list(self._left):
            table = by_role.get(column.role)
            if table is not None and column.name in table.names and _has_row_in(table, column, one):
                row = TracedRow(one.middle, one.category, now, span.trace_id, span.span_id)
                self._add(column, one, row)

    def _add(self, column: Column, one: Bin, row: TracedRow) -> None:
        with self._lock:
            left = self._left.pop((column, one), 0)
            if left:
                self._found.setdefault(column, []).append(row)
            if left > 1:
                self._left[column, one] = left - 1

    def take(self) -> dict[Column, list[TracedRow]]:
        """Return what was found since the last call, and look anew."""
        with self._lock:
            found = self._found
            self._start_anew()
        return found


def _has_row_in(table: Table, column: Column, one: Bin) -> bool:
    values = table.column(table.names.index(column.name))[:_ROWS]
    if one.category:
        return any(category_name(value) == one.category for value in to_categories(values))
    numbers, _ = to_float64(values)
    return bool(np.any((numbers >= one.lower) & (numbers <= one.upper)))
