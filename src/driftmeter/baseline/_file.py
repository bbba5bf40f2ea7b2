"""The baseline file: OTLP JSON of the points that serving emits, provenance as attributes of the scope."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final, cast

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.metrics.export import Metric

from driftmeter import otlp, semconv
from driftmeter.exceptions import BaselineError, DecodeError, did_you_mean
from driftmeter.schema import BaselineKind
from driftmeter.sketches import Snapshot

MAX_BYTES: Final = 256 << 20
"""A baseline takes kilobytes; a collector's file of production traffic may be long, and is bounded."""


@dataclass(frozen=True, slots=True)
class Part:
    """All of a model's rows, or one segment's: as a whole and by blocks."""

    snapshot: Snapshot
    blocks: tuple[Snapshot, ...] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """What a file says; all of the model's rows are the first part, its segments the others."""

    parts: tuple[Part, ...]
    kind: BaselineKind
    created: str = ""
    source: str = ""


def to_request(content: Content) -> ExportMetricsServiceRequest:
    """Return the baseline as OTLP. The whole comes first, then the blocks, each in a scope of its own."""
    snapshot = content.parts[0].snapshot
    attributes: dict[str, Any] = {
        semconv.ML_BASELINE_KIND: content.kind,
        semconv.ML_BASELINE_CREATED: content.created,
        semconv.ML_BASELINE_SOURCE: content.source,
        # Points stand by metric, numeric columns first; this is the order in which the model takes them.
        semconv.ML_BASELINE_FEATURES: [column.name for column in snapshot.columns if column.role == "feature"],
    }
    named = {name: value for name, value in attributes.items() if value}
    scopes = [(named, _metrics(*(part.snapshot for part in content.parts)))]
    by_block = zip_longest(*(part.blocks for part in content.parts))
    scopes += [
        ({semconv.ML_BASELINE_BLOCK: at}, _metrics(*(block for block in blocks if block is not None)))
        for at, blocks in enumerate(by_block)
    ]
    return otlp.to_request(scopes)


def to_text(content: Content) -> str:
    """Return the file's text: one line."""
    return otlp.to_json(to_request(content)) + "\n"


def _metrics(*snapshots: Snapshot) -> list[Metric]:
    return otlp.sketch_metrics(snapshots, temporality=otlp.DELTA)


def write(path: Path, text: str) -> None:
    """Replace the file at once: readers see the old one or the new one."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read(path: Path, *, model: str = "") -> Content:
    """Return what a baseline file says.

    Raises:
        BaselineError: The file cannot be read, or is no baseline; the message names the file.
    """
    try:
        _check(path)
        with path.open(encoding="utf-8") as file:
            return from_requests(otlp.from_json_file(file), model=model)
    except OSError as error:
        raise BaselineError(f"baseline {path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BaselineError(f"baseline {path}: it is not text in UTF-8") from None
    except (DecodeError, BaselineError) as error:
        raise BaselineError(f"baseline {path}: {error}") from None


def _check(path: Path) -> None:
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise BaselineError("it is not a regular file")
    if path.stat().st_size > MAX_BYTES:
        raise BaselineError(f"a file must have at most {MAX_BYTES >> 20} MiB")


def from_requests(requests: Iterable[otlp.Request], *, model: str = "") -> Content:
    """Return what OTLP requests say that hold a baseline.

    Raises:
        DecodeError: A point breaks a rule.
        BaselineError: They hold no baseline, or several models' and none is named.
    """
    whole, parts = otlp.split_scopes(requests, semconv.ML_BASELINE_BLOCK)
    del requests
    snapshots = otlp.snapshots(whole)
    blocks: list[Snapshot] = []
    while parts:
        # What was read lets its memory go before the next one is.
        blocks += [block.packed() for block in otlp.snapshots(parts.pop(0))]
    attributes = otlp.scope_attributes(whole)
    names = attributes.get(semconv.ML_BASELINE_FEATURES)
    return Content(
        tuple(
            Part(_in_order(snapshot, names), tuple(block for block in blocks if block.model == snapshot.model))
            for snapshot in _of_one_model(snapshots, model)
        ),
        cast("BaselineKind", attributes.get(semconv.ML_BASELINE_KIND, "training")),
        str(attributes.get(semconv.ML_BASELINE_CREATED, "")),
        str(attributes.get(semconv.ML_BASELINE_SOURCE, "")),
    )


def _in_order(snapshot: Snapshot, names: Any) -> Snapshot:
    if not isinstance(names, tuple):
        return snapshot
    place = {name: i for i, name in enumerate(names) if isinstance(name, str)}
    columns = sorted(snapshot.columns, key=lambda column: place.get(column.name, len(place)))
    return replace(snapshot, columns={column: snapshot.columns[column] for column in columns})


def _of_one_model(snapshots: list[Snapshot], model: str) -> list[Snapshot]:
    """Return a model's snapshots, the one of all rows first."""
    by_name: dict[str, list[Snapshot]] = {}
    for snapshot in snapshots:
        by_name.setdefault(snapshot.model.name, []).append(snapshot)
    if not by_name:
        raise BaselineError(f"it holds no columns ({semconv.COLUMN_VALUE.name} and others)")
    if model:
        if model not in by_name:
            raise BaselineError(f"it holds no model {model!r}{did_you_mean(model, by_name)}")
    elif len(by_name) > 1:
        raise BaselineError(f"it holds several models, name one of {', '.join(sorted(by_name))}")
    named = by_name[model or next(iter(by_name))]
    whole = next((snapshot for snapshot in named if snapshot.model.segment is None), None)
    if whole is None:
        raise BaselineError(f"it holds segments of {named[0].model.name}, and not all of its rows")
    segments = [snapshot for snapshot in named if snapshot.model.segment and snapshot.model.whole == whole.model]
    return [whole, *segments]
