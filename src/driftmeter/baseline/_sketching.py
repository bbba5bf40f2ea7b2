"""From a table to sketches in one go: of all its rows, and of the blocks of time that they came in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final

import numpy as np

from driftmeter.schema import Column, Kind, Role
from driftmeter.sketches import (
    MIN_SCALE,
    BlockSketcher,
    CategoricalSketch,
    CategoryCounter,
    NumericSketch,
    Sketch,
)
from driftmeter.tables import Table, kind_of, to_categories, to_codes, to_float64
from driftmeter.typing import Int64Array

MAX_CATEGORIES: Final = 1000
"""Categories that a baseline keeps of one column; the rest is `__other__`."""
BIN_BUCKETS: Final = 200
"""Buckets that bins are made of, at the most; see `bin_scale`."""
BLOCK_CATEGORIES: Final = 100
_CHUNK_ROWS: Final = 65_536


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


def _occupied(sketch: NumericSketch) -> int:
    return len(sketch.positive) + len(sketch.negative)


def sketch_table(table: Table, *, role: Role = "feature", kinds: Mapping[str, Kind]) -> dict[Column, Sketch]:
    """Return a sketch for each column of the table; ``kinds`` overrides what the columns' types say."""
    return _sketch(table, role=role, kinds=kinds, rows=None)


def sketch_blocks(
    table: Table, block_of_row: Int64Array, *, whole: Mapping[Column, Sketch], role: Role, kinds: Mapping[str, Kind]
) -> list[dict[Column, Sketch]]:
    """Return the sketches of each block of rows, no finer than bins are; rows of block -1 are left out."""
    order = np.argsort(block_of_row, kind="stable")
    starts = np.searchsorted(block_of_row[order], np.arange(int(block_of_row.max(initial=-1)) + 2))
    scales = {column: bin_scale(sketch) for column, sketch in whole.items() if isinstance(sketch, NumericSketch)}
    blocks = [_sketch(table, role=role, kinds=kinds, rows=order[start:end]) for start, end in pairwise(starts)]
    return [{column: _coarse(sketch, scales.get(column)) for column, sketch in block.items()} for block in blocks]


def _coarse(sketch: Sketch, scale: int | None) -> Sketch:
    if scale is None or not isinstance(sketch, NumericSketch) or sketch.scale <= scale:
        return sketch
    return sketch.at_scale(scale)


def _sketch(table: Table, *, role: Role, kinds: Mapping[str, Kind], rows: Int64Array | None) -> dict[Column, Sketch]:
    sketches: dict[Column, Sketch] = {}
    for at, name in enumerate(table.names):
        values = table.column(at)
        column = Column(name, role, kinds.get(name) or kind_of(values) or "numeric")
        sketches[column] = _numeric(values, rows) if column.kind == "numeric" else _categorical(values, rows)
    return sketches


def _numeric(values: Any, rows: Int64Array | None) -> NumericSketch:
    array, mismatched = to_float64(values)
    if rows is not None:
        # What is of a wrong type counts as missing in a block, which quality is not checked against.
        array, mismatched = array[rows], 0
    sketcher = BlockSketcher(1)
    for start in range(0, len(array), _CHUNK_ROWS):
        sketcher.add(array[start : start + _CHUNK_ROWS, None])
    (sketch,) = sketcher.take()
    return replace(sketch, missing=sketch.missing - mismatched, mismatched=mismatched)


def _categorical(values: Any, rows: Int64Array | None) -> CategoricalSketch:
    counter = CategoryCounter(max_others=MAX_CATEGORIES if rows is None else BLOCK_CATEGORIES)
    coded = to_codes(values)
    if coded is not None:
        counter.add_codes(coded.codes if rows is None else coded.codes[rows], coded.names)
        return counter.take()
    listed = to_categories(values)
    counter.add(listed if rows is None else [listed[row] for row in rows.tolist()])
    return counter.take()
