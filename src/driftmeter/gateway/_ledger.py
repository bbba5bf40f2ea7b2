"""The ledger: from received points to what is counted, each observation once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from driftmeter import semconv
from driftmeter.gateway import _pickles
from driftmeter.gateway._decode import Point, Received
from driftmeter.gateway._identity import Service, ShardKey
from driftmeter.gateway._limits import Limits
from driftmeter.gateway._streams import Shard, shared
from driftmeter.schema import Column, Model
from driftmeter.sketches import (
    OTHER,
    CategoricalSketch,
    NumericSketch,
    Sketch,
    Snapshot,
    merge_sketches,
)

_REFUSED: Final = frozenset({"future", "models", "streams", "columns", "open_columns"})


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of a request's points of ours.

    Attributes:
        passed: How many were taken, by what they were: ``counted``; ``overlapping``, counted although another interval
            of the same streams overlaps theirs (most often two processes that go by one identity); ``reset``, counted
            whole since a running total fell; ``duplicate``, counted before; ``old``, older than what was counted;
            ``first``, a running total that began too long ago to be counted.
        refused: How many were refused, by reason.
        shards: The parts of the state that changed.
    """

    passed: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    shards: frozenset[ShardKey] = frozenset()

    @property
    def rejected(self) -> int:
        """How many points were refused, for OTLP's partial success."""
        return sum(self.refused.values())

    @property
    def message(self) -> str:
        """Why, for OTLP's partial success; empty if none was."""
        return ", ".join(f"{count} points refused: {reason}" for reason, count in sorted(self.refused.items()))


class Ledger:
    """Counts what is received; not thread-safe, and deterministic: it asks neither clock nor chance.

    Args:
        window: Nanoseconds of a window: what is older than one counts no more.
        step: Nanoseconds of a step.
        limits: The bounds.
    """

    def __init__(self, *, window: int, step: int, limits: Limits) -> None:
        self._window = window
        self._step = step
        self._limits = limits
        self._shards: dict[ShardKey, Shard] = {}
        self._sums: dict[tuple[Service, Model, int], dict[Column, Sketch]] = {}

    @property
    def shards(self) -> Mapping[ShardKey, Shard]:
        """The parts of the state; see `dump`."""
        return self._shards

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return sum(shard.streams for shard in self._shards.values())

    def apply(self, received: Received, *, now: int, skip: Callable[[ShardKey], bool] | None = None) -> Outcomes:
        """Count a request's points.

        Args:
            received: The request.
            now: When it came; when it is replayed, when it came first.
            skip: Says of which shards nothing is to be counted, since it is in their state already. With it, a replay,
                bounds over all shards together do not hold: what was taken then is taken again.
        """
        outcomes: Counter[str] = Counter()
        shards: set[ShardKey] = set()
        for point in received.points:
            key = point.shard
            if skip is not None and skip(key):
                continue
            outcome = self._apply(key, point, now, replay=skip is not None)
            outcomes[outcome] += 1
            shards.add(key)
        refused = {name: count for name, count in outcomes.items() if name in _REFUSED}
        passed = {name: count for name, count in outcomes.items() if name not in _REFUSED}
        return Outcomes(passed, {**received.refused, **refused}, frozenset(shards))

    def _apply(self, key: ShardKey, point: Point, now: int, *, replay: bool) -> str:
        if point.time > now + self._limits.ahead:
            return "future"
        shard = self._shards.get(key)
        if shard is None:
            if len(self._shards) >= self._limits.models and not replay:
                return "models"
            shard = self._shards[key] = Shard()
        if point.series.column not in shard.columns:
            if len(shard.columns) >= self._limits.columns:
                return "columns"
            shard.columns[point.series.column] = None
        writer = shard.writer(point)
        writer.touched = max(writer.touched, now)
        outcome, value, start = writer.admit(point, self._window)
        if value is not None:
            self._count(point, value, start)
        return outcome

    def _count(self, point: Point, value: NumericSketch | int, start: int) -> None:
        series = point.series
        columns = self._sums.setdefault((point.origin.service, series.model, start // self._step * self._step), {})
        sketch = _sketch(series.metric, series.detail, series.column, value)
        known = columns.get(series.column)
        columns[series.column] = sketch if known is None else merge_sketches(known, sketch)

    def take(self) -> dict[Service, list[Snapshot]]:
        """Hand over what was counted since the last call, one snapshot for each model or segment and step."""
        taken: dict[Service, list[Snapshot]] = {}
        for (service, model, start), columns in sorted(self._sums.items(), key=lambda item: item[0][2]):
            taken.setdefault(service, []).append(Snapshot(model, start, start + self._step, columns))
        self._sums.clear()
        return taken

    def expire(self, *, now: int) -> None:
        """Forget the writers that have sent nothing for long, and shards without any."""
        for key, shard in list(self._shards.items()):
            for name, writer in list(shard.writers.items()):
                if writer.touched + self._limits.stream_idle < now:
                    del shard.writers[name]
            if not shard.writers:
                del self._shards[key]

    def resource(self, service: Service) -> dict[str, Any]:
        """Return the resource attributes that all known replicas of a service share."""
        resources = [shard.resource() for (of, _), shard in self._shards.items() if of == service]
        return shared(resource for resource in resources if resource is not None)

    def dump(self, key: ShardKey) -> bytes:
        """Return a shard's state, what was counted and has not been taken included."""
        sums = {place: columns for place, columns in self._sums.items() if (place[0], place[1].whole) == key}
        return _pickles.dump((self._shards.get(key), sums))

    def load(self, key: ShardKey, state: bytes) -> None:
        """Take on a state from `dump`; nothing is known of the shard yet."""
        shard, sums = _pickles.load(state)
        if shard is not None:
            self._shards[key] = shard
        self._sums.update(sums)


def _sketch(metric: str, detail: str, column: Column, value: NumericSketch | int) -> Sketch:
    if isinstance(value, NumericSketch):
        return value
    if metric == semconv.COLUMN_CATEGORIES.name:
        return (
            CategoricalSketch(other=value) if detail == OTHER else CategoricalSketch({detail: value} if value else {})
        )
    if metric == semconv.COLUMN_MISSING.name:
        return NumericSketch(missing=value) if column.kind == "numeric" else CategoricalSketch(missing=value)
    if column.kind == "categorical":
        return CategoricalSketch(mismatched=value)
    return NumericSketch(non_finite=value) if detail == "non_finite" else NumericSketch(mismatched=value)
