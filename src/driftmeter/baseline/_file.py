"""The baseline file: OTLP JSON of the points that serving emits, provenance as attributes of the scope."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

from driftmeter import otlp, semconv
from driftmeter.exceptions import BaselineError, DecodeError, did_you_mean
from driftmeter.schema import BaselineKind, Column
from driftmeter.sketches import CategoricalSketch, Sketch, Snapshot

MAX_BYTES: Final = 256 << 20
"""A baseline takes kilobytes; a collector's file of production traffic may be long, and is bounded."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a file says."""

    snapshot: Snapshot
    kind: BaselineKind
    created: str
    source: str


def to_text(snapshot: Snapshot, *, kind: str, created: str, source: str) -> str:
    """Return the file's text: one line."""
    attributes: dict[str, Any] = {
        semconv.ML_BASELINE_KIND: kind,
        semconv.ML_BASELINE_CREATED: created,
        semconv.ML_BASELINE_SOURCE: source,
        # Points stand by metric, numeric columns first; this is the order in which the model takes them.
        semconv.ML_BASELINE_FEATURES: [column.name for column in snapshot.columns if column.role == "feature"],
    }
    named = {name: value for name, value in attributes.items() if value}
    metrics = otlp.sketch_metrics([snapshot], temporality=otlp.DELTA)
    return otlp.to_json(otlp.to_request(metrics, scope_attributes=named)) + "\n"


def digest(snapshot: Snapshot) -> str:
    """Return eight hexadecimal digits that depend on the sketches alone, not on when or in what order."""
    columns: dict[Column, Sketch] = {}
    for column, sketch in sorted(snapshot.columns.items(), key=lambda item: item[0]):
        if isinstance(sketch, CategoricalSketch):
            columns[column] = replace(sketch, counts=dict(sorted(sketch.counts.items())))
        else:
            columns[column] = sketch
    timeless = replace(snapshot, start=0, end=0, columns=columns)
    return hashlib.blake2b(to_text(timeless, kind="", created="", source="").encode(), digest_size=4).hexdigest()


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
        if path.stat().st_size > MAX_BYTES:
            raise BaselineError(f"baseline {path}: a file must have at most {MAX_BYTES >> 20} MiB")
        text = path.read_text(encoding="utf-8")
        requests = otlp.from_json(text)
        snapshots = otlp.snapshots(requests)
    except OSError as error:
        raise BaselineError(f"baseline {path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BaselineError(f"baseline {path}: it is not text in UTF-8") from None
    except DecodeError as error:
        raise BaselineError(f"baseline {path}: {error}") from None
    snapshot = _only(snapshots, path, model)
    attributes = otlp.scope_attributes(requests)
    kind = cast("BaselineKind", attributes.get(semconv.ML_BASELINE_KIND, "training"))
    return Content(
        _in_order(snapshot, attributes.get(semconv.ML_BASELINE_FEATURES)),
        kind,
        str(attributes.get(semconv.ML_BASELINE_CREATED, "")),
        str(attributes.get(semconv.ML_BASELINE_SOURCE, "")),
    )


def _in_order(snapshot: Snapshot, names: Any) -> Snapshot:
    if not isinstance(names, list):
        return snapshot
    place = {name: i for i, name in enumerate(names)}
    columns = sorted(snapshot.columns, key=lambda column: place.get(column.name, len(place)))
    return replace(snapshot, columns={column: snapshot.columns[column] for column in columns})


def _only(snapshots: list[Snapshot], path: Path, model: str) -> Snapshot:
    by_name = {snapshot.model.name: snapshot for snapshot in snapshots}
    if not by_name:
        raise BaselineError(f"baseline {path}: it holds no columns ({semconv.COLUMN_VALUE.name} and others)")
    if model:
        if model not in by_name:
            raise BaselineError(f"baseline {path}: it holds no model {model!r}{did_you_mean(model, by_name)}")
        return by_name[model]
    if len(by_name) > 1:
        raise BaselineError(f"baseline {path}: it holds several models, name one of {', '.join(sorted(by_name))}")
    return snapshots[0]
