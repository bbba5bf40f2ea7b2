"""All checks of a window's columns side by side, laid out once: the next window mostly has the same columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np

from driftmeter.processor._tally import CHECKS, ROWS, Tally, place_of, place_of_all
from driftmeter.processor._usual import Checked, Usual
from driftmeter.schema import Column, Role
from driftmeter.typing import BoolArray, Int64Array

UNANSWERED: Final = 0.1
"""Share of a window's rows without any output from which on it is found that outputs are missing. Calls that fail have
none, nor have answers of a stream that are still to come."""
_OF_KIND: Final = frozenset({"type_mismatch", "missing_column"})
"""What a column of the other kind has to do with: it is there, but of the wrong type."""
_OUTPUTS: Final[tuple[Role, ...]] = ("prediction", "score")


@dataclass(frozen=True, slots=True, eq=False)
class Checks:
    """What can be checked of a window with these columns; each array has shape (checks,).

    Attributes:
        columns: The window's columns.
        checked: What is checked.
        index: The places of these.
        row: The window's column, -1 where it has none.
        bad: Where its bad values stand in a tally; its rows, if it is checked whether the column is there.
        of: Where those stand that they are a share of.
        missing: Whether it is checked that the column is there.
        of_window: Whether bad values are a share of the window's rows, not of the column's.
        swapped: The window's column of the same name and role but of the other kind, whose values are of the wrong type
            and not missing; -1 where the check is not about that, or there is none.
        output: Where it is checked that the model answers, if the baseline has outputs.
        answers: The window's columns that hold predictions, and those that hold scores.
        always: Whether it is told though nothing was ever found.
        bad0: Bad values in the baseline.
        rows0: What these are a share of.
        critical: Whether the configuration calls the column critical.
    """

    columns: tuple[Column, ...]
    checked: list[tuple[Column, str]]
    index: dict[Checked, int]
    row: Int64Array
    bad: Int64Array
    of: Int64Array
    missing: BoolArray
    of_window: BoolArray
    swapped: Int64Array
    output: Int64Array
    answers: tuple[Int64Array, ...]
    always: BoolArray
    bad0: Int64Array
    rows0: Int64Array
    critical: BoolArray

    @classmethod
    def against(cls, usual: Usual | None, columns: tuple[Column, ...], *, critical: Callable[[Column], bool]) -> Checks:
        """Lay out what can be checked against what is usual."""
        places = {column: at for at, column in enumerate(columns)}
        swapped = _swapped(columns, usual)
        checked = [*_of_values(columns, usual), *_of_types(columns, swapped), *_of_columns(columns, usual, swapped)]
        names = [name for _, name in checked]
        known = [(0, 0) if usual is None else usual.of(*one) for one in checked]
        return cls(
            columns,
            checked,
            {one: at for at, one in enumerate(checked)},
            np.array([places.get(column, -1) for column, _ in checked], dtype=np.int64),
            np.array([place_of(name) if name in CHECKS else ROWS for name in names], dtype=np.int64),
            np.array([place_of_all(name) for name in names], dtype=np.int64),
            np.array([name == "missing_column" for name in names], dtype=np.bool_),
            np.array([name not in CHECKS for name in names], dtype=np.bool_),
            np.array(
                [places[swapped[one]] if one in swapped and name in _OF_KIND else -1 for one, name in checked],
                dtype=np.int64,
            ),
            np.array([at for at, one in enumerate(checked) if _is_missing_output(*one)], dtype=np.int64),
            tuple(_of_role(columns, role) for role in _OUTPUTS),
            np.array([name == "missing" for name in names], dtype=np.bool_),
            np.array([bad for bad, _ in known], dtype=np.int64),
            np.array([rows for _, rows in known], dtype=np.int64),
            np.array([critical(column) for column, _ in checked], dtype=np.bool_),
        )

    def count(self, window: Tally) -> tuple[Int64Array, Int64Array]:
        """Return how many values are bad in a window, and of how many."""
        counts = np.concatenate([window.counts, np.zeros_like(window.counts[:1])])
        rows = int(counts[:, ROWS].max(initial=0))
        bad, of = counts[self.row, self.bad], counts[self.row, self.of]
        swapped = counts[self.swapped, ROWS]
        bad[self.missing] = np.maximum(rows - bad[self.missing] - swapped[self.missing], 0)
        bad[self.output] = self._unanswered(counts[:, ROWS], rows)
        of[self.of_window] = rows
        mismatched = ~self.missing
        bad[mismatched] += swapped[mismatched]
        of[mismatched] += swapped[mismatched]
        return bad, of

    def _unanswered(self, seen: Int64Array, rows: int) -> int:
        """Return how many rows have neither prediction nor score, if they are more than a few.

        A call asks for predictions or for scores, whatever the baseline has.
        """
        answered = sum(int(seen[places].max(initial=0)) for places in self.answers)
        return rows - answered if rows - answered >= UNANSWERED * rows else 0


def _swapped(columns: tuple[Column, ...], usual: Usual | None) -> dict[Column, Column]:
    """Return, for columns of the baseline that come as the other kind too, the window's columns of that kind."""
    if usual is None:
        return {}
    known = {(column.name, column.role): column for column in usual.known}
    strangers = [column for column in columns if column not in usual.known]
    return {known[place]: column for column in strangers if (place := (column.name, column.role)) in known}


def _is_missing_output(column: Column, check: str) -> bool:
    return check == "missing_column" and column.role in _OUTPUTS


def _of_role(columns: tuple[Column, ...], role: Role) -> Int64Array:
    return np.array([at for at, column in enumerate(columns) if column.role == role], dtype=np.int64)


def _of_values(columns: tuple[Column, ...], usual: Usual | None) -> Iterator[tuple[Column, str]]:
    known_values = {} if usual is None else usual.known
    for column in columns:
        numeric, known = column.kind == "numeric", known_values.get(column)
        applies = {
            "missing": True,
            "type_mismatch": True,
            "non_finite": numeric,
            "out_of_range": numeric and known is not None and known.values > 0,
            # Where no category has a name, all are as good as new.
            "unseen_category": known is not None and bool(known.names),
        }
        yield from ((column, check) for check in CHECKS if applies[check])


def _of_types(columns: tuple[Column, ...], swapped: Mapping[Column, Column]) -> Iterator[tuple[Column, str]]:
    # Of a column that comes in its own kind too, that is checked anyway.
    yield from ((column, "type_mismatch") for column in sorted(swapped.keys() - set(columns)))


def _of_columns(
    columns: tuple[Column, ...], usual: Usual | None, swapped: Mapping[Column, Column]
) -> Iterator[tuple[Column, str]]:
    if usual is not None:
        live = {column for column in columns if column.role == "feature"} - set(swapped.values())
        expected = {column for column in usual.known if column.role == "feature"}
        yield from ((column, "missing_column") for column in sorted(expected))
        # One stands for all: a model that does not answer is one trouble.
        outputs = (column for role in _OUTPUTS for column in sorted(usual.known) if column.role == role)
        yield from ((column, "missing_column") for column in islice(outputs, 1))
        yield from ((column, "unexpected_column") for column in sorted(live - expected))
