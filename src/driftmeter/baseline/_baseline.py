"""A baseline: the snapshot that windows are compared with, and where it comes from."""

from __future__ import annotations

import datetime as dt
import os
import time as _time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError as ProtobufDecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from driftmeter.baseline import _file
from driftmeter.baseline._blocks import blocks_by_rows, blocks_by_time
from driftmeter.baseline._digest import digest
from driftmeter.baseline._provenance import Provenance
from driftmeter.baseline._segments import rows_by_segment
from driftmeter.baseline._sketching import Prepared, blocks_of
from driftmeter.config import duration
from driftmeter.exceptions import BaselineError, DecodeError
from driftmeter.schema import BASELINE_KINDS, BaselineKind, Column, Kind, Model, Role, Segment
from driftmeter.sketches import Sketch, Snapshot
from driftmeter.tables import Table, UnreadableError, tabulate
from driftmeter.typing import Int64Array

MAX_COLUMNS = 10_000


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a model's columns looked like when all was well.

    Attributes:
        snapshot: The columns' sketches.
        kind: training, validation, previous_window, seasonal or model.
        created: When it was built, ISO 8601; empty when unknown.
        source: What it was built from, in its builder's words.
        id: A digest of the sketches: equal content, equal id. Empty for what is not built to last.
        blocks: The same rows by stretches of time, oldest first: how the columns vary when nothing is wrong.
        segments: Baselines of parts of the rows, those with one value in one column.
    """

    snapshot: Snapshot
    kind: BaselineKind = "training"
    created: str = ""
    source: str = ""
    id: str = ""
    blocks: tuple[Snapshot, ...] = ()
    segments: tuple[Baseline, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in BASELINE_KINDS:
            raise BaselineError(f"kind must be one of {', '.join(BASELINE_KINDS)}; got {self.kind!r}")
        if not self.snapshot.columns:
            raise BaselineError("a baseline must have at least one column; got none")
        # It is kept for as long as its model, and read once or twice.
        object.__setattr__(self, "snapshot", self.snapshot.packed())
        object.__setattr__(self, "blocks", tuple(block.packed() for block in self.blocks))

    @property
    def model(self) -> Model:
        """The model that the baseline is about."""
        return self.snapshot.model

    @property
    def features(self) -> list[Column]:
        """The model's features, in the order in which it takes them."""
        return [column for column in self.snapshot.columns if column.role == "feature"]

    @property
    def provenance(self) -> Provenance:
        """What is known of the baseline without its sketches."""
        return Provenance(self.kind, self.id, self.created, self.source)

    @property
    def created_at(self) -> float | None:
        """When it was built, in Unix seconds; None where that is unknown."""
        return self.provenance.created_at

    def of_segment(self, segment: Segment) -> Baseline | None:
        """Return the baseline of a part of the rows, or None when there is none."""
        return next((part for part in self.segments if part.model.segment == segment), None)

    def renamed(self, model: Model) -> Baseline:
        """Return the baseline, its segments too, as another model's."""
        return replace(
            self,
            snapshot=replace(self.snapshot, model=model),
            segments=tuple(part.renamed(replace(model, segment=part.model.segment)) for part in self.segments),
        )

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        model: str,
        version: str = "",
        kind: BaselineKind = "training",
        predictions: Any = None,
        scores: Any = None,
        labels: Any = None,
        kinds: Mapping[str, Kind] | None = None,
        source: str = "",
        time: Any = None,
        block: str | float = "",
        block_rows: int = 0,
        segments: Sequence[str] = (),
        max_segments: int = 20,
    ) -> Baseline:
        """Build a baseline from the features that a model was trained or validated on.

        Args:
            frame: The features: a pandas, polars or pyarrow table, an array, a mapping of columns.
            model: The model's name.
            version: The model's version.
            kind: training or validation, as a rule.
            predictions: The model's predictions for these rows: a mapping of column names to values, or values, which
                then are the column ``prediction``.
            scores: Likewise its scores; values alone are the column ``score``.
            labels: Likewise the true values; values alone are the column ``label``.
            kinds: Column names to numeric or categorical, where the column's type does not say it right.
            source: What the frame is, in words.
            time: When each row came, datetimes (of UTC, where they have no zone) or Unix seconds. With it the baseline
                also keeps how its columns vary from block to block, so that what varies like that is not taken for
                drift.
            block: How long a block is: as long as the windows that will be compared, such as "1h"; needs ``time``.
            block_rows: Instead of ``time`` and ``block``, for rows in the order in which they came: rows a block.
            segments: Features whose values get baselines of their own.
            max_segments: The most frequent values of such a feature that are told apart; the rest is `__other__`.

        Raises:
            BaselineError: The frame has no rows or cannot be read, or the times cannot.
            ConfigError: ``block`` is not a duration.
        """
        parts: tuple[tuple[Role, Any], ...] = (
            ("feature", frame),
            ("prediction", predictions),
            ("score", scores),
            ("label", labels),
        )
        tables = [
            Prepared(_table(data, role), role=role, kinds=kinds or {}) for role, data in parts if data is not None
        ]
        features = tables[0]
        now = _time.time_ns()
        created = dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds")
        which = _block_of_row(len(features), time, block, block_rows)
        whole = _Part(Model(model, version), None)
        split = [
            _Part(Model(model, version, segment), rows)
            for segment, rows in rows_by_segment(features, segments, max_segments=max_segments)
        ]
        # What has another number of rows belongs to no block and no segment.
        aligned = [table for table in tables if len(table) == len(features)]
        found: list[Baseline] = []
        for part in (whole, *split):
            columns: dict[Column, Sketch] = {}
            for table in tables if part is whole else aligned:
                columns |= table.sketch(part.rows)
            snapshot = Snapshot(part.model, now, now, columns)
            blocks = () if which is None else _blocks(snapshot, aligned, _within(which, part.rows))
            found.append(cls(snapshot, kind, created, source, digest(snapshot), blocks))
        return replace(found[0], segments=tuple(found[1:]))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the baseline file (OTLP JSON); a file that is there is replaced at once, never half written."""
        _file.write(Path(path), _file.to_text(self._content()))

    def to_otlp(self) -> bytes:
        """Return the baseline as an OTLP request, which a gateway takes as a baseline wherever it comes from."""
        return _file.to_request(self._content()).SerializeToString()

    def _content(self) -> _file.Content:
        parts = tuple(_file.Part(part.snapshot, part.blocks) for part in (self, *self.segments))
        return _file.Content(parts, self.kind, self.created, self.source)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, model: str = "") -> Baseline:
        """Read a baseline file, or OTLP JSON that a collector's file exporter wrote from serving traffic.

        Args:
            path: The file.
            model: The model to take from a file that holds several.

        Raises:
            BaselineError: The file cannot be read, or is no baseline; the message names the file.
        """
        content = _file.read(Path(path), model=model)
        try:
            return cls._of(content)
        except BaselineError as error:
            raise BaselineError(f"baseline {path}: {error}") from None

    @classmethod
    def from_otlp(cls, body: bytes) -> Baseline:
        """Return the baseline that an OTLP request holds; the inverse of `to_otlp`.

        Raises:
            BaselineError: It holds none, or several models'.
        """
        try:
            return cls._of(_file.from_requests([ExportMetricsServiceRequest.FromString(body)]))
        except (DecodeError, ProtobufDecodeError) as error:
            raise BaselineError(str(error)) from None

    @classmethod
    def _of(cls, content: _file.Content) -> Baseline:
        about = content.kind, content.created, content.source
        whole, *segments = [cls(part.snapshot, *about, digest(part.snapshot), part.blocks) for part in content.parts]
        return replace(whole, segments=tuple(segments))


@dataclass(frozen=True, slots=True)
class _Part:
    """A model, of a segment or not, and the places of its rows; None for all."""

    model: Model
    rows: Int64Array | None


def _table(data: Any, role: Role) -> Table:
    try:
        table = tabulate(data, max_columns=MAX_COLUMNS)
    except UnreadableError as error:
        raise BaselineError(f"{role}s: {error}") from None
    if not len(table):
        raise BaselineError(f"{role}s must have at least one row; got none")
    if role != "feature" and len(table.names) == 1 and not isinstance(data, Mapping) and not hasattr(data, "columns"):
        # Values alone are one column, named for its role.
        return replace(table, names=(role,))
    return table


def _block_of_row(rows: int, time: Any, block: str | float, block_rows: int) -> Int64Array | None:
    if block_rows:
        return blocks_by_rows(rows, block_rows=block_rows)
    if time is None:
        return None
    if not block:
        raise BaselineError('time needs block, the length of the windows that will be compared, such as block="1h"')
    which = blocks_by_time(time, seconds=duration(block))
    if len(which) != rows:
        raise BaselineError(f"time must have a value a row, {rows}; got {len(which)}")
    return which


def _within(which: Int64Array, rows: Int64Array | None) -> Int64Array:
    """Return each row's block, -1 for rows that are not among these."""
    if rows is None:
        return which
    inside = np.full_like(which, -1)
    inside[rows] = which[rows]
    return inside


def _blocks(whole: Snapshot, tables: Sequence[Prepared], which: Int64Array) -> tuple[Snapshot, ...]:
    sketched = [blocks_of(table, which, whole=whole.columns) for table in tables]
    blocks: list[Snapshot] = []
    for parts in zip(*sketched, strict=True):
        columns: dict[Column, Sketch] = {}
        for part in parts:
            columns |= part
        blocks.append(replace(whole, columns=columns))
    return tuple(blocks)
