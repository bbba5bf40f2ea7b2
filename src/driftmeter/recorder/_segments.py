"""Segments: the rows of one call, parted by the values of chosen columns, each part with a recorder of its own.

Here two values of origin are told apart. What is missing, and what is not told apart, is `__other__`::

    features   origin  x        segments: [origin]  JFK        -> rows 0, 2
               JFK     1.0                          LGA        -> row 1
               LGA     2.0                          __other__  -> row 3
               JFK     3.0
               XYZ     4.0
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from driftmeter.recorder._log_once import LogOnce
from driftmeter.schema import Segment
from driftmeter.sketches import OTHER, Disguise, category_name, is_missing
from driftmeter.tables import Table, to_categories, to_codes
from driftmeter.typing import Int64Array

if TYPE_CHECKING:
    from driftmeter.recorder._model import ModelRecorder


_NONE: Final[Mapping[str, Disguise]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Part:
    """The places of the rows of one call that belong to one segment, and its recorder."""

    recorder: ModelRecorder
    rows: Int64Array


class Segments:
    """The segments of one model; any number of threads may ask.

    Args:
        known: By column, the values that the baseline tells apart; without any, the first that come.
        truths: By column, how truth values are called there, see `truth_names`.
        most: Values of one column that are told apart.
        disguises: By column how its values are kept from view, where they are; those of the baseline are already.
        recorder: Returns the recorder of a segment.
    """

    def __init__(
        self,
        known: Mapping[str, Sequence[str]],
        *,
        truths: Mapping[str, Mapping[str, str]],
        most: int,
        recorder: Callable[[Segment], ModelRecorder | None],
        disguises: Mapping[str, Disguise] = _NONE,
    ) -> None:
        self._most = most
        self._disguises = disguises
        self._recorder = recorder
        self._lock = threading.Lock()
        self._once = LogOnce()
        self._values = {column: set(values) for column, values in known.items()}
        self._truths = truths
        self._open = {column for column, values in self._values.items() if not values}

    def reset(self) -> None:
        """Forget the lock's state; a forked child starts like this."""
        self._lock = threading.Lock()

    def split(self, features: Table) -> list[Part]:
        """Return the segments that the features have rows of."""
        parts: list[Part] = []
        for column in self._values:
            if column not in features.names:
                self._once.warning(
                    ("segments", column),
                    "driftmeter: segments names %r, which is none of the features: %s",
                    column,
                    ", ".join(features.names[:10]),
                )
            else:
                for value, rows in self._parts(column, features.column(features.names.index(column))):
                    recorder = self._recorder(Segment(column, value))
                    if recorder is not None:
                        parts.append(Part(recorder, rows))
        return parts

    def _parts(self, column: str, values: Any) -> Iterator[tuple[str, Int64Array]]:
        codes, found = _coded(values)
        by_name: dict[str, list[int]] = {}
        for code, value in enumerate(found):
            by_name.setdefault(self._name(column, value), []).append(code)
        for name, mine in by_name.items():
            rows = np.flatnonzero(np.isin(codes, mine) if len(mine) > 1 else codes == mine[0])
            if len(rows):
                yield name, rows

    def _name(self, column: str, value: Any) -> str:
        if is_missing(value):
            return OTHER
        name = category_name(value)
        name = self._truths[column].get(name, name)
        disguise = self._disguises.get(column)
        if disguise is not None:
            name = disguise.name(name)
        kept = self._values[column]
        if name not in kept and column in self._open:
            with self._lock:
                if len(kept) < self._most:
                    kept.add(name)
        return name if name in kept else OTHER


def _coded(values: Any) -> tuple[Int64Array, list[Any]]:
    """Return for each row a place in a list of the distinct values."""
    coded = to_codes(values)
    if coded is not None:
        codes = coded.codes.astype(np.int64)
        return np.where(codes < 0, len(coded.names), codes), [*coded.names, None]
    places: dict[Any, int] = {}
    listed = [value if _hashable(value) else str(value) for value in to_categories(values)]
    found = [places.setdefault(value, len(places)) for value in listed]
    return np.array(found, dtype=np.int64), list(places)


def _hashable(value: Any) -> bool:
    return type(value).__hash__ is not None
