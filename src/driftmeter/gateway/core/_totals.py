"""Running totals of merged sketches, for backends that take cumulative points only.

The collector can make deltas cumulative too, but with 160 buckets at most, of up to 640 that a sketch has; and its
totals begin anew when it restarts, which these, kept with the rest of the state, do not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from driftmeter import otlp
from driftmeter.gateway.streams._identity import Service, ShardKey
from driftmeter.schema import Column, Model
from driftmeter.sketches import Snapshot


@dataclass(frozen=True, slots=True)
class Total:
    """All of one model's or segment's rows since it was first heard of, and the parts that they are sent in."""

    snapshot: Snapshot
    layouts: dict[tuple[Model, Column], otlp.Layout]


Of: TypeAlias = dict[Model, Total]


class Totals:
    """The running totals of all services' models."""

    def __init__(self) -> None:
        self._of: dict[ShardKey, Of] = {}

    def points(self, service: Service, more: Snapshot) -> otlp.Points:
        """Add what was counted since the last time; return the points of the total, up to its end."""
        of = self._of.setdefault((service, more.model.whole), {})
        known = of.get(more.model)
        snapshot, layouts = more, otlp.Layouts(otlp.Layout)
        if known is not None:
            layouts.update(known.layouts)
            before = known.snapshot.unpacked()
            snapshot = replace(before.running_total(more), start=before.start, end=more.end)
        points = otlp.sketch_points(snapshot, layouts=layouts)
        of[more.model] = Total(snapshot.packed(), dict(layouts))
        return points

    def forget(self, key: ShardKey) -> None:
        """Let go of a model's totals; if it comes back, they begin anew."""
        self._of.pop(key, None)

    def dump(self, key: ShardKey) -> Of:
        """Return a model's part of the state."""
        return self._of.get(key, {})

    def load(self, key: ShardKey, state: Of) -> None:
        """Take on a state from `dump`."""
        if state:
            self._of[key] = state
