"""The snapshot: all of one model's sketches over one interval, the unit that merges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from driftmeter.schema import Column, Model
from driftmeter.sketches._categorical import CategoricalSketch
from driftmeter.sketches._numeric import NumericSketch

Sketch: TypeAlias = NumericSketch | CategoricalSketch


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One model's sketches over the interval from ``start`` to ``end``, Unix nanoseconds."""

    model: Model
    start: int
    end: int
    columns: Mapping[Column, Sketch]

    @property
    def rows(self) -> int:
        """The number of rows: as many as the fullest column has."""
        return max((sketch.total for sketch in self.columns.values()), default=0)

    def merge(self, other: Snapshot) -> Snapshot:
        """Return the snapshot of both intervals; neither argument changes."""
        columns = dict(self.columns)
        for column, sketch in other.columns.items():
            mine = columns.get(column)
            columns[column] = sketch if mine is None else merge_sketches(mine, sketch)
        return Snapshot(self.model, min(self.start, other.start), max(self.end, other.end), columns)


def merge_sketches(a: Sketch, b: Sketch) -> Sketch:
    """Return the merged sketch of two sketches of one kind."""
    if isinstance(a, NumericSketch) and isinstance(b, NumericSketch):
        return a.merge(b)
    if isinstance(a, CategoricalSketch) and isinstance(b, CategoricalSketch):
        return a.merge(b)
    raise TypeError(f"sketches of one kind merge; got {type(a).__name__} and {type(b).__name__}")


def merge_snapshots(snapshots: Iterable[Snapshot]) -> Snapshot | None:
    """Return the merged snapshot of one model, or None when there are none."""
    merged: Snapshot | None = None
    for snapshot in snapshots:
        merged = snapshot if merged is None else merged.merge(snapshot)
    return merged
