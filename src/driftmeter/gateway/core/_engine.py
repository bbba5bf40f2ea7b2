"""What a gateway knows of its services, and what it makes of requests and of time that passes.

    apply(received) -> Ledger: each observation once, added up by service, model and step
    tick(now)       -> Processor of each service -> signals, merged sketches, events, as requests to send

There is no clock here: the same entries of a log, in their order, lead to the same state.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from driftmeter import otlp
from driftmeter.baseline import Baseline
from driftmeter.config import Config
from driftmeter.gateway.core._baselines import Baselines
from driftmeter.gateway.core._core_config import Merged
from driftmeter.gateway.core._outputs import Output, event_request, signal_requests, sketch_requests
from driftmeter.gateway.core._pickles import dump, load
from driftmeter.gateway.core._store import Changes, Shard, Store, corrupt
from driftmeter.gateway.core._totals import Totals
from driftmeter.gateway.streams._decode import Decoder, Received
from driftmeter.gateway.streams._identity import Service, ShardKey
from driftmeter.gateway.streams._ledger import Ledger, Outcomes
from driftmeter.processor import Processor
from driftmeter.recorder import guard
from driftmeter.schema import Model
from driftmeter.sketches import Snapshot, merge_snapshots

_logger = logging.getLogger("driftmeter.gateway")
_SECOND: Final = 1_000_000_000


class Engine:
    """The state of all services; not thread-safe.

    Args:
        config: The processor's rules.
        ledger: Counts what is received.
        baselines: What windows are compared with.
        merged: How the merged sketches are sent on; None: not at all.
        idle: Nanoseconds without a point until a model is forgotten.
    """

    def __init__(
        self, config: Config, ledger: Ledger, baselines: Baselines, *, merged: Merged | None, idle: int
    ) -> None:
        self._config = config
        self._ledger = ledger
        self._baselines = baselines
        self._merged = merged
        self._totals = Totals()
        self._idle = idle
        self._processors: dict[Service, Processor] = {}
        self._seen: dict[ShardKey, int] = {}
        """When points of each model came last."""
        self._kept: dict[ShardKey, int] = {}
        """The last entry of the log that is in what is kept of each model; the longest ago first."""
        self._told = 0
        """When the last tick was."""

    @property
    def ledger(self) -> Ledger:
        """What is counted."""
        return self._ledger

    @property
    def models(self) -> int:
        """How many models are known, of all services."""
        return len(self._kept)

    def take_baseline(self, service: Service, baseline: Baseline) -> None:
        """Take a baseline that a service sent."""
        _logger.info("baseline of service %s: model %s, %s", service.name, baseline.model.name, baseline.kind)
        self._baselines.take(service, baseline)

    def apply(self, at: int, received: Received, *, now: int, later: Container[ShardKey] | None = None) -> Outcomes:
        """Count a request.

        Args:
            at: The entry of the log that it is.
            received: The request.
            now: When it came.
            later: In a replay, the models whose state has it already.
        """
        skip = None if later is None else later.__contains__
        outcomes = self._ledger.apply(received, now=now, skip=skip)
        for key in outcomes.shards:
            self._seen[key] = now
            self._kept.setdefault(key, at - 1)
        return outcomes

    def tick(self, now: int) -> list[Output]:
        """Let time pass: evaluate the windows that ended; return what is to be sent."""
        outputs: list[Output] = []
        since, self._told = self._told, now
        self._baselines.look()
        taken = self._ledger.take()
        self._ledger.expire(now=now)
        for service in taken:
            if service not in self._processors:
                self._processors[service] = Processor(
                    self._config, baselines=partial(self._baselines.of, self._config, service), contain=guard
                )
        for service, processor in self._processors.items():
            with guard:
                outputs += self._tick_service(service, processor, taken.get(service, ()), since, now)
        return outputs

    def _tick_service(
        self, service: Service, processor: Processor, taken: Sequence[Snapshot], since: int, now: int
    ) -> list[Output]:
        resource = self._ledger.resource(service)
        processor.add(taken)
        events = processor.advance(now)
        signals = signal_requests(resource, processor.signals(), time=now)
        outputs = [Output("metrics", body, lasts=False) for body in signals]
        for snapshot in _merged(taken, since, now) if self._merged else ():
            cumulative = self._merged == "cumulative"
            points = self._totals.points(service, snapshot) if cumulative else otlp.sketch_points(snapshot)
            sketches = sketch_requests(resource, points, cumulative=cumulative)
            outputs += [Output("metrics", body, lasts=True) for body in sketches]
        if events:
            outputs.append(Output("logs", event_request(resource, events, observed=now), lasts=True))
        return outputs

    def checkpoint(self, at: int, *, share: float) -> Changes:
        """Return what is to be written whole, and what of the log can go then.

        Args:
            at: The last entry of the log, a tick.
            share: The share of the models that is written, those whose last time is the longest ago.
        """
        changes = Changes(gone=[_name(key) for key in self._forget_idle()])
        for key in self._due(math.ceil(share * len(self._kept))):
            changes.shards.append(Shard(_name(key), at, self._dump(key)))
            del self._kept[key]
            self._kept[key] = at
        changes.forget = min(self._kept.values(), default=at)
        return changes

    def _due(self, models: int) -> list[ShardKey]:
        """Return so many models that are due; those of a service that are compared with each other come together."""
        due = list(self._kept)[:models]
        if any(model.compare_with for model in self._config.models.values()):
            services = {service for service, _ in due}
            due = [key for key in self._kept if key[0] in services]
        return due

    def _forget_idle(self) -> list[ShardKey]:
        idle = [key for key, seen in self._seen.items() if seen + self._idle < self._told]
        for service, model in idle:
            del self._seen[service, model], self._kept[service, model]
            self._totals.forget((service, model))
            if service in self._processors:
                self._processors[service].forget(model)
        return idle

    def _dump(self, key: ShardKey) -> bytes:
        service, model = key
        processor = self._processors.get(service)
        watched = {} if processor is None else processor.watched(model)
        return dump((self._ledger.dump(key), watched, self._totals.dump(key), self._seen[key], self._told))

    def _load(self, key: ShardKey, upto: int, body: bytes) -> None:
        service, model = key
        state, watched, totals, self._seen[key], told = load(body)
        self._told = max(self._told, told)
        self._kept[key] = upto
        self._ledger.load(key, state)
        self._totals.load(key, totals)
        processor = self._processors.setdefault(
            service,
            Processor(self._config, baselines=partial(self._baselines.of, self._config, service), contain=guard),
        )
        if not processor.restore(watched):
            _logger.warning(
                "the window or the step is not what it was: what was known of the windows of model %s of service %s is "
                "let go",
                model.name,
                service.name,
            )

    def replay(self, store: Store, decoder: Decoder) -> int:
        """Go on from what is kept; return how many entries of the log were not in it.

        Raises:
            StateError: What is kept cannot be read.
        """
        for key, body in store.baselines():
            self.take_baseline(Service(*json.loads(key)[:3]), Baseline.from_otlp(body))
        kept = sorted(store.shards(), key=lambda shard: shard.upto)
        waiting = {_key(shard.key): shard for shard in kept}
        entries = 0
        for at, entry in store.log(after=min((shard.upto for shard in kept), default=0)):
            entries += 1
            self._restore(store, waiting, before=at)
            if entry.body is None:
                self.tick(entry.time)
            else:
                with guard:
                    self.apply(at, decoder.decode(entry.body), now=entry.time, later=waiting)
        self._restore(store, waiting, before=None)
        return entries

    def _restore(self, store: Store, waiting: dict[ShardKey, Shard], *, before: int | None) -> None:
        """Take on the models whose state has all entries before one, and no later one."""
        for key, shard in list(waiting.items()):
            if before is not None and shard.upto >= before:
                return
            del waiting[key]
            try:
                self._load(key, shard.upto, store.body_of(shard))
            except ValueError as error:
                raise corrupt(store.path, str(error)) from None


def _merged(snapshots: Sequence[Snapshot], since: int, now: int) -> Iterator[Snapshot]:
    """Return one snapshot a model, as of the time since the last tick: a stream's deltas follow each other."""
    by_model: dict[Model, list[Snapshot]] = {}
    for snapshot in snapshots:
        by_model.setdefault(snapshot.model, []).append(snapshot)
    for parts in by_model.values():
        whole = merge_snapshots(parts)
        if whole is not None:
            yield replace(whole, start=min(since or whole.start, now), end=now)


def baseline_name(service: Service, baseline: Baseline) -> bytes:
    """Return what tells the baselines that services sent apart: a later one takes the place of an earlier one."""
    return json.dumps([*service, baseline.model.name, baseline.model.version, baseline.kind]).encode()


def _name(key: ShardKey) -> bytes:
    service, model = key
    return json.dumps([*service, model.name, model.version]).encode()


def _key(name: bytes) -> ShardKey:
    namespace, service, environment, model, version = json.loads(name)
    return Service(namespace, service, environment), Model(model, version)
