"""From a request's bytes to points that keep every rule, each with the stream that it belongs to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain
from typing import Final

import numpy as np

from driftmeter import otlp, semconv
from driftmeter.gateway.streams._identity import Series, Service
from driftmeter.gateway.streams._limits import Limits
from driftmeter.gateway.streams._origins import Origin, Origins
from driftmeter.gateway.streams._outcomes import NAMES, POINTS, RESOURCE
from driftmeter.gateway.streams._received import Group, Piece, Received, none
from driftmeter.gateway.streams._requests import Block, Parted, part
from driftmeter.gateway.streams._series import Names
from driftmeter.schema import Model
from driftmeter.typing import AnyArray, BoolArray, Int64Array

__all__ = ["Decoder", "Received", "Service"]

_PIECE: Final = 1024
"""Points that are read at once: the work space for more would not stay in the cache."""
_METRICS: Final = (
    semconv.COLUMN_VALUE.name,
    semconv.COLUMN_CATEGORIES.name,
    semconv.COLUMN_MISSING.name,
    semconv.COLUMN_INVALID.name,
)


class Decoder:
    """Reads requests; what repeats in them is read once. It keeps nothing that a result depends on."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._origins = Origins(limits.resource_bytes)
        models: dict[Model, Model] = {}
        self._names = {metric: Names(metric, models) for metric in _METRICS}

    def decode(self, body: bytes) -> Received:
        """Return what a request holds.

        Args:
            body: An ``ExportMetricsServiceRequest`` as protobuf, decompressed.

        Raises:
            DecodeError: It is none.
        """
        parted = part(body, self._origins)
        for names in self._names.values():
            names.forget()
        reading = _Reading(self._limits)
        blocks = self._bounded(parted, reading.refused)
        reading.read(blocks)
        reading.name(blocks, self._names)
        return reading.received(parted)

    def _bounded(self, parted: Parted, refused: Counter[str]) -> list[Block]:
        """Return the blocks that are read, those with sketches first; count what is not."""
        room = self._limits.points
        kept = []
        for block in sorted(parted.blocks, key=lambda block: block.metric != semconv.COLUMN_VALUE.name):
            if block.origin.is_too_large:
                refused[RESOURCE] += len(block.points)
                continue
            if len(block.points) > room:
                refused[POINTS] += len(block.points) - room
                del block.points[room:]
            room -= len(block.points)
            kept.append(block)
        return kept


@dataclass(slots=True)
class _Reading:
    """The arrays of one request in the making."""

    limits: Limits
    refused: Counter[str] = field(default_factory=Counter)
    without_value: int = 0
    points: list[otlp.PointArrays] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    counts: list[Int64Array] = field(default_factory=list)
    series: list[Series | None] = field(default_factory=list)
    starts: Int64Array = field(default_factory=none)
    times: Int64Array = field(default_factory=none)
    groups: dict[tuple[bytes, int, bool], tuple[Origin, Model, list[Int64Array]]] = field(default_factory=dict)

    def read(self, blocks: Sequence[Block]) -> None:
        """Read the points of blocks, those with sketches first."""
        most = self.limits.attribute_bytes
        first = 0
        for messages in _pieces(blocks, sketches=True):
            points, histograms, lists = otlp.histogram_points(messages, max_attribute_bytes=most)
            self.points.append(points)
            self.pieces.append(Piece(first, histograms, lists))
            first += len(messages)
        for messages in _pieces(blocks, sketches=False):
            points, counts = otlp.number_points(messages, max_attribute_bytes=most)
            self.points.append(points)
            self.counts.append(counts)

    def name(self, blocks: Sequence[Block], names: Mapping[str, Names]) -> None:
        """Find out what the points are called, and who sent those that are kept."""
        if not self.points:
            return
        faults = _joined([points.faults for points in self.points])
        without_value = _joined([points.without_value for points in self.points])
        kept = (faults == 0) & ~without_value
        if not kept.all():
            self._count_refused(faults, without_value)
        wires = [wire for points in self.points for wire in points.names]
        ends = list(accumulate(len(block.points) for block in blocks))
        for block, end in zip(blocks, ends, strict=True):
            self.series += map(names[block.metric].__getitem__, wires[end - len(block.points) : end])
        if None in self.series:
            nameless = np.array([named is None for named in self.series])
            self.refused[NAMES] += int(np.count_nonzero(nameless & kept))
            kept &= ~nameless
        self.times = _joined([points.times for points in self.points])
        self.starts = _joined([points.starts for points in self.points])
        for block, end in zip(blocks, ends, strict=True):
            self._group(block, kept[end - len(block.points) : end], end - len(block.points))

    def _count_refused(self, faults: AnyArray, without_value: BoolArray) -> None:
        self.without_value = int(np.count_nonzero(without_value))
        told = np.bincount(faults[~without_value], minlength=len(otlp.POINT_RULES))
        self.refused.update({rule: count for rule, count in zip(otlp.POINT_RULES, told.tolist(), strict=True) if rule})

    def _group(self, block: Block, kept: BoolArray, first: int) -> None:
        if not block.cumulative:
            starts = self.starts[first : first + len(kept)]
            np.copyto(starts, self.times[first : first + len(kept)], where=starts == 0)
        models = [None if named is None else named.whole for named in self.series[first : first + len(kept)]]
        by_id = {id(model): model for model in models}
        ids = np.fromiter(map(id, models), dtype=np.int64, count=len(models)) if len(by_id) > 1 else None
        for name, model in by_id.items():
            places = np.flatnonzero(kept if ids is None else kept & (ids == name))
            if model is not None and len(places):
                key = (block.origin.key, name, block.cumulative)
                self.groups.setdefault(key, (block.origin, model, []))[2].append(places + first)

    def received(self, parted: Parted) -> Received:
        """Return what the request holds."""
        return Received(
            groups=[
                Group(origin, whole, cumulative, _joined(places))
                for (_, _, cumulative), (origin, whole, places) in self.groups.items()
            ],
            series=self.series,
            starts=self.starts,
            times=self.times,
            pieces=self.pieces,
            counts=_joined(self.counts),
            refused={reason: count for reason, count in self.refused.items() if count},
            without_value=self.without_value,
            rest=parted.rest,
            baselines=parted.baselines,
        )


def _pieces(blocks: Sequence[Block], *, sketches: bool) -> Iterator[list[bytes]]:
    """Return points of blocks, as many as are read at once."""
    chosen = [block.points for block in blocks if (block.metric == semconv.COLUMN_VALUE.name) == sketches]
    messages = list(chain.from_iterable(chosen))
    for start in range(0, len(messages), _PIECE):
        yield messages[start : start + _PIECE]


def _joined(arrays: Sequence[AnyArray]) -> AnyArray:
    if len(arrays) == 1:
        return arrays[0]
    return np.concatenate(arrays) if arrays else none()
