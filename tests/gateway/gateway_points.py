"""Requests made by hand, point by point."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from driftmeter.gateway.streams._decode import Decoder
from driftmeter.gateway.streams._ledger import Ledger
from driftmeter.gateway.streams._limits import Limits
from driftmeter.schema import Column, Model
from driftmeter.sketches import Sketch

STEP, WINDOW = 10, 100
NOW = 10_000
DELTA, CUMULATIVE = 1, 2


def ledger(**limits: int) -> Ledger:
    """Return a ledger with small steps and windows."""
    return Ledger(window=WINDOW, step=STEP, limits=Limits(**limits))


def add_points(
    request: ExportMetricsServiceRequest,
    *points: dict[str, Any],
    temporality: int = DELTA,
    resource: dict[str, str] | None = None,
) -> ExportMetricsServiceRequest:
    """Add points of one resource to a request; see `point`."""
    made = request.resource_metrics.add()
    for key, value in (resource or {}).items():
        made.resource.attributes.add(key=key).value.string_value = value
    scope = made.scope_metrics.add()
    for given in points:
        _add(scope.metrics.add(), temporality=temporality, **given)
    return request


def _add(
    metric: Any,
    *,
    temporality: int,
    interval: tuple[int, int] = (1000, 1010),
    name: str = "ml.column.missing",
    model: str | None = "m",
    column: str | None = "x",
    counts: list[int] | None = None,
    value: int = 1,
    scale: int = 3,
    offset: int = 0,
    total: float = 0.0,
    **attributes: str,
) -> None:
    metric.name = name
    start, time = interval
    if name == "ml.column.value":
        data = metric.exponential_histogram
        counts = counts or [1]
        point = data.data_points.add(count=sum(counts), scale=scale, sum=total)
        point.positive.offset = offset
        point.positive.bucket_counts.extend(counts)
    else:
        data = metric.sum
        point = data.data_points.add(as_int=value)
    data.aggregation_temporality = temporality
    point.start_time_unix_nano, point.time_unix_nano = start, time
    named = {"ml.model.name": model, "ml.column.name": column}
    for key, text in {**named, **{key.replace("__", "."): text for key, text in attributes.items()}}.items():
        if text is not None:
            point.attributes.add(key=key).value.string_value = text


def body(*points: dict[str, Any], temporality: int = DELTA, resource: dict[str, str] | None = None) -> bytes:
    """Return a request of one resource."""
    return add_points(
        ExportMetricsServiceRequest(), *points, temporality=temporality, resource=resource
    ).SerializeToString()


def outcomes(counting: Ledger, request: bytes, *, now: int = NOW) -> dict[str, int]:
    """Count a request; return what became of its points."""
    told = counting.apply(Decoder(counting._limits).decode(request), now=now)
    return {**told.passed, **told.refused}


def taken(counting: Ledger) -> dict[tuple[Model, int], dict[Column, Sketch]]:
    """Return what was counted, by model and step."""
    return {
        (snapshot.model, snapshot.start): dict(snapshot.columns)
        for snapshots in counting.take().values()
        for snapshot in snapshots
    }


def missing(counting: Ledger) -> dict[int, int]:
    """Return how many nulls of the column x of the model m were counted, by step."""
    return {start: columns[Column("x")].missing for (_, start), columns in taken(counting).items()}
