"""The ledger: from received points to what is counted, each observation once.

points -> positions of their streams -> what of them is new -> added up by step, model and column -> snapshots
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from driftmeter import semconv
from driftmeter.gateway.core import _pickles
from driftmeter.gateway.streams._admission import Admission
from driftmeter.gateway.streams._identity import Service, ShardKey
from driftmeter.gateway.streams._limits import Limits
from driftmeter.gateway.streams._outcomes import FUTURE, MODELS, WITHOUT_VALUE, Outcomes, tally
from driftmeter.gateway.streams._posting import Posting
from driftmeter.gateway.streams._received import Group, Received
from driftmeter.gateway.streams._room import Room
from driftmeter.gateway.streams._streams import Shard, shared
from driftmeter.gateway.streams._sums import Sums
from driftmeter.sketches import Snapshot

__all__ = ["Ledger", "Outcomes"]

_UNBOUNDED: Final = 1 << 62


class Ledger:
    """Counts what is received; not thread-safe, and deterministic: it asks neither clock nor chance.

    Args:
        window: Nanoseconds of a window: what is older than one counts no more.
        step: Nanoseconds of a step.
        limits: The bounds.
    """

    def __init__(self, *, window: int, step: int, limits: Limits) -> None:
        self._horizon = window
        self._limits = limits
        self._shards: dict[ShardKey, Shard] = {}
        self._sums = Sums(step=step, limits=limits)
        self._streams = 0

    @property
    def shards(self) -> Mapping[ShardKey, Shard]:
        """The streams of each model; see `dump`."""
        return self._shards

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return self._streams

    @property
    def open_columns(self) -> int:
        """How many columns have counts that were not taken, in all steps."""
        return self._sums.columns

    def apply(self, received: Received, *, now: int, skip: Callable[[ShardKey], bool] | None = None) -> Outcomes:
        """Count a request's points.

        Args:
            received: The request.
            now: When it came; when it is replayed, when it came first.
            skip: Says of which shards nothing is to be counted, since it is in their state already. With it, a replay,
                bounds over all shards together do not hold: what was taken then is taken again.
        """
        admission = Admission(received, horizon=self._horizon)
        replayed = skip is not None
        for group in received.groups:
            if skip is None or not skip(group.shard):
                self._admit(admission, group, now, replayed=replayed)
        room = _UNBOUNDED if replayed else self._limits.open_columns
        Posting(received, admission).add_to(self._sums, room=room)
        passed, refused = tally(admission.codes)
        if received.without_value:
            passed[WITHOUT_VALUE] = received.without_value
        changed = [key for key in received.shards if key in self._shards and (skip is None or not skip(key))]
        return Outcomes(passed, {**received.refused, **refused}, frozenset(changed))

    def _admit(self, admission: Admission, group: Group, now: int, *, replayed: bool) -> None:
        points = admission.not_after(now + self._limits.ahead, group.points)
        if len(points) < len(group.points):
            admission.codes[group.points] = FUTURE
        if not len(points):
            return
        shard = self._shards.get(group.shard)
        if shard is None:
            if len(self._shards) >= self._limits.models and not replayed:
                admission.codes[points] = MODELS
                return
            shard = self._shards[group.shard] = Shard()
        left = _UNBOUNDED if replayed else self._limits.streams - self._streams
        room = Room(shard.columns, self._limits.columns, left)
        admission.admit(shard, group, points, now, room)
        self._streams += left - room.streams

    def take(self) -> dict[Service, list[Snapshot]]:
        """Hand over what was counted since the last call: a snapshot for each model or segment and step.

        A snapshot's interval is its step; steps come in the order of time.
        """
        return self._sums.take()

    def expire(self, *, now: int) -> None:
        """Forget the writers that have sent nothing for `Limits.stream_idle`, and models without any."""
        for key, shard in list(self._shards.items()):
            self._streams -= shard.expire(now - self._limits.stream_idle)
            if not shard.writers:
                del self._shards[key]

    def resource(self, service: Service) -> dict[str, Any]:
        """Return the resource attributes that all known replicas of a service share, at least those that name it."""
        resources = [shard.resource() for (of, _), shard in self._shards.items() if of == service]
        names = (semconv.SERVICE_NAMESPACE, semconv.SERVICE_NAME, semconv.DEPLOYMENT_ENVIRONMENTS[0])
        named = {name: value for name, value in zip(names, service, strict=True) if value}
        return shared(resource for resource in resources if resource is not None) or named

    def dump(self, key: ShardKey) -> bytes:
        """Return a model's state, what was counted and has not been taken included."""
        return _pickles.dump((self._shards.get(key), self._sums.of(key)))

    def load(self, key: ShardKey, state: bytes) -> None:
        """Take on a state from `dump`; nothing is known of the model yet."""
        shard, snapshots = _pickles.load(state)
        if shard is not None:
            self._shards[key] = shard
            self._streams += shard.streams
        self._sums.give(key[0], snapshots)
