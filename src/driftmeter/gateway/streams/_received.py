"""What a request holds, read: points in arrays, in groups of those that come from one writer and speak of one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from driftmeter import otlp
from driftmeter.gateway.streams._identity import Series, Service, ShardKey
from driftmeter.gateway.streams._origins import Origin
from driftmeter.schema import Model
from driftmeter.typing import Int64Array


def none() -> Int64Array:
    """Return an array of nothing."""
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Piece:
    """Sketches of the points from ``first`` on, and, as positions are kept, their bucket lists in wire form.

    Of point ``first + i``, ``lists[2 * i]`` is that of the positive values.
    """

    first: int
    histograms: otlp.Histograms
    lists: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Group:
    """The ``points`` of one origin and model, all of one temporality; their places, ascending."""

    origin: Origin
    whole: Model
    cumulative: bool
    points: Int64Array

    @property
    def shard(self) -> ShardKey:
        """The part of the state that they change."""
        return self.origin.service, self.whole


@dataclass(frozen=True, slots=True)
class Received:
    """A request, read.

    First come the points that hold sketches, then those that hold counts. Arrays speak of all of them, also of those
    that are refused, which are in no group.

    Attributes:
        groups: The points that keep every rule.
        series: Of each point, what it is called.
        starts: When each began, Unix nanoseconds; of a delta point that does not tell it, its time.
        times: When each was taken.
        pieces: The sketches, in order.
        counts: The counts, of shape (points that hold counts,).
        refused: How many points of ours are not, by reason.
        without_value: How many say that they have no value.
        rest: The request without what is ours, to be passed on; None if nothing is left.
        baselines: Requests that hold a baseline, or some of its blocks, each with the service that sent it.
    """

    groups: Sequence[Group] = ()
    series: Sequence[Series | None] = ()
    starts: Int64Array = field(default_factory=none)
    times: Int64Array = field(default_factory=none)
    pieces: Sequence[Piece] = ()
    counts: Int64Array = field(default_factory=none)
    refused: Mapping[str, int] = field(default_factory=dict)
    without_value: int = 0
    rest: bytes | None = None
    baselines: Sequence[tuple[Service, bytes]] = ()

    @property
    def points(self) -> int:
        """How many points of ours keep every rule."""
        return sum(len(group.points) for group in self.groups)

    @property
    def shards(self) -> frozenset[ShardKey]:
        """The parts of the state that it changes."""
        return frozenset(group.shard for group in self.groups)
