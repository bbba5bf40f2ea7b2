"""Real OTLP messages, as driftmeter sends them, for the demo's parts that read them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from driftmeter.demo._windows import ColumnSignal, Event, QualitySignal, Signals, Stretch, Window

MODEL = {"ml.model.name": "flight-delay", "ml.model.version": "1"}


def _attributes(target, values) -> None:
    for key, value in values.items():
        field = "int_value" if isinstance(value, int) else "string_value"
        setattr(target.add(key=key).value, field, value)


def metrics_message(points) -> ExportMetricsServiceRequest:
    """Points are (metric name, attributes beside the model's, value)."""
    message = ExportMetricsServiceRequest()
    scope = message.resource_metrics.add().scope_metrics.add()
    for name, attributes, value in points:
        point = scope.metrics.add(name=name).gauge.data_points.add()
        setattr(point, "as_int" if isinstance(value, int) else "as_double", value)
        _attributes(point.attributes, {**MODEL, **attributes})
    return message


def spans_message(durations, *, model: str = "flight-delay") -> ExportTraceServiceRequest:
    """Durations are (end in Unix seconds, seconds)."""
    message = ExportTraceServiceRequest()
    spans = message.resource_spans.add().scope_spans.add().spans
    for end, seconds in durations:
        end_nano = int(end * 1e9)
        span = spans.add(name="predict flight-delay", end_time_unix_nano=end_nano)
        span.start_time_unix_nano = end_nano - int(seconds * 1e9)
        _attributes(span.attributes, {**MODEL, "ml.model.name": model, "ml.batch.size": 200})
    return message


def events_message(events) -> ExportLogsServiceRequest:
    """Events are (name, attributes beside the model's, body, Unix seconds)."""
    message = ExportLogsServiceRequest()
    records = message.resource_logs.add().scope_logs.add().log_records
    for name, attributes, body, time in events:
        record = records.add(event_name=name, time_unix_nano=int(time * 1e9))
        record.body.string_value = body
        _attributes(record.attributes, {**MODEL, **attributes})
    return message


@pytest.fixture
def otlp() -> SimpleNamespace:
    return SimpleNamespace(metrics=metrics_message, spans=spans_message, events=events_message)


@pytest.fixture
def window() -> Callable[..., Window]:
    """Make a window of a week: ``window(1, temp=0.5)`` is the second, in which temp moved by 0.5."""

    def make(number: int, *, violated: tuple[str, ...] = (), events: tuple[Event, ...] = (), **distances) -> Window:
        first = dt.date(2013, 3, 1) + dt.timedelta(days=7 * number)
        end = 1000.0 + number
        columns = tuple(
            ColumnSignal(name, "feature", "psi", distance, 1e-20 if distance > 0.1 else 0.4, distance > 0.1)
            for name, distance in distances.items()
        )
        share = sum(column.detected for column in columns) / len(columns) if columns else None
        quality = tuple(QualitySignal(column, "missing", 0.38, violated=True) for column in violated)
        quality += (QualitySignal("hour", "missing", 0.0, violated=False),)
        return Window(
            Stretch(end - 1, end, first, first + dt.timedelta(days=6), 6500),
            Signals("flight-delay", "1", end, 6500, share, columns, quality),
            0.0081,
            0.0142,
            events,
        )

    return make


@pytest.fixture
def receiver() -> Iterator[SimpleNamespace]:
    """A started receiver and what was delivered to it."""
    from driftmeter.demo._receiver import Receiver

    delivered: list = []
    started = Receiver(delivered.append)
    started.start()
    yield SimpleNamespace(endpoint=started.endpoint, delivered=delivered)
    started.stop()
