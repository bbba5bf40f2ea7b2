"""What the series of one model are added up to: what they are called, read once, leads to a number.

A column has an entry for its sketch, or for each part of it, and one for each count. Entries whose series differ in
nothing that is asked for are one::

    entry    0 sketch of x    1 x missing    2 category a of c    3 sketch of x, part 1.7e+38
    column   0                0              1                    0
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from driftmeter import semconv
from driftmeter.gateway.streams._identity import Series
from driftmeter.schema import Column, Model
from driftmeter.sketches import OTHER
from driftmeter.typing import BoolArray, Int64Array

What: TypeAlias = tuple[str, str]
"""What an entry holds: a metric, and which of its details."""


class Index:
    """Numbers of a model's columns and entries.

    Args:
        max_categories: Categories of a column that have an entry of their own; the others share that of `OTHER`.

    Attributes:
        columns: The columns, of which model or segment each is.
        whats: What each entry holds.
    """

    def __init__(self, max_categories: int) -> None:
        self._max_categories = max_categories
        self._known: dict[bytes, int] = {}
        self._numbers: dict[tuple[int, What], int] = {}
        self._column_numbers: dict[tuple[Model, Column], int] = {}
        self._categories: Counter[int] = Counter()
        self.columns: list[tuple[Model, Column]] = []
        self.whats: list[What] = []
        self._entry_columns: list[int] = []
        self._arrays: tuple[Int64Array, BoolArray] = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool)

    def __len__(self) -> int:
        return len(self._known)

    def entries(self, series: Sequence[Series]) -> Int64Array:
        """Return the entry of each series; new ones are made."""
        found = list(map(self._known.get, [named.key for named in series]))
        if None in found:
            for at, entry in enumerate(found):
                if entry is None:
                    found[at] = self._known[series[at].key] = self._find(series[at])
        return np.array(found, dtype=np.int64)

    def _find(self, named: Series) -> int:
        of = (named.model, named.column)
        column = self._column_numbers.setdefault(of, len(self.columns))
        if column == len(self.columns):
            self.columns.append(of)
        what = (named.metric, named.detail)
        if named.metric == semconv.COLUMN_CATEGORIES.name and (column, what) not in self._numbers:
            self._categories[column] += 1
            if self._categories[column] > self._max_categories:
                what = (named.metric, OTHER)
        entry = self._numbers.setdefault((column, what), len(self.whats))
        if entry == len(self.whats):
            self.whats.append(what)
            self._entry_columns.append(column)
        return entry

    def arrays(self) -> tuple[Int64Array, BoolArray]:
        """Return of each entry its column, and whether it is a sketch."""
        known = len(self._arrays[0])
        if known < len(self.whats):
            columns, sketches = self._arrays
            new = [metric == semconv.COLUMN_VALUE.name for metric, _ in self.whats[known:]]
            self._arrays = np.append(columns, self._entry_columns[known:]), np.append(sketches, new)
        return self._arrays
