"""A baseline: the snapshot that windows are compared with, and where it comes from."""

from __future__ import annotations

import datetime as dt
import os
import time as _time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from driftmeter.baseline import _file
from driftmeter.baseline._blocks import blocks_by_rows, blocks_by_time
from driftmeter.baseline._sketching import sketch_blocks, sketch_table
from driftmeter.config import duration
from driftmeter.exceptions import BaselineError
from driftmeter.schema import BASELINE_KINDS, BaselineKind, Column, Kind, Model, Role
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
    """

    snapshot: Snapshot
    kind: BaselineKind = "training"
    created: str = ""
    source: str = ""
    id: str = ""
    blocks: tuple[Snapshot, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in BASELINE_KINDS:
            raise BaselineError(f"kind must be one of {', '.join(BASELINE_KINDS)}; got {self.kind!r}")
        if not self.snapshot.columns:
            raise BaselineError("a baseline must have at least one column; got none")

    @property
    def model(self) -> Model:
        """The model that the baseline is about."""
        return self.snapshot.model

    @property
    def features(self) -> list[Column]:
        """The model's features, in the order in which it takes them."""
        return [column for column in self.snapshot.columns if column.role == "feature"]

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
            time: When each row came, datetimes or Unix seconds. With it the baseline also keeps how its columns vary
                from block to block, so that what varies like that is not taken for drift.
            block: How long a block is: as long as the windows that will be compared, such as "1h"; needs ``time``.
            block_rows: Instead of ``time`` and ``block``, for rows in the order in which they came: rows a block.

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
        tables = [(role, _table(data, role)) for role, data in parts if data is not None]
        columns: dict[Column, Sketch] = {}
        for role, table in tables:
            columns |= sketch_table(table, role=role, kinds=kinds or {})
        now = _time.time_ns()
        created = dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds")
        snapshot = Snapshot(Model(model, version), now, now, columns)
        which = _block_of_row(len(tables[0][1]), time, block, block_rows)
        blocks = () if which is None else _blocks(snapshot, tables, which, kinds or {})
        return cls(snapshot, kind, created, source, _file.digest(snapshot), blocks)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the baseline file (OTLP JSON); a file that is there is replaced at once, never half written."""
        content = _file.Content(self.snapshot, self.kind, self.created, self.source, self.blocks)
        _file.write(Path(path), _file.to_text(content))

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
            return cls(
                content.snapshot,
                content.kind,
                content.created,
                content.source,
                _file.digest(content.snapshot),
                content.blocks,
            )
        except BaselineError as error:
            raise BaselineError(f"baseline {path}: {error}") from None


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


def _blocks(
    whole: Snapshot, tables: list[tuple[Role, Table]], which: Int64Array, kinds: Mapping[str, Kind]
) -> tuple[Snapshot, ...]:
    sketched = [
        sketch_blocks(table, which, whole=whole.columns, role=role, kinds=kinds)
        for role, table in tables
        if len(table) == len(which)
    ]
    blocks: list[Snapshot] = []
    for parts in zip(*sketched, strict=True):
        columns: dict[Column, Sketch] = {}
        for part in parts:
            columns |= part
        blocks.append(replace(whole, columns=columns))
    return tuple(blocks)
