"""A core on simulated time, over a real state file; requests that replicas send; what waits to be sent."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from driftmeter import Baseline, otlp
from driftmeter.config import Config
from driftmeter.gateway._inbound import Answer
from driftmeter.gateway.core._baselines import Baselines
from driftmeter.gateway.core._core import Core
from driftmeter.gateway.core._core_config import CoreConfig
from driftmeter.gateway.core._engine import Engine
from driftmeter.gateway.core._intake import Intake
from driftmeter.gateway.core._outputs import metrics_request
from driftmeter.gateway.core._own_metrics import OwnMetrics
from driftmeter.gateway.core._store import Store
from driftmeter.gateway.streams._decode import Decoder
from driftmeter.gateway.streams._ledger import Ledger
from driftmeter.gateway.streams._limits import Limits
from driftmeter.schema import Model
from driftmeter.sketches import Snapshot

SECOND = 1_000_000_000
START = 20_000 * 86_400 * SECOND
MODEL = Model("m")


def rows(*, seed: int, mean: float = 0.0, count: int = 300) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {"x": rng.normal(mean, 1.0, count), "c": rng.choice(["u", "v"], count)}


def request(
    replica: int, start: int, *, service: str = "s", model: Model = MODEL, mean: float = 0.0, seconds: int = 1
) -> bytes:
    """What a replica sends of one interval that begins at ``start``, as deltas."""
    columns = Baseline.from_frame(
        rows(seed=replica * 1_000_003 + start // SECOND, mean=mean), model="m"
    ).snapshot.columns
    snapshot = Snapshot(model, start, start + seconds * SECOND, columns)
    resource = {"service.name": service, "service.instance.id": str(replica)}
    metrics = otlp.sketch_metrics([snapshot], temporality=otlp.DELTA)
    return metrics_request(resource, metrics, scope="driftmeter.sketches")


class Simulated:
    """A core on simulated time; it can be killed, and begun anew on the state that it left."""

    def __init__(
        self,
        state: Path,
        *,
        config: Config,
        baselines: list[Baseline] | None = None,
        folder: Path | None = None,
        **own: Any,
    ) -> None:
        self.now = START
        self.config = config
        self.baselines = baselines or []
        self.own = CoreConfig(state=str(state), durable=False, baselines=str(folder or ""), **own)
        self.loop = asyncio.new_event_loop()
        self.begin()

    def begin(self) -> None:
        own, config = self.own, self.config
        step = round(config.step * SECOND)
        limits = Limits(streams=own.max_streams, models=own.max_models, stream_idle=round(own.stream_idle * SECOND))
        self.engine = Engine(
            config,
            Ledger(window=round(config.window * SECOND), step=step, limits=limits),
            Baselines(self.baselines, folder=Path(own.baselines) if own.baselines else None),
            merged=own.merged,
            idle=round(own.model_idle * SECOND),
        )
        self.core = Core(
            partial(Store, Path(own.state), durable=False),
            self.engine,
            Intake(own, Decoder(limits)),
            metrics=OwnMetrics({"service.name": "gateway"}, self.now),
            step=step,
            checkpoint=round(own.checkpoint * SECOND),
            clock=lambda: self.now,
        )
        self.core.start()

    def send(self, body: bytes, signal: str = "metrics") -> Answer:
        return self.loop.run_until_complete(self.core.receive(signal, body))

    def advance(self, seconds: float) -> None:
        """Let time pass, and the tick that is due be done."""
        self.now += round(seconds * SECOND)
        self.loop.run_until_complete(self.core._on_thread(lambda: None))
        # The thread looks at the clock when it has done its jobs, so before the next one.
        self.loop.run_until_complete(self.core._on_thread(lambda: None))

    def waiting(self, signal: str = "metrics") -> list[bytes]:
        pending = self.core.pending(signal, after=0, limit=1_000_000, size=1 << 40)
        return [item.body for item in self.loop.run_until_complete(pending)]

    def merged(self) -> dict[Model, Snapshot]:
        """The merged sketches that were to be sent so far."""
        return {snapshot.model: snapshot for snapshot in otlp.snapshots(self.waiting())}

    def signals(self, metric: str) -> list[tuple[dict[str, Any], float]]:
        """The points of a metric in the order in which they were to be sent."""
        found = []
        for body in self.waiting():
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for scope in resource.scope_metrics:
                    for one in scope.metrics:
                        if one.name == metric:
                            for point in one.gauge.data_points:
                                attributes = {pair.key: pair.value.string_value for pair in point.attributes}
                                found.append((attributes, point.as_int or point.as_double))
        return found

    def events(self) -> list[tuple[str, str]]:
        found = []
        for body in self.waiting("logs"):
            for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
                for scope in resource.scope_logs:
                    found += [(record.event_name, record.body.string_value) for record in scope.log_records]
        return found

    def kill(self) -> None:
        """End as a process does that is killed: nothing more is written."""
        self.core.stop()

    def end(self) -> None:
        """End in peace."""
        self.loop.run_until_complete(self.core.finish())
        self.core.stop()

    def close(self) -> None:
        self.core.stop()
        self.loop.close()
