"""The row buffer: what a caller pays for is a copy into it, nothing more.

Numeric columns are copied into one matrix, categorical ones appended to one list each, whose texts are counted when it
is long: the same few come again and again, and each is an object of 50 bytes or more. What is full is detached as a
batch and sketched later, outside the lock that callers take::

    record() --copy--> RowBuffer --detach--> Batch --sketch--> Shape's sketches
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from driftmeter.schema import MAX_NAME_LENGTH, Column
from driftmeter.sketches import category_name, is_missing
from driftmeter.tables import Coded, Table, rows_of, to_categories, to_codes, to_float64, to_known_codes
from driftmeter.typing import AnyArray, Float64Array, Int64Array

_NUMERIC_DTYPES = "biuf"
_LABEL_DTYPES = "biuU"
_FEW: Final = 16
"""Up to so many values a list costs less than codes."""
_LONG: Final = 128
"""Values of a list that are counted at once."""
_TEXTS: Final = frozenset({str, type(None), float})
"""The types of texts, and of most nulls among them."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that left the buffer: ``numeric`` of shape (rows, numeric columns), one list a categorical column.

    ``counted`` holds texts that were counted already, ``coded`` what came as codes of categories, likewise.
    ``mismatched`` counts, by numeric column, the values of a wrong type; they are NaN in ``numeric``.
    """

    numeric: Float64Array
    categorical: list[list[Any]]
    counted: list[Counter[Any]]
    coded: list[list[Coded]]
    mismatched: Int64Array


class RowBuffer:
    """Holds up to ``capacity`` rows of the given columns; not thread-safe."""

    def __init__(self, columns: tuple[Column, ...], *, capacity: int) -> None:
        self._numeric = [i for i, column in enumerate(columns) if column.kind == "numeric"]
        self._categorical = [i for i, column in enumerate(columns) if column.kind == "categorical"]
        self._plain = not self._categorical
        self._is_labels = not self._numeric and len(self._categorical) == 1
        self._capacity = capacity
        self._spare: Float64Array | None = None
        self._start_anew()

    def _start_anew(self) -> None:
        self._use(np.empty((0, len(self._numeric))))
        self._lists: list[list[Any]] = [[] for _ in self._categorical]
        self._counted: list[Counter[Any]] = [Counter() for _ in self._categorical]
        self._repeat = [True] * len(self._categorical)
        self._coded: list[list[Coded]] = [[] for _ in self._categorical]
        self._mismatched = np.zeros(len(self._numeric), dtype=np.int64)
        self.rows = 0

    def _use(self, matrix: Float64Array) -> None:
        self._matrix = matrix
        # Rows up to which a copy into the matrix leaves the buffer with room for more.
        self._room = min(len(matrix), self._capacity - 1)

    @property
    def free(self) -> int:
        """How many rows still fit."""
        return self._capacity - self.rows

    def append_all(self, table: Table) -> bool:
        """Copy all of a table's rows, if that leaves room for more; else copy none and return False."""
        end = self.rows + table.rows
        matrix = table.matrix
        if end <= self._room and matrix is not None and self._plain and matrix.dtype.kind in _NUMERIC_DTYPES:
            # The way of nearly every call: this copy is all that it costs.
            self._matrix[self.rows : end] = matrix
            self.rows = end
        elif end <= self._room and matrix is None and self._is_labels and _are_few_labels(table.columns[0]):
            # The answer to a request of one row or a few: a classifier's labels.
            self._list(0, table.columns[0].tolist())
            self.rows = end
        elif end < self._capacity:
            self.append(table, 0, table.rows)
        else:
            return False
        return True

    def append(self, table: Table, start: int, stop: int) -> None:
        """Copy the rows from ``start`` to ``stop``, no more than are free."""
        end = self.rows + stop - start
        if end > len(self._matrix):
            self._grow(end)
        matrix = table.matrix
        if matrix is not None and self._plain and matrix.dtype.kind in _NUMERIC_DTYPES:
            self._matrix[self.rows : end] = matrix if stop - start == table.rows else matrix[start:stop]
        else:
            self._append_columns(table, start, stop, self._matrix[self.rows : end])
        self.rows = end

    def _append_columns(self, table: Table, start: int, stop: int, target: Float64Array) -> None:
        # All is read before anything is kept: a column that cannot be read must not leave half a row behind.
        columns = _columns(table, start, stop)
        numbers = [to_float64(columns[position]) for position in self._numeric]
        categories = [
            _categories(columns[position], table.categories, repeat=repeat)
            for position, repeat in zip(self._categorical, self._repeat, strict=True)
        ]
        for at, (values, mismatched) in enumerate(numbers):
            target[:, at] = values
            self._mismatched[at] += mismatched
        for at, found in enumerate(categories):
            if isinstance(found, Coded):
                self._coded[at].append(found)
            elif isinstance(found, Counter):
                self._counted[at].update(found)
            else:
                self._list(at, found)

    def _list(self, at: int, found: list[Any]) -> None:
        values = self._lists[at]
        values += found
        if self._repeat[at] and len(values) >= _LONG:
            counts = _counts(values)
            self._repeat[at] = counts is not None
            if counts is not None:
                self._counted[at].update(counts)
                values.clear()

    def _grow(self, rows: int) -> None:
        spare, self._spare = self._spare, None
        if spare is None or len(spare) < rows:
            # Twice as large each time, so that a model that is called rarely holds little.
            spare = np.empty((min(self._capacity, max(64, 2 * len(self._matrix), rows)), len(self._numeric)))
        spare[: self.rows] = self._matrix[: self.rows]
        self._use(spare)

    def detach(self) -> Batch:
        """Take out the rows that are held; where there are none, let the memory for them go."""
        if not self.rows:
            self._spare = None
        batch = Batch(self._matrix[: self.rows], self._lists, self._counted, self._coded, self._mismatched)
        self._start_anew()
        return batch

    def give_back(self, batch: Batch) -> None:
        """Let a sketched batch's memory be used again."""
        base = batch.numeric.base
        if isinstance(base, np.ndarray) and base.shape[1:] == (len(self._numeric),):
            self._spare = base


