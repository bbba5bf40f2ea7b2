"""Bad values of a stretch of traffic, by column and check; stretches add up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from driftmeter.processor._flat import Flat
from driftmeter.schema import Column
from driftmeter.sketches import (
    CategoricalSketch,
    NumericSketch,
    Snapshot,
    key_edges,
    pack_counts,
    unpack_counts,
)
from driftmeter.typing import Int64Array

RANGE_MARGIN: Final = 0.1
"""How far beyond the baseline's range a value may lie, as a share of the range."""
CHECKS: Final = ("missing", "type_mismatch", "non_finite", "out_of_range", "unseen_category")
"""The checks that are counted, in the order of `Tally.counts`, where they follow rows and values."""
ROWS, VALUES, FIRST_CHECK = 0, 1, 2
_PLACES: Final = FIRST_CHECK + len(CHECKS)
_OUT_OF_RANGE: Final = FIRST_CHECK + CHECKS.index("out_of_range")
_OF_ROWS: Final = frozenset({"missing", "type_mismatch", "non_finite"})


def place_of(check: str) -> int:
    """Return where a check stands in `Tally.counts`."""
    return FIRST_CHECK + CHECKS.index(check)


def place_of_all(check: str) -> int:
    """Return where those stand that a check is a share of: rows, or values that are neither missing nor invalid."""
    return ROWS if check in _OF_ROWS else VALUES


@dataclass(frozen=True, slots=True)
class Tally:
    """Rows seen, values that are neither missing nor invalid, and bad values by check: shape (columns, 7)."""

    columns: tuple[Column, ...] = ()
    counts: Int64Array = field(default_factory=lambda: _nothing(0))

    def __add__(self, other: Tally) -> Tally:
        if not self.columns:
            return other
        if self.columns == other.columns:
            return Tally(self.columns, self.counts + other.counts)
        columns = tuple(dict.fromkeys((*self.columns, *other.columns)))
        return Tally(columns, self.on(columns) + other.on(columns))

    def __sub__(self, other: Tally) -> Tally:
        """Take a stretch away that was added; columns without rows go."""
        counts = self.counts - (other.counts if self.columns == other.columns else other.on(self.columns))
        if counts[:, ROWS].all():
            return Tally(self.columns, counts)
        left = np.flatnonzero(counts[:, ROWS])
        return Tally(tuple(self.columns[at] for at in left), counts[left])

    def packed(self) -> PackedTally:
        """Return the same as few bytes: many stretches are kept."""
        return PackedTally(self.columns, pack_counts(self.counts.T))

    def on(self, columns: tuple[Column, ...]) -> Int64Array:
        """Return the counts of these columns, 0 for those that there are none of, shape (columns, 7)."""
        place = {column: at for at, column in enumerate(self.columns)}
        counts = _nothing(len(columns))
        for at, column in enumerate(columns):
            if column in place:
                counts[at] = self.counts[place[column]]
        return counts


@dataclass(frozen=True, slots=True)
class PackedTally:
    """A tally at rest: checks one after the other, since most have no bad value in any column."""

    columns: tuple[Column, ...]
    counts: bytes

    def unpacked(self) -> Tally:
        """Return the tally."""
        return Tally(self.columns, unpack_counts(self.counts, (_PLACES, len(self.columns))).T)


def _nothing(columns: int) -> Int64Array:
    return np.zeros((columns, _PLACES), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Known:
    """What a baseline says of the values of a column.

    Attributes:
        rows: Rows of the baseline.
        values: Those with a value that is neither missing nor invalid.
        low: The least value of a numeric column, NaN if there is none.
        high: The greatest one, likewise.
        names: The categories of a categorical column; None for numeric ones.
    """

    rows: int
    values: int
    low: float = math.nan
    high: float = math.nan
    names: frozenset[str] | None = None


def known_values(snapshot: Snapshot) -> dict[Column, Known]:
    """Return what a baseline says of the values of its columns."""
    return {
        column: Known(sketch.total, sketch.count, sketch.min, sketch.max)
        if isinstance(sketch, NumericSketch)
        else Known(sketch.total, sketch.count, names=frozenset(sketch.counts))
        for column, sketch in snapshot.columns.items()
    }


def tally(flat: Flat, known: Mapping[Column, Known]) -> Tally:
    """Count a stretch of traffic's bad values; what is out of range or unseen depends on what is ``known``."""
    sketches = flat.snapshot.columns
    counts = _nothing(len(sketches))
    counts[flat.numeric, ROWS] = flat.values + flat.unseen.sum(axis=1)
    counts[flat.numeric, VALUES] = flat.values
    counts[flat.numeric, FIRST_CHECK : FIRST_CHECK + flat.unseen.shape[1]] = flat.unseen
    for at, (column, sketch) in enumerate(sketches.items()):
        usual = known.get(column)
        if not isinstance(sketch, NumericSketch):
            counts[at] = _tally_categories(sketch, None if usual is None else usual.names)
        elif usual is not None and usual.names is None and usual.values:
            counts[at, _OUT_OF_RANGE] = _out_of_range(sketch, usual)
    return Tally(flat.columns, counts)


def _tally_categories(live: CategoricalSketch, known: frozenset[str] | None) -> tuple[int, ...]:
    unseen = 0
    if known is not None:
        unseen = live.other + sum(count for name, count in live.counts.items() if name not in known)
    values = live.count
    return values + live.missing + live.mismatched, values, live.missing, live.mismatched, 0, 0, unseen


def outer_limits(known: Known) -> tuple[float, float]:
    """Return from where to where values are in a numeric column's range, the margin included."""
    margin = RANGE_MARGIN * (known.high - known.low)
    return known.low - margin, known.high + margin


def _out_of_range(live: NumericSketch, known: Known) -> int:
    first, last = outer_limits(known)
    if not (live.min < first or live.max > last):
        return 0
    keys, counts = live.keys()
    lower, upper = key_edges(keys, live.scale)
    # Only what lies outside for certain: a bucket that reaches into the range counts as inside.
    outside = (np.minimum(upper, live.max) < first) | (np.maximum(lower, live.min) > last)
    return int(counts[outside].sum())
