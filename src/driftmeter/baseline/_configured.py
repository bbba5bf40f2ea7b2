"""A baseline as a model's traffic is told: with what stands for names that are not to be told, and no more segments.

Of more segments than are told apart the largest stay, and the rest is one with what the baseline had not told apart::

    max_segments 2     AA: 50   UA: 30   DL: 20   __other__: 9     ->     AA: 50   UA: 30   __other__: 29
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from driftmeter.baseline._baseline import Baseline
from driftmeter.baseline._digest import digest
from driftmeter.config import Config
from driftmeter.schema import Model, Segment
from driftmeter.sketches import OTHER, Disguise, Snapshot, merge_snapshots


def disguises(config: Config, model: Model) -> dict[str, Disguise]:
    """Return by column how a model's category names are kept from view, where they are."""
    found: dict[str, Disguise] = {}
    for name, column in config.of_model(model.name).columns.items():
        if column.category_names == "hashed":
            found[name] = Disguise("hashed", config.category_secret)
        elif column.category_names == "withheld":
            found[name] = Disguise("withheld")
    return found


def as_configured(baseline: Baseline, config: Config, model: Model) -> Baseline:
    """Return a baseline as the configuration lets a model's traffic be told; itself where that changes nothing."""
    hidden = disguises(config, model)
    if hidden:
        baseline = _disguised(baseline, hidden)
    segments = [part.model.segment for part in baseline.segments if part.model.segment is not None]
    named = Counter(segment.column for segment in segments if segment.value != OTHER)
    if max(named.values(), default=0) <= config.max_segments:
        return baseline
    columns = dict.fromkeys(segment.column for segment in segments)
    parts = [part for column in columns for part in _largest(baseline, column, most=config.max_segments)]
    return replace(baseline, segments=tuple(parts))


def _disguised(baseline: Baseline, hidden: Mapping[str, Disguise]) -> Baseline:
    return replace(
        baseline,
        snapshot=_disguised_snapshot(baseline.snapshot, hidden),
        blocks=tuple(_disguised_snapshot(block, hidden) for block in baseline.blocks),
        segments=tuple(_disguised(part, hidden) for part in baseline.segments),
    )


def _disguised_snapshot(snapshot: Snapshot, hidden: Mapping[str, Disguise]) -> Snapshot:
    segment = snapshot.model.segment
    if segment is not None and segment.column in hidden:
        segment = Segment(segment.column, hidden[segment.column].known_name(segment.value))
    columns = {
        column: hidden[column.name].sketch(sketch, known=True) if column.name in hidden else sketch
        for column, sketch in snapshot.columns.items()
    }
    return replace(snapshot, model=replace(snapshot.model, segment=segment), columns=columns)


def _largest(baseline: Baseline, column: str, *, most: int) -> Sequence[Baseline]:
    """Return the largest segments of one column, and the rest as one."""
    parts = [
        part for part in baseline.segments if part.model.segment is not None and part.model.segment.column == column
    ]
    named = [part for part in parts if part.model.segment != Segment(column, OTHER)]
    if len(named) <= most:
        return parts
    ranked = sorted(named, key=lambda part: -part.snapshot.rows)
    rest = [*ranked[most:], *(part for part in parts if part not in named)]
    model = replace(baseline.model, segment=Segment(column, OTHER))
    snapshot = _merged(model, [part.snapshot for part in rest])
    blocks: tuple[Snapshot, ...] = ()
    if len({len(part.blocks) for part in rest}) == 1:
        # Each segment's blocks are of the same stretches of time.
        blocks = tuple(_merged(model, together) for together in zip(*(part.blocks for part in rest), strict=True))
    return [*ranked[:most], replace(rest[0], snapshot=snapshot, blocks=blocks, id=digest(snapshot))]


def _merged(model: Model, snapshots: Sequence[Snapshot]) -> Snapshot:
    merged = merge_snapshots(replace(snapshot, model=model) for snapshot in snapshots)
    assert merged is not None  # noqa: S101  # there is one at least
    return merged
