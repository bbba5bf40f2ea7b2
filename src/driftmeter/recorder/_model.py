"""The recorder of one model: rows in, snapshots out."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from driftmeter.recorder._buffer import Batch
from driftmeter.recorder._log_once import LogOnce
from driftmeter.recorder._seeker import Seeker
from driftmeter.recorder._segments import Segments
from driftmeter.recorder._shape import Shape
from driftmeter.schema import Column, Kind, Model, Role
from driftmeter.sketches import Disguise, Sketch, Snapshot, merge_sketches
from driftmeter.tables import Table, kind_of
from driftmeter.typing import Clock

MAX_SHAPES: Final = 16
MAX_OUTPUTS: Final = 100
"""Columns of each role but features; ``max_columns`` is about features alone, so that a wide model keeps these."""
BATCH_BYTES: Final = 320 * 1024
"""What is sketched at once, at most: as much as the sketches take at a time, and a third of a millisecond of the call
whose rows complete it. More would cost that call more, and all calls together nothing less."""
MAX_CLOSED_STEPS: Final = 64
"""Steps kept apart when a collection is late; then the oldest two become one: no row is lost, but when it came is."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What is known of a model's columns beforehand: from its baseline and the configuration."""

    kinds: Mapping[tuple[Role, str], Kind] = field(default_factory=dict)
    categories: Mapping[tuple[Role, str], Collection[str]] = field(default_factory=dict)
    ignored: Collection[str] = ()
    disguises: Mapping[str, Disguise] = field(default_factory=dict)
    """By column how its categories' names are kept from view, where they are."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one model's memory, and what a full buffer does."""

    buffer_bytes: int = 1 << 20
    max_categories: int = 100
    max_columns: int = 500
    """Features, that is."""
    overflow: str = "flush"


@dataclass(frozen=True, slots=True)
class _Stretch:
    """The time from ``start`` to ``end``, Unix nanoseconds, with what the buffers held when it ended."""

    start: int
    end: int
    held: list[tuple[Shape, Batch]]


