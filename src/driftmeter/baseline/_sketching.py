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
    columns = [
        Column(name, role, kinds.get(name) or kind_of(table.column(at)) or "numeric")
        for at, name in enumerate(table.names)
    ]
    numeric = [at for at, column in enumerate(columns) if column.kind == "numeric"]
    sketched: dict[int, Sketch] = dict(zip(numeric, _numeric(table, numeric, rows), strict=True))
    return {
        column: sketched[at] if at in sketched else _categorical(table.column(at), rows)
        for at, column in enumerate(columns)
    }


def _numeric(table: Table, positions: list[int], rows: Int64Array | None) -> list[Sketch]:
    """Return the sketches of some columns, all of them sketched together, chunk by chunk."""
    sketcher = BlockSketcher(len(positions))
    mismatched = [0] * len(positions)
    matrix = table.matrix
    count = len(table) if rows is None else len(rows)
    step = max(1, _CHUNK_VALUES // max(1, len(positions)))
    for start in range(0, count, step):
        part: Any = slice(start, start + step) if rows is None else rows[start : start + step]
        if matrix is not None and matrix.dtype.kind in "biuf" and len(positions) == len(table.names):
            sketcher.add(matrix[part])
            continue
        chunk = np.empty((min(step, count - start), len(positions)))
        for at, position in enumerate(positions):
            chunk[:, at], wrong = to_float64(table.column(position)[part])
            mismatched[at] += wrong
        sketcher.add(chunk)
    if rows is not None:
        # What is of a wrong type counts as missing in a block, which quality is not checked against.
        mismatched = [0] * len(positions)
    return [
        replace(sketch, missing=sketch.missing - wrong, mismatched=wrong)
        for sketch, wrong in zip(sketcher.take(), mismatched, strict=True)
    ]


def _categorical(values: Any, rows: Int64Array | None) -> CategoricalSketch:
    counter = CategoryCounter(max_others=MAX_CATEGORIES if rows is None else BLOCK_CATEGORIES)
    coded = to_codes(values)
    if coded is not None:
        counter.add_codes(coded.codes if rows is None else coded.codes[rows], coded.names)
        return counter.take()
    listed = to_categories(values)
    counter.add(listed if rows is None else [listed[row] for row in rows.tolist()])
    return counter.take()
