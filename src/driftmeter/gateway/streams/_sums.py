"""What was counted and has not been taken: a sheet for each step, and snapshots out of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final, TypeAlias

import numpy as np

from driftmeter.gateway.streams._identity import Service, ShardKey
from driftmeter.gateway.streams._index import Index
from driftmeter.gateway.streams._limits import Limits
from driftmeter.gateway.streams._readout import sketches_of
from driftmeter.gateway.streams._sheet import Sheet
from driftmeter.schema import Model
from driftmeter.sketches import Snapshot, merge_snapshots

_FEW: Final = 1000
"""Series that an index may have and not use."""

_Of: TypeAlias = tuple[Service, Model, int]
"""Whose counts, and the start of their step."""


class Sums:
    """Counts by step, of all services and models.

    Args:
        step: Nanoseconds of a step.
        limits: The bounds.

    Attributes:
        step: Nanoseconds of a step.
    """

    def __init__(self, *, step: int, limits: Limits) -> None:
        self.step = step
        self._limits = limits
        self._sheets: dict[int, Sheet] = {}
        self._indexes: dict[ShardKey, Index] = {}
        self._given: dict[_Of, list[Snapshot]] = {}

    @property
    def columns(self) -> int:
        """How many columns there are, in all steps."""
        return sum(sheet.columns for sheet in self._sheets.values())

    def sheet(self, start: int) -> Sheet:
        """Return the sheet of the step that begins at a time."""
        if start not in self._sheets:
            self._sheets[start] = Sheet()
        return self._sheets[start]

    def index(self, key: ShardKey) -> Index:
        """Return the index of a model."""
        if key not in self._indexes:
            self._indexes[key] = Index(self._limits.categories)
        return self._indexes[key]

    def give(self, service: Service, snapshots: Iterable[Snapshot]) -> None:
        """Add what `of` returned once."""
        for snapshot in snapshots:
            self._given.setdefault((service, snapshot.model, snapshot.start), []).append(snapshot)

    def of(self, key: ShardKey) -> list[Snapshot]:
        """Return what was counted of a model and its segments; it stays."""
        return [snapshot for snapshots in self._snapshots(key).values() for snapshot in snapshots]

    def take(self) -> dict[Service, list[Snapshot]]:
        """Return what was counted of all, in the order of steps, and begin anew."""
        taken = self._snapshots()
        self._tidy()
        self._sheets.clear()
        self._given.clear()
        return taken

    def _tidy(self) -> None:
        """Let go of indexes that were not used, or that are mostly of series that do not come any more."""
        used: Counter[ShardKey] = Counter()
        for sheet in self._sheets.values():
            for key, holding in sheet.holdings.items():
                used[key] = max(used[key], int(np.count_nonzero(holding.places >= 0)))
        self._indexes = {
            key: index for key, index in self._indexes.items() if key in used and len(index) <= 4 * used[key] + _FEW
        }

    def _snapshots(self, only: ShardKey | None = None) -> dict[Service, list[Snapshot]]:
        counted: dict[_Of, list[Snapshot]] = {}
        for start, sheet in self._sheets.items():
            for (service, whole), holding in sheet.holdings.items():
                if only is None or (service, whole) == only:
                    for model, columns in sketches_of(sheet, holding).items():
                        counted[service, model, start] = [Snapshot(model, start, start + self.step, columns)]
        for (service, model, start), snapshots in self._given.items():
            if only is None or (service, model.whole) == only:
                counted.setdefault((service, model, start), []).extend(snapshots)
        found: dict[Service, list[Snapshot]] = {}
        for (service, _, _), parts in sorted(counted.items(), key=lambda item: item[0][2]):
            merged = merge_snapshots(parts)
            if merged is not None:
                found.setdefault(service, []).append(merged)
        return found
