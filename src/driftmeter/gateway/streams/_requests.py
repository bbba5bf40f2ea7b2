"""A request parted: points of ours, baselines, and the rest, which is passed on as it came.

Ours are the metrics that hold sketches of columns, in whatever scope. A scope that tells of a baseline is one, and no
traffic. What is nested deeper than is asked for here stays as it was sent, known or not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from driftmeter import otlp, semconv
from driftmeter.gateway.streams._identity import Service
from driftmeter.gateway.streams._origins import Origin, Origins

_REQUEST: Final = otlp.slim(otlp.REQUEST, ("ResourceMetrics.resource", "ScopeMetrics.scope", "ScopeMetrics.metrics"))
_METRIC: Final = otlp.slim(
    "opentelemetry.proto.metrics.v1.Metric",
    ("Sum.data_points", "ExponentialHistogram.data_points", "Metric.gauge", "Metric.histogram", "Metric.summary"),
)
_DATA: Final = {
    semconv.COLUMN_VALUE.name: "exponential_histogram",
    semconv.COLUMN_CATEGORIES.name: "sum",
    semconv.COLUMN_MISSING.name: "sum",
    semconv.COLUMN_INVALID.name: "sum",
}
_NAMESPACE: Final = b"ml.column."
"""What the names of all our metrics begin with."""


@dataclass(frozen=True, slots=True)
class Block:
    """Points of one metric of ours, in wire form, all from one origin."""

    origin: Origin
    metric: str
    cumulative: bool
    points: list[bytes]


@dataclass(slots=True)
class Parted:
    """The parts of a request; ``rest`` is None if nothing is left."""

    blocks: list[Block] = field(default_factory=list)
    baselines: list[tuple[Service, bytes]] = field(default_factory=list)
    rest: bytes | None = None


def part(body: bytes, origins: Origins) -> Parted:
    """Part a request.

    Raises:
        DecodeError: The body is no OTLP request.
    """
    parted = Parted()
    request = otlp.parse(_REQUEST, body)
    taken = _NAMESPACE in body and _take_ours(request, origins, parted)
    rest = request.SerializeToString() if taken else body
    if rest:
        # Whoever reads it next would refuse what is wrong in it, and with that what was sent beside it.
        otlp.parse(ExportMetricsServiceRequest, rest)
        parted.rest = rest
    return parted


def _take_ours(request: Any, origins: Origins, parted: Parted) -> bool:
    """Take what is ours out of a request; return whether there was anything."""
    kept, taken = [], False
    for resource_metrics in request.resource_metrics:
        if _take_from_resource(resource_metrics, origins, parted):
            taken = True
            if not resource_metrics.scope_metrics and _tells_no_more(resource_metrics):
                continue
        kept.append(resource_metrics)
    if taken:
        _replace(request.resource_metrics, kept)
    return taken


def _take_from_resource(resource_metrics: Any, origins: Origins, parted: Parted) -> bool:
    kept, baseline, taken = [], [], False
    for scope_metrics in resource_metrics.scope_metrics:
        origin = origins.of(resource_metrics.resource, scope_metrics.scope)
        if origin.is_baseline:
            baseline.append(scope_metrics)
            continue
        if _take_from_scope(scope_metrics, origin, parted.blocks):
            taken = True
            if not scope_metrics.metrics and _tells_no_more(scope_metrics):
                continue
        kept.append(scope_metrics)
    if baseline:
        whole = _REQUEST(resource_metrics=[{"resource": resource_metrics.resource, "scope_metrics": baseline}])
        parted.baselines.append((origins.of(resource_metrics.resource, b"").service, whole.SerializeToString()))
    if taken or baseline:
        _replace(resource_metrics.scope_metrics, kept)
    return taken or bool(baseline)


def _take_from_scope(scope_metrics: Any, origin: Origin, blocks: list[Block]) -> bool:
    kept, taken = [], False
    for wire in scope_metrics.metrics:
        block = _block(wire, origin) if _NAMESPACE in wire else None
        if block is None:
            kept.append(wire)
        else:
            taken = True
            blocks.append(block)
    if taken:
        _replace(scope_metrics.metrics, kept)
    return taken


def _block(wire: bytes, origin: Origin) -> Block | None:
    """Return the points of a metric, if it is one of ours."""
    metric = otlp.parse(_METRIC, wire)
    kind = _DATA.get(metric.name)
    if kind is None or metric.WhichOneof("data") != kind:
        return None
    data = getattr(metric, kind)
    cumulative = data.aggregation_temporality == pb.AGGREGATION_TEMPORALITY_CUMULATIVE
    return Block(origin, metric.name, cumulative, data.data_points[:])


def _replace(repeated: Any, kept: list[Any]) -> None:
    del repeated[:]
    repeated.extend(kept)


def _tells_no_more(message: Any) -> bool:
    """Whether a message without content of ours has no field either that is not known here."""
    unknown = type(message)()
    unknown.CopyFrom(message)
    for name in message.DESCRIPTOR.fields_by_name:
        unknown.ClearField(name)
    return not unknown.SerializeToString()
