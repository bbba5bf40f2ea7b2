"""From a table to sketches in one go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from driftmeter.schema import Column, Kind, Role
from driftmeter.sketches import BlockSketcher, CategoricalSketch, CategoryCounter, NumericSketch, Sketch
from driftmeter.tables import Table, kind_of, to_categories, to_float64

MAX_CATEGORIES: Final = 1000
"""Categories that a baseline keeps of one column; the rest is `__other__`."""
_BLOCK_ROWS: Final = 65_536


def sketch_table(table: Table, *, role: Role = "feature", kinds: Mapping[str, Kind]) -> dict[Column, Sketch]:
    """Return a sketch for each column of the table; ``kinds`` overrides what the columns' types say."""
    sketches: dict[Column, Sketch] = {}
    for at, name in enumerate(table.names):
        values = table.column(at)
        kind = kinds.get(name) or kind_of(values) or "numeric"
        column = Column(name, role, kind)
        sketches[column] = _numeric(values) if kind == "numeric" else _categorical(values)
    return sketches


def _numeric(values: Any) -> NumericSketch:
    array, mismatched = to_float64(values)
    sketcher = BlockSketcher(1)
    for start in range(0, len(array), _BLOCK_ROWS):
        sketcher.add(array[start : start + _BLOCK_ROWS, None])
    (sketch,) = sketcher.take()
    return replace(sketch, missing=sketch.missing - mismatched, mismatched=mismatched)


def _categorical(values: Any) -> CategoricalSketch:
    counter = CategoryCounter(max_others=MAX_CATEGORIES)
    counter.add(to_categories(values))
    return counter.take()