class ModelRecorder:
    """Sketches one model's rows; any number of threads may record while others take.

    Two locks, always taken in this order: ``_lock`` guards the buffers and is held for a copy, or while they are
    detached; ``_sketching`` guards the sketches and is held while a batch is sketched, or all are taken. It is taken
    before ``_lock`` is let go, so that batches are sketched in the order in which they filled, and `take` misses none.
    """

    def __init__(
        self,
        model: Model,
        *,
        columns: Columns,
        limits: Limits,
        step: int,
        clock: Clock,
        segments: Segments | None = None,
    ) -> None:
        self.model = model
        self.segments = segments
        """How the model's rows are parted, if they are."""
        self.columns = columns
        """What was known of the columns beforehand."""
        self.seeker: Seeker | None = None
        """Looks for rows of bins that gained, while there are any."""
        self._limits = limits
        self._drops = limits.overflow == "drop"
        self._step = step
        self._clock = clock
        self._kinds: dict[tuple[Role, str], Kind] = dict(columns.kinds)
        self._once = LogOnce()
        self.reset()

    def expect(self, columns: Columns) -> None:
        """Take what is known of the columns from now on; rows of before keep what was known then."""
        with self._lock, self._sketching:
            self._latest.clear()
            while self._shapes:
                self._retire(self._shapes.popitem()[1])
            self.columns = columns
            self._kinds |= columns.kinds

    def reset(self) -> None:
        """Forget every row and every lock's state; a forked child starts like this."""
        self._lock = threading.Lock()
        self._sketching = threading.Lock()
        self._shapes: dict[tuple[Role, tuple[str, ...]], Shape] = {}
        self._latest: dict[Role, Shape] = {}
        self._pending: dict[Column, Sketch] = {}
        self._closed: list[Snapshot] = []
        self._since = self._clock()
        self._step_end = self._next_step(self._since)
        self.has_recorded = False
        self._refused_rows = 0
        self._lost_rows = 0

    @property
    def dropped_rows(self) -> int:
        """Rows that did not fit into a full buffer, or were not sketched in every column."""
        return self._refused_rows + self._lost_rows

    def _next_step(self, now: int) -> int:
        return (now // self._step + 1) * self._step

    def knows(self, role: Role, table: Table) -> bool:
        """Whether tables of these columns were recorded before, so that their kinds are decided."""
        shape = self._latest.get(role)
        if shape is None or shape.names is not table.names:
            shape = self._shapes.get((role, table.names))
        return shape is not None and not shape.undecided

    def record(self, tables: Sequence[tuple[Role, Table]]) -> None:
        """Record the columns of one call: its features, predictions, scores."""
        self.has_recorded = True
        now = self._clock()
        if now < self._since - self._step:
            self._follow(now)
        ended: list[_Stretch] = []
        full: list[tuple[Shape, Batch]] = []
        try:
            with self._lock:
                try:
                    if now >= self._step_end:
                        ended += self._end_step(now)
                    self._fill(tables, full)
                finally:
                    if ended or full:
                        self._sketching.acquire()
        finally:
            # Also when a table could not be read: what ended or filled before it is not lost.
            if ended or full:
                try:
                    self._close(ended)
                    for shape, batch in full:
                        shape.sketch(batch)
                finally:
                    self._sketching.release()

    def _fill(self, tables: Sequence[tuple[Role, Table]], full: list[tuple[Shape, Batch]]) -> None:
        """Copy the tables' rows into the buffers of their shapes; those that fill up are added to ``full``."""
        if self._drops:
            self._fill_what_fits(tables)
            return
        for role, table in tables:
            if table.rows and table.names:
                shape = self._shape(role, table)
                if not shape.buffer.append_all(table):
                    full += [(shape, batch) for batch in shape.fill(table)]

    def _fill_what_fits(self, tables: Sequence[tuple[Role, Table]]) -> None:
        shapes = [(self._shape(role, table), table) for role, table in tables if table.rows and table.names]
        # A row is dropped with all that belongs to it, its prediction too.
        rows = max((table.rows for _, table in shapes), default=0)
        room = min((shape.buffer.free for shape, _ in shapes), default=0)
        for shape, table in shapes:
            shape.buffer.append(table, 0, min(room, table.rows))
        self._refused_rows += max(0, rows - room)

    def take(self) -> list[Snapshot]:
        """Return what was recorded since the last call, one snapshot a step, oldest first."""
        now = self._clock()
        if now < self._since - self._step:
            self._follow(now)
        with self._lock:
            ended = self._end_step(now)
            ended.append(self._cut(now))
            self._since = max(now, self._since)
            self._sketching.acquire()
        try:
            self._close(ended)
            taken, self._closed = self._closed, []
        finally:
            self._sketching.release()
        return taken

    def _follow(self, now: int) -> None:
        """Begin a step anew: the clock was set back by more than one, and would else have to catch up first."""
        with self._lock:
            if now < self._since - self._step:
                self._since = now
                self._step_end = self._next_step(now)

    def _end_step(self, now: int) -> list[_Stretch]:
        """Cut off the step, if it has ended; the rows from here on belong to a later one."""
        if now < self._step_end:
            return []
        ended = self._cut(self._step_end)
        self._since = max(self._step_end, now // self._step * self._step)
        self._step_end = self._next_step(now)
        return [ended]

    def _cut(self, end: int) -> _Stretch:
        return _Stretch(self._since, end, [(shape, shape.buffer.detach()) for shape in self._shapes.values()])

    def _close(self, ended: Sequence[_Stretch]) -> None:
        """Sketch what was held, and put the snapshots of stretches that have ended away."""
        for stretch in ended:
            for shape, batch in stretch.held:
                shape.sketch(batch)
                self._put_aside(shape)
            columns, self._pending = self._pending, {}
            if columns:
                self._closed.append(Snapshot(self.model, stretch.start, stretch.end, columns).packed())
        while len(self._closed) > MAX_CLOSED_STEPS:
            self._closed[:2] = [self._closed[0].merge(self._closed[1]).packed()]

    def _retire(self, shape: Shape) -> None:
        """Put aside all that a shape holds; it may go then."""
        shape.sketch(shape.buffer.detach())
        self._put_aside(shape)

    def _put_aside(self, shape: Shape) -> None:
        sketches = shape.take()
        self._lost_rows += shape.lost_rows
        shape.lost_rows = 0
        for column, sketch in sketches.items():
            known = self._pending.get(column)
            self._pending[column] = sketch if known is None else merge_sketches(known, sketch)

    def _shape(self, role: Role, table: Table) -> Shape:
        shape = self._latest.get(role)
        if shape is None or shape.names is not table.names or shape.undecided:
            # In the order of their use, so that the shape that makes room is not one that this very call fills.
            for known, latest in self._latest.items():
                self._shapes[known, latest.names] = self._shapes.pop((known, latest.names))
            self._latest[role] = shape = self._looked_up(role, table)
            shape.names = table.names
        return shape

    def _looked_up(self, role: Role, table: Table) -> Shape:
        key = (role, table.names)
        shape = self._shapes.get(key)
        fresh = shape if shape is not None and not shape.undecided else self._new_shape(role, table)
        if shape is not None and fresh.columns == shape.columns and fresh.undecided == shape.undecided:
            # In the order of their use, so that the shape that makes room is not one that this very call fills.
            self._shapes[key] = self._shapes.pop(key)
            return shape
        # Where sets of keys hardly repeat, the shape that was not used for longest makes room.
        key_out = key if shape is not None else next(iter(self._shapes)) if len(self._shapes) >= MAX_SHAPES else None
        if key_out is not None:
            with self._sketching:
                self._retire(self._shapes.pop(key_out))
        self._shapes[key] = fresh
        return fresh

    def _new_shape(self, role: Role, table: Table) -> Shape:
        columns: list[Column] = []
        undecided = False
        ignored = set(self.columns.ignored)
        most = self._limits.max_columns if role == "feature" else MAX_OUTPUTS
        room = most - sum(known == role for known, _ in self._kinds)
        for at, name in enumerate(table.names):
            kind = self._kinds.get((role, name)) or table.kind or kind_of(table.column(at))
            if kind is None:
                undecided = True
            elif (role, name) in self._kinds or room > 0:
                room -= (role, name) not in self._kinds
                self._kinds[role, name] = kind
            else:
                ignored.add(name)
                self._tell_left_out(role, name, most)
            columns.append(Column(name, role, kind or "numeric"))
        return Shape(
            tuple(columns),
            undecided=undecided,
            ignored=ignored,
            disguises=self.columns.disguises,
            known=self.columns.categories,
            buffer_bytes=self._limits.buffer_bytes if self._drops else min(self._limits.buffer_bytes, BATCH_BYTES),
            max_categories=self._limits.max_categories,
        )

    def _tell_left_out(self, role: Role, name: str, most: int) -> None:
        self._once.warning(
            role,
            "driftmeter: model %s has more than %d %s columns%s; %r and further ones are left out",
            self.model.name,
            most,
            role,
            " (max_columns)" if role == "feature" else "",
            name,
        )
