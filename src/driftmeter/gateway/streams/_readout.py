"""Sketches out of a sheet: what was counted of a model's columns, as if merged one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from driftmeter import semconv
from driftmeter.gateway.streams._index import What
from driftmeter.gateway.streams._sheet import Holding, Sheet, sides_of
from driftmeter.schema import Column, Model
from driftmeter.sketches import OTHER, Buckets, CategoricalSketch, NumericSketch, Sketch

_PIECE: Final = 512
"""Lanes that are read at once: it bounds the work space."""
_MISSING: Final = semconv.COLUMN_MISSING.name
_INVALID: Final = semconv.COLUMN_INVALID.name
_CATEGORIES: Final = semconv.COLUMN_CATEGORIES.name
_NON_FINITE: Final = "non_finite"
_EMPTY: Final = NumericSketch().positive


def sketches_of(sheet: Sheet, holding: Holding) -> dict[Model, dict[Column, Sketch]]:
    """Return the sketches of a model's and its segments' columns, but for those that count nothing."""
    of_entries, are_sketches = holding.index.arrays()
    lanes: dict[int, list[int]] = {}
    counts: dict[int, dict[What, int]] = {}
    for entry in np.flatnonzero(holding.places >= 0).tolist():
        place, column = int(holding.places[entry]), int(of_entries[entry])
        if are_sketches[entry]:
            lanes.setdefault(column, []).append(place)
        else:
            counts.setdefault(column, {})[holding.index.whats[entry]] = int(sheet.values[place])
    buckets = dict(_buckets(sheet, sorted(lane for places in lanes.values() for lane in places)))
    found: dict[Model, dict[Column, Sketch]] = {}
    for at in np.flatnonzero(holding.columns >= 0).tolist():
        model, column_ = holding.index.columns[at]
        unseen = counts.get(at, {})
        if column_.kind == "categorical":
            sketch: Sketch = _categorical(unseen)
        else:
            sketch = _numeric(sheet, int(holding.columns[at]), lanes.get(at, ()), buckets, unseen)
        # Of a column in parts, the main one tells the sum of all of them, and may come in another step than they do.
        if sketch.total or (isinstance(sketch, NumericSketch) and sketch.sum):
            found.setdefault(model, {})[column_] = sketch
    return found


def _buckets(sheet: Sheet, lanes: Sequence[int]) -> Iterator[tuple[int, tuple[Buckets, Buckets]]]:
    """Return the positive and negative buckets of lanes, whose numbers ascend, by lane."""
    for start in range(0, len(lanes), _PIECE):
        piece = lanes[start : start + _PIECE]
        held = sheet.arena.occupied(sides_of(np.array(piece, dtype=np.int64)))
        parts = [
            Buckets(held.indexes[first:last].copy(), held.counts[first:last].copy()) if first < last else _EMPTY
            for first, last in zip(held.starts.tolist(), held.ends.tolist(), strict=True)
        ]
        yield from zip(piece, zip(parts[::2], parts[1::2], strict=True), strict=True)


def _numeric(
    sheet: Sheet,
    number: int,
    lanes: Sequence[int],
    buckets: Mapping[int, tuple[Buckets, Buckets]],
    counts: Mapping[What, int],
) -> NumericSketch:
    non_finite = counts.get((_INVALID, _NON_FINITE), 0)
    unseen = NumericSketch(
        missing=counts.get((_MISSING, ""), 0),
        non_finite=non_finite,
        mismatched=sum(count for (metric, _), count in counts.items() if metric == _INVALID) - non_finite,
    )
    if not lanes:
        return unseen
    scale = int(sheet.arena.scales[2 * lanes[0]])
    parts = [NumericSketch(scale, *buckets[lane]) for lane in lanes]
    whole = parts[0] if len(parts) == 1 else NumericSketch.merge_all(parts)
    return replace(
        unseen,
        scale=whole.scale,
        positive=whole.positive,
        negative=whole.negative,
        zero_count=int(sheet.zero_counts[number]),
        sum=float(sheet.sums[number]),
        min=float(sheet.least[number]),
        max=float(sheet.most[number]),
    ).compacted()


def _categorical(counts: Mapping[What, int]) -> CategoricalSketch:
    named = {detail: count for (metric, detail), count in counts.items() if metric == _CATEGORIES and count}
    other = named.pop(OTHER, 0)
    sketch = CategoricalSketch(
        named,
        other=other,
        missing=counts.get((_MISSING, ""), 0),
        mismatched=sum(count for (metric, _), count in counts.items() if metric == _INVALID),
    )
    return CategoricalSketch.merge_all((sketch,))
