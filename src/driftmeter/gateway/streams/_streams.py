"""The streams of one model in one service: who sends them, and what of each point has not been counted before.

delta        the last point, and the intervals that were counted     a point of another start counts whole
cumulative   the last point                                          a later one counts by how much it is more
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np

from driftmeter.gateway.streams._cumulatives import Cumulatives
from driftmeter.gateway.streams._deltas import Deltas
from driftmeter.gateway.streams._last import HISTOGRAM, NUMBER, Last
from driftmeter.gateway.streams._origins import Origin
from driftmeter.schema import Column

_RESOURCES: Final = 8
"""Different resources that are kept of a model's writers; most are alike but for what names each of them."""

_Key: TypeAlias = tuple[bytes, int]
"""A writer: its origin, and the start of its running totals, or what stands for deltas."""
_DELTAS: Final = {HISTOGRAM: -1, NUMBER: -2}
"""Deltas of sketches, and of counts."""


@dataclass(slots=True)
class Shard:
    """The streams of one model, its segments included, in one service.

    Attributes:
        writers: Who sends them.
        columns: The model's columns.
        resources: Their resource attributes, each once. Of those that would be too many, what they share with the last.
    """

    writers: dict[_Key, Deltas | Cumulatives] = field(default_factory=dict)
    columns: dict[Column, None] = field(default_factory=dict)
    resources: list[Mapping[str, Any]] = field(default_factory=list)

    def deltas(self, origin: Origin, points: np.dtype[np.void], now: int) -> Deltas:
        """Return the delta streams of an origin, of the type `HISTOGRAM` or `NUMBER`; they are touched."""
        key = origin.key, _DELTAS[points]
        writer = self.writers.get(key)
        if not isinstance(writer, Deltas):
            writer = self.writers[key] = Deltas(self._resource_of(origin), Last.of(points))
        writer.touched = max(writer.touched, now)
        return writer

    def cumulatives(self, origin: Origin, start: int, now: int) -> Cumulatives:
        """Return the cumulative streams of an origin that began at a time; they are touched."""
        writer = self.writers.get((origin.key, start))
        if not isinstance(writer, Cumulatives):
            writer = self.writers[origin.key, start] = Cumulatives(self._resource_of(origin))
        writer.touched = max(writer.touched, now)
        return writer

    def _resource_of(self, origin: Origin) -> Mapping[str, Any]:
        for known in self.resources:
            if known == origin.resource:
                return known
        if len(self.resources) < _RESOURCES:
            self.resources.append(origin.resource)
            return origin.resource
        # It only ever loses attributes, so of it, too, there are few.
        common = shared((self.resources[-1], origin.resource))
        if common != self.resources[-1]:
            self.resources[-1] = common
        return self.resources[-1]

    def expire(self, before: int) -> int:
        """Forget the writers that were not touched since a time, and streams of no use; return how many streams."""
        streams = self.streams
        gone = [key for key, writer in self.writers.items() if writer.touched < before]
        for key in gone:
            del self.writers[key]
        if gone:
            used = {id(writer.resource) for writer in self.writers.values()}
            self.resources = [resource for resource in self.resources if id(resource) in used]
        for writer in self.writers.values():
            if isinstance(writer, Deltas):
                writer.tidy()
        return streams - self.streams

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return sum(map(len, self.writers.values()))

    def resource(self) -> Mapping[str, Any] | None:
        """Return the resource attributes that all writers share; None if there is no writer."""
        if not self.writers:
            return None
        return shared({id(writer.resource): writer.resource for writer in self.writers.values()}.values())


def shared(resources: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the attributes that all resources have in common; none of none."""
    found: dict[str, Any] | None = None
    for resource in resources:
        if found is None:
            found = dict(resource)
        found = {name: value for name, value in found.items() if name in resource and resource[name] == value}
    return found or {}
