"""The snapshot: all of one model's sketches over one interval, the unit that merges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from driftmeter.schema import Column, Model
from driftmeter.sketches._categorical import CategoricalSketch
from driftmeter.sketches._numeric import NumericSketch
from driftmeter.sketches._packed import PackedColumns, Sketch


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
        if isinstance(self.columns, PackedColumns):
            return self.columns.rows
        return max((sketch.total for sketch in self.columns.values()), default=0)

    def packed(self) -> Snapshot:
        """Return the same snapshot as few bytes, for what is kept; each time that its columns are read costs more."""
        return self if isinstance(self.columns, PackedColumns) else replace(self, columns=PackedColumns(self.columns))

    def unpacked(self) -> Snapshot:
        """Return the same snapshot with columns that are read at no cost."""
        return replace(self, columns=self.columns.unpacked()) if isinstance(self.columns, PackedColumns) else self

    def merge(self, other: Snapshot) -> Snapshot:
        """Return the snapshot of both intervals; neither argument changes."""
        merged = merge_snapshots((self, other))
        assert merged is not None  # noqa: S101  # there are two
        return merged

    def running_total(self, more: Snapshot) -> Snapshot:
        """Return the snapshot of both intervals, where no count of any category falls; see `CategoricalSketch`."""
        columns = dict(self.columns.items())
        merged = {column: _running_total(columns.get(column), sketch) for column, sketch in more.columns.items()}
        return Snapshot(self.model, min(self.start, more.start), max(self.end, more.end), {**columns, **merged})


def _running_total(total: Sketch | None, more: Sketch) -> Sketch:
    if isinstance(more, CategoricalSketch) and isinstance(total, CategoricalSketch):
        return total.running_total(more)
    return more if total is None else _merged((total, more))


def merge_sketches(a: Sketch, b: Sketch) -> Sketch:
    """Return the merged sketch of two sketches of one kind."""
    return _merged((a, b))


def merge_snapshots(snapshots: Iterable[Snapshot]) -> Snapshot | None:
    """Return the merged snapshot of one model, or None when there are none; no argument changes.

    A column's sketches are merged all at once: that is many times faster than one after the other.
    """
    snapshots = tuple(snapshots)
    if not snapshots:
        return None
    return Snapshot(
        snapshots[0].model,
        min(snapshot.start for snapshot in snapshots),
        max(snapshot.end for snapshot in snapshots),
        {column: _merged(sketches) for column, sketches in _by_column(snapshots)},
    )


def _by_column(snapshots: Sequence[Snapshot]) -> Iterable[tuple[Column, Sequence[Sketch]]]:
    columns = list(snapshots[0].columns)
    if all(list(snapshot.columns) == columns for snapshot in snapshots):
        # The common case, replicas of one model, without looking up (hashing) each column of each replica.
        return zip(columns, zip(*(snapshot.columns.values() for snapshot in snapshots), strict=True), strict=True)
    sketches: dict[Column, list[Sketch]] = {}
    for snapshot in snapshots:
        for column, sketch in snapshot.columns.items():
            sketches.setdefault(column, []).append(sketch)
    return sketches.items()


def _merged(sketches: Sequence[Sketch]) -> Sketch:
    if len(sketches) == 1:
        return sketches[0]
    numeric = [sketch for sketch in sketches if isinstance(sketch, NumericSketch)]
    if len(numeric) == len(sketches):
        return NumericSketch.merge_all(numeric)
    categorical = [sketch for sketch in sketches if isinstance(sketch, CategoricalSketch)]
    if len(categorical) == len(sketches):
        return CategoricalSketch.merge_all(categorical)
    kinds = " and ".join(dict.fromkeys(type(sketch).__name__ for sketch in sketches))
    raise TypeError(f"sketches of one kind merge; got {kinds}")
