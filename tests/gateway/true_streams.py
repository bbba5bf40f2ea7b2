"""Replicas that send what they observe, as driftmeter's own exporter does, and what may happen to it on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricsData, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from driftmeter.exporter._streams import Stream
from driftmeter.schema import Column, Model
from driftmeter.sketches import CategoricalSketch, NumericSketch, Snapshot, merge_snapshots

STEP = 10
WINDOW = 1000
X, Y, C = Column("x"), Column("y", "prediction"), Column("c", kind="categorical")
MODELS = (Model("m"), Model("n", "2"))

Draw = Callable[[st.SearchStrategy[Any]], Any]

# Whole numbers and binary fractions, so that sums are exact in whatever order.
_values = st.lists(
    st.integers(-4, 4).map(float) | st.sampled_from([0.75, 7.5, 96.0, 1000.0, -1024.0]) | st.just(float("nan")),
    min_size=1,
    max_size=12,
)
_bulk = st.tuples(st.integers(0, 5), st.integers(200, 900)).map(
    lambda drawn: np.round(np.random.default_rng(drawn[0]).normal(50, 20, drawn[1]), 1) * 1024 // 8
)
_categories = st.dictionaries(st.sampled_from(["a", "b", "c", "é"]), st.integers(1, 9), max_size=4)


@dataclass
class World:
    """What was observed, and the requests that told it, in the order in which they were sent."""

    requests: list[bytes] = field(default_factory=list)
    observed: list[Snapshot] = field(default_factory=list)
    by_step: dict[tuple[Model, int], list[Snapshot]] = field(default_factory=dict)

    def observe(self, made: Snapshot) -> Snapshot:
        """Note what was observed, and return it."""
        self.observed.append(made)
        self.by_step.setdefault((made.model, made.start // STEP * STEP), []).append(made)
        return made

    def totals(self) -> dict[Model, Snapshot]:
        """Return all that was observed, by model."""
        by_model: dict[Model, list[Snapshot]] = {}
        for snapshot in self.observed:
            by_model.setdefault(snapshot.model, []).append(snapshot)
        return {model: merge_snapshots(parts) for model, parts in by_model.items()}


def _snapshot(draw: Draw, model: Model, start: int, end: int) -> Snapshot:
    columns: dict[Column, NumericSketch | CategoricalSketch] = {
        X: NumericSketch.from_values(np.array(draw(_values), dtype=np.float64)),
        C: CategoricalSketch(draw(_categories), other=draw(st.integers(0, 2)), missing=draw(st.integers(0, 2))),
    }
    if draw(st.booleans()):
        columns[Y] = NumericSketch.from_values(draw(_bulk))
    return Snapshot(model, start, end, {column: sketch for column, sketch in columns.items() if sketch.total})


def encode_request(metrics: Any, replica: int) -> bytes:
    """Return the request in which a replica sends metrics."""
    resource = Resource({"service.name": "shop", "service.instance.id": str(replica)})
    scope = ScopeMetrics(InstrumentationScope("driftmeter.sketches"), metrics, "")
    return encode_metrics(MetricsData([ResourceMetrics(resource, [scope], "")])).SerializeToString()


@st.composite
def worlds(draw: Draw, *, temporality: AggregationTemporality) -> World:
    """Return some replicas' life: intervals with and without traffic, restarts, columns that come later."""
    world = World()
    for replica in range(draw(st.integers(1, 3))):
        now = 10_000 + draw(st.integers(0, 9))
        stream = Stream(temporality, start=now)
        for interval in range(draw(st.integers(1, 4))):
            if draw(st.integers(0, 4)) == 0:
                stream = Stream(temporality, start=now)
            start, now = now, now + draw(st.sampled_from([5, 10, 25]))
            for model in draw(st.sets(st.sampled_from(MODELS), min_size=interval == 0, max_size=2)):
                stream.add([world.observe(_snapshot(draw, model, start, now))])
            metrics = stream.collect(now, limit=1000)
            if metrics:
                world.requests.append(encode_request(metrics, replica))
    return world


@st.composite
def worlds_of_failed_exports(draw: Draw) -> World:
    """Return the life of replicas that send deltas, and add the next interval to one whose export seems to have failed.

    It seems so to the replica: of those exports some have arrived.
    """
    world = World()
    for replica in range(draw(st.integers(1, 2))):
        now = 10_000 + draw(st.integers(0, 9))
        for failures in draw(st.lists(st.integers(0, 2), min_size=1, max_size=3)):
            adding = Stream(AggregationTemporality.CUMULATIVE, start=now)
            for attempt in range(failures + 1):
                start, now = now, now + draw(st.sampled_from([5, 10, 25]))
                adding.add([world.observe(_snapshot(draw, MODELS[0], start, now))])
                request = _as_deltas(encode_request(adding.collect(now, limit=1000), replica))
                if attempt == failures or draw(st.booleans()):
                    world.requests.append(request)
    return world


def _as_deltas(body: bytes) -> bytes:
    request = ExportMetricsServiceRequest.FromString(body)
    for metric in request.resource_metrics[0].scope_metrics[0].metrics:
        getattr(metric, metric.WhichOneof("data")).aggregation_temporality = AggregationTemporality.DELTA.value
    return request.SerializeToString()


def parted(draw: Draw, body: bytes) -> list[bytes]:
    """Return a request in one or a few parts, as a collector may send it on: no point lost, none twice."""
    request = ExportMetricsServiceRequest.FromString(body)
    number = draw(st.integers(1, 3))
    parts = [ExportMetricsServiceRequest() for _ in range(number)]
    for resource_metrics in request.resource_metrics:
        for scope_metrics in resource_metrics.scope_metrics:
            for metric in scope_metrics.metrics:
                kind = metric.WhichOneof("data")
                for point in getattr(metric, kind).data_points:
                    part = parts[draw(st.integers(0, number - 1)) if number > 1 else 0]
                    made = part.resource_metrics.add(resource=resource_metrics.resource)
                    made = made.scope_metrics.add(scope=scope_metrics.scope).metrics.add()
                    made.CopyFrom(metric)
                    del getattr(made, kind).data_points[:]
                    getattr(made, kind).data_points.append(point)
    return [part.SerializeToString() for part in parts]


def one_by_one(body: bytes) -> list[bytes]:
    """Return a request of one metric in as many requests as it has points."""
    whole, parts = ExportMetricsServiceRequest.FromString(body), []
    for point in whole.resource_metrics[0].scope_metrics[0].metrics[0].exponential_histogram.data_points:
        part = ExportMetricsServiceRequest.FromString(body)
        points = part.resource_metrics[0].scope_metrics[0].metrics[0].exponential_histogram.data_points
        del points[:]
        points.append(point)
        parts.append(part.SerializeToString())
    return parts


def joined(draw: Draw, requests: list[bytes]) -> list[bytes]:
    """Return requests of which some are joined with the next one."""
    found = [b""]
    for body in requests:
        found.append(found.pop() + body if draw(st.booleans()) else body)
    return [body for body in found if body]
