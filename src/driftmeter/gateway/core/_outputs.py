"""What a gateway says itself, as OTLP: signals, merged sketches, events, each under its service's resource."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber
from opentelemetry.sdk.metrics.export import Metric

from driftmeter import otlp, semconv
from driftmeter.gateway._inbound import Signal
from driftmeter.processor import Event, Signals

MAX_POINTS: Final = 5000
"""Of one request: receivers take 4 MiB by default, and a signal's point is some 200 bytes."""
MAX_SKETCHES: Final = 1000
_SEVERITIES: Final = {
    "info": SeverityNumber.SEVERITY_NUMBER_INFO,
    "warn": SeverityNumber.SEVERITY_NUMBER_WARN,
    "error": SeverityNumber.SEVERITY_NUMBER_ERROR,
}

ResourceAttributes = Mapping[str, Any]


class Output(NamedTuple):
    """A request to send. What ``lasts`` is told once; of the rest the next one says as much."""

    signal: Signal
    body: bytes
    lasts: bool


def signal_requests(resource: ResourceAttributes, signals: Signals, *, time: int) -> Iterator[bytes]:
    """Return the signals of one service."""
    metrics = otlp.gauge_metrics(signals, time=time)
    for some in _in_pieces(metrics, MAX_POINTS):
        yield metrics_request(resource, some, scope=semconv.SCOPE_NAME)


def sketch_requests(resource: ResourceAttributes, points: otlp.Points, *, cumulative: bool) -> Iterator[bytes]:
    """Return the merged sketches of one of a service's models."""
    metrics = otlp.points_metrics([points], temporality=otlp.CUMULATIVE if cumulative else otlp.DELTA)
    for some in _in_pieces(metrics, MAX_SKETCHES):
        yield metrics_request(resource, some, scope=semconv.SKETCH_SCOPE_NAME)


def metrics_request(resource: ResourceAttributes, metrics: Sequence[Metric], *, scope: str) -> bytes:
    """Return metrics as a request."""
    return otlp.encode_request(metrics, resource=resource, scope=scope, schema_url=semconv.SCHEMA_URL)


def event_request(resource: ResourceAttributes, events: Iterable[Event], *, observed: int) -> bytes:
    """Return the events of one service."""
    request = ExportLogsServiceRequest()
    of_resource = request.resource_logs.add()
    of_resource.resource.attributes.extend(otlp.key_values(resource))
    scope_logs = of_resource.scope_logs.add(schema_url=semconv.SCHEMA_URL)
    scope_logs.scope.name = semconv.SCOPE_NAME
    scope_logs.log_records.extend(
        LogRecord(
            time_unix_nano=event.time,
            observed_time_unix_nano=observed,
            severity_number=_SEVERITIES[event.severity],
            severity_text=event.severity.upper(),
            body=AnyValue(string_value=event.body),
            attributes=otlp.key_values(event.attributes),
            event_name=event.name,
        )
        for event in events
    )
    return request.SerializeToString()


def _in_pieces(metrics: Iterable[Metric], points: int) -> Iterator[list[Metric]]:
    """Part metrics so that no piece has more points."""
    piece: list[Metric] = []
    room = points
    for metric in metrics:
        left = list(metric.data.data_points)
        while left:
            taken, left = left[:room], left[room:]
            data = type(metric.data)(**{**vars(metric.data), "data_points": taken})
            piece.append(Metric(metric.name, metric.description, metric.unit, data))
            room -= len(taken)
            if not room:
                yield piece
                piece, room = [], points
    if piece:
        yield piece