def _columns(table: Table, start: int, stop: int) -> Sequence[Any] | AnyArray:
    """Return the columns of some rows."""
    if table.matrix is None:
        return [rows_of(values, slice(start, stop)) for values in table.columns]
    rows = table.matrix[start:stop].T
    # Objects are read one by one anyhow: made lists at once.
    if rows.dtype.kind != "O":
        return rows
    lists: list[Any] = rows.tolist()
    return lists


def _are_few_labels(values: Any) -> bool:
    return (
        type(values) is np.ndarray
        and len(values) <= _FEW
        and values.dtype.kind in _LABEL_DTYPES
        and values.dtype.itemsize <= 4 * MAX_NAME_LENGTH
    )


def _categories(values: Any, known: AnyArray | None, *, repeat: bool) -> Coded | Counter[Any] | list[Any]:
    if len(values) > _FEW:
        coded = to_codes(values) if known is None else to_known_codes(values, known)
        if coded is not None:
            return Coded(coded.codes, _shortened(coded.names))
    found = to_categories(values)
    counts = _counts(found) if repeat and len(found) >= _LONG else None
    if counts is None:
        return _shortened(found)
    return Counter(dict(zip(_shortened(list(counts)), counts.values(), strict=True)))


def _counts(values: list[Any]) -> Counter[Any] | None:
    """Return how often each text, or null, is there; None for other values, and where few come again."""
    if type(values[0]) not in _TEXTS:
        return None
    try:
        counts = Counter(values)
    except Exception:  # noqa: BLE001  # some are unhashable, say: those who sketch them will see
        return None
    # What is equal among others need not be one category, as True and 1.
    if 2 * len(counts) > len(values) or not all(type(name) is str or is_missing(name) for name in counts):
        return None
    return counts


def _shortened(found: list[Any]) -> list[Any]:
    if _are_short(found):
        return found
    # Long texts become names here: a buffer of them would hold whatever its callers sent.
    return [category_name(value) if type(value) is str and len(value) > MAX_NAME_LENGTH else value for value in found]


def _are_short(values: list[Any]) -> bool:
    try:
        return max(map(len, values), default=0) <= MAX_NAME_LENGTH
    except TypeError:  # not texts alone
        return False
