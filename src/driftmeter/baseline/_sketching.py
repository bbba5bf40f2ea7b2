"""From a table to sketches: of all its rows, of the blocks of time that they came in, and of segments."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from driftmeter.schema import Column, Kind, Role
from driftmeter.sketches import (
    MIN_SCALE,
    OTHER,
    BlockSketcher,
    CategoricalSketch,
    CategoryCounter,
    NumericSketch,
    Sketch,
    category_name,
    is_missing,
)
from driftmeter.tables import Coded, Table, kind_of, to_categories, to_codes, to_float64
from driftmeter.typing import AnyArray, Int64Array

MAX_CATEGORIES: Final = 1000
"""Categories that a baseline keeps of one column; the rest is `__other__`."""
BIN_BUCKETS: Final = 200
"""Buckets that bins are made of, at the most; see `bin_scale`."""
BIN_CATEGORIES: Final = 200
"""Categories of a column that have bins, at the most: the most frequent ones, and all others share some."""
BLOCK_CATEGORIES: Final = 100
"""Categories that a block keeps beside those that have bins."""
_CHUNK_VALUES: Final = 1 << 20
"""Values that are copied at once, 8 MB."""


def bin_scale(sketch: NumericSketch) -> int:
    """Return the scale of the buckets that bins are made of: the coarsest that tells the column's values apart.

    A column of few values (years, hours) keeps each in a bucket of its own; one of many keeps `BIN_BUCKETS`.
    """
    coarse = sketch.compacted(BIN_BUCKETS)
    while coarse.scale > MIN_SCALE:
        coarser = coarse.at_scale(coarse.scale - 1)
        if _occupied(coarser) < _occupied(coarse):
            break
        coarse = coarser
    return coarse.scale


def most_frequent(sketch: CategoricalSketch, number: int) -> list[str]:
    """Return a sketch's most frequent categories, by name where they tie."""
    return sorted(sketch.counts, key=lambda name: (-sketch.counts[name], name))[:number]


def _occupied(sketch: NumericSketch) -> int:
    return len(sketch.positive) + len(sketch.negative)


class Prepared:
    """A table's columns, each read once, from which all of its rows or some can be sketched any number of times."""

    def __init__(self, table: Table, *, role: Role, kinds: Mapping[str, Kind]) -> None:
        values = [table.column(at) for at in range(len(table.names))]
        self._columns = [
            Column(name, role, kinds.get(name) or kind_of(column) or "numeric")
            for name, column in zip(table.names, values, strict=True)
        ]
        self._rows = len(table)
        numeric = [at for at, column in enumerate(self._columns) if column.kind == "numeric"]
        plain = table.matrix is not None and table.matrix.dtype.kind in "biuf" and len(numeric) == len(values)
        self._matrix = table.matrix if plain else None
        self._numeric = [] if plain else [to_float64(values[at]) for at in numeric]
        self._width = len(numeric)
        self._categories = [
            to_codes(column) or np.array([*to_categories(column), None], dtype=object)[:-1]
            for at, column in enumerate(values)
            if self._columns[at].kind == "categorical"
        ]

    def __len__(self) -> int:
        return self._rows

    @property
    def columns(self) -> list[str]:
        """The columns' names."""
        return [column.name for column in self._columns]

    def sketch(
        self,
        rows: Int64Array | None = None,
        *,
        max_categories: int = MAX_CATEGORIES,
        known: Mapping[Column, Collection[str]] = MappingProxyType({}),
    ) -> dict[Column, Sketch]:
        """Return a sketch for each column, of all rows or of those given.

        Args:
            rows: The rows' numbers.
            max_categories: Categories that are kept beside those known.
            known: By column the categories that are kept in any case.
        """
        numeric = iter(self._sketch_numeric(rows))
        columns = [column for column in self._columns if column.kind != "numeric"]
        categorical = (
            _count(values, rows, max_categories, known.get(column, ()))
            for column, values in zip(columns, self._categories, strict=True)
        )
        return {column: next(numeric if column.kind == "numeric" else categorical) for column in self._columns}

    def names(self, name: str) -> list[str] | None:
        """Return the names of one column's values, row by row, nulls as `__other__`; None without the column."""
        at = next((at for at, column in enumerate(self._columns) if column.name == name), None)
        if at is None:
            return None
        kind = self._columns[at].kind
        place = sum(column.kind == kind for column in self._columns[:at])
        values: Any
        if kind == "numeric":
            values = (self._numeric[place][0] if self._matrix is None else self._matrix[:, at]).tolist()
        else:
            values = self._categories[place]
            if isinstance(values, Coded):
                values = [values.names[code] if code >= 0 else None for code in values.codes.tolist()]
        return [OTHER if is_missing(value) else category_name(value) for value in values]

    def _sketch_numeric(self, rows: Int64Array | None) -> list[Sketch]:
        sketcher = BlockSketcher(self._width)
        count = self._rows if rows is None else len(rows)
        step = max(1, _CHUNK_VALUES // max(1, self._width))
        for start in range(0, count, step):
            part: Any = slice(start, start + step) if rows is None else rows[start : start + step]
            if self._matrix is not None:
                sketcher.add(self._matrix[part])
            else:
                chunk = np.empty((min(step, count - start), self._width))
                for at, (values, _) in enumerate(self._numeric):
                    chunk[:, at] = values[part]
                sketcher.add(chunk)
        # What is of a wrong type counts as missing in a part of the rows, which quality is not checked against.
        mismatched = [wrong for _, wrong in self._numeric] if rows is None and self._numeric else [0] * self._width
        return [
            replace(sketch, missing=sketch.missing - wrong, mismatched=wrong)
            for sketch, wrong in zip(sketcher.take(), mismatched, strict=True)
        ]


def _count(
    values: Coded | AnyArray, rows: Int64Array | None, max_categories: int, known: Collection[str]
) -> CategoricalSketch:
    counter = CategoryCounter(known, max_others=max_categories)
    if isinstance(values, Coded):
        counter.add_codes(values.codes if rows is None else values.codes[rows], values.names)
    else:
        counter.add((values if rows is None else values[rows]).tolist())
    return counter.take()


def blocks_of(
    prepared: Prepared, block_of_row: Int64Array, *, whole: Mapping[Column, Sketch]
) -> list[dict[Column, Sketch]]:
    """Return the sketches of each block of rows, no finer than bins are; rows of block -1 are left out."""
    order = np.argsort(block_of_row, kind="stable")
    starts = np.searchsorted(block_of_row[order], np.arange(int(block_of_row.max(initial=-1)) + 2))
    scales = {column: bin_scale(sketch) for column, sketch in whole.items() if isinstance(sketch, NumericSketch)}
    # What is frequent in a block by chance is no measure of how the categories vary: those that have bins are kept.
    known = {
        column: most_frequent(sketch, BIN_CATEGORIES)
        for column, sketch in whole.items()
        if isinstance(sketch, CategoricalSketch)
    }
    blocks = [
        prepared.sketch(order[start:end], max_categories=BLOCK_CATEGORIES, known=known)
        for start, end in pairwise(starts)
    ]
    return [{column: _coarse(sketch, scales.get(column)) for column, sketch in block.items()} for block in blocks]


def _coarse(sketch: Sketch, scale: int | None) -> Sketch:
    if scale is None or not isinstance(sketch, NumericSketch) or sketch.scale <= scale:
        return sketch
    return sketch.at_scale(scale)
