"""Read driftmeter's signals out of OTLP protobuf messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from driftmeter import semconv
from driftmeter.demo._windows import ColumnSignal, Event, QualitySignal, Signals

METHODS: Final = ("psi", "jensen_shannon", "hellinger", "total_variation", "kolmogorov_smirnov", "wasserstein")
"""Which distance is shown when a column has several: the first of these that is there, else the first by name."""

NANOS: Final = 1_000_000_000

Attributes = dict[str, Any]


@dataclass(slots=True)
class _Draft:
    """The points of one model in one request, sorted by what they say."""

    end: float | None = None
    rows: int = 0
    share: float | None = None
    distance: dict[tuple[str, str], dict[str, float]] = field(default_factory=dict)
    p_value: dict[tuple[str, str], float] = field(default_factory=dict)
    detected: dict[tuple[str, str], bool] = field(default_factory=dict)
    ratio: dict[tuple[str, str], float] = field(default_factory=dict)
    violated: dict[tuple[str, str], bool] = field(default_factory=dict)

    def add(self, name: str, attributes: Attributes, value: float) -> None:
        column = attributes.get(semconv.ML_COLUMN_NAME, "")
        place = (column, attributes.get(semconv.ML_COLUMN_ROLE, ""))
        check = (column, attributes.get(semconv.ML_QUALITY_CHECK, ""))
        if name == semconv.WINDOW_END.name:
            self.end = value
        elif name == semconv.WINDOW_ROWS.name:
            self.rows = int(value)
        elif name == semconv.SKEW_SHARE.name:
            self.share = value
        elif name == semconv.SKEW_DISTANCE.name:
            self.distance.setdefault(place, {})[attributes.get(semconv.ML_DISTANCE_METHOD, "")] = value
        elif name == semconv.SKEW_P_VALUE.name:
            self.p_value[place] = value
        elif name == semconv.SKEW_DETECTED.name:
            self.detected[place] = value > 0
        elif name == semconv.QUALITY_RATIO.name:
            self.ratio[check] = value
        elif name == semconv.QUALITY_VIOLATED.name:
            self.violated[check] = value > 0

    def columns(self) -> Iterator[ColumnSignal]:
        for (name, role), detected in self.detected.items():
            distances = self.distance.get((name, role))
            if distances:
                method = next((known for known in METHODS if known in distances), min(distances))
                p_value = self.p_value.get((name, role))
                yield ColumnSignal(name, role, method, distances[method], p_value, detected)

    def quality(self) -> Iterator[QualitySignal]:
        for (column, check), violated in self.violated.items():
            yield QualitySignal(column, check, self.ratio.get((column, check)), violated)


def decode_metrics(request: ExportMetricsServiceRequest) -> list[Signals]:
    """Return the signals of each model whose window a collection speaks of."""
    drafts: dict[tuple[str, str], _Draft] = {}
    for name, attributes, value in _gauge_points(request):
        model = (attributes.get(semconv.ML_MODEL_NAME, ""), attributes.get(semconv.ML_MODEL_VERSION, ""))
        drafts.setdefault(model, _Draft()).add(name, attributes, value)
    return [
        Signals(*model, draft.end, draft.rows, draft.share, tuple(draft.columns()), tuple(draft.quality()))
        for model, draft in drafts.items()
        if draft.end is not None
    ]


def _gauge_points(request: ExportMetricsServiceRequest) -> Iterator[tuple[str, Attributes, float]]:
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                if metric.name.startswith("ml.") and metric.HasField("gauge"):
                    for point in metric.gauge.data_points:
                        kind = point.WhichOneof("value")
                        if kind is not None:
                            yield metric.name, read_attributes(point.attributes), float(getattr(point, kind))


def decode_durations(request: ExportTraceServiceRequest, *, model: str) -> list[tuple[float, float]]:
    """Return when each call of a model ended (Unix seconds) and how long it took (seconds)."""
    return [
        (span.end_time_unix_nano / NANOS, (span.end_time_unix_nano - span.start_time_unix_nano) / NANOS)
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
        if read_attributes(span.attributes).get(semconv.ML_MODEL_NAME) == model
    ]


_EVENT_NAMES: Final = frozenset(event.name for event in semconv.EVENTS)


def decode_events(request: ExportLogsServiceRequest, *, model: str) -> list[Event]:
    """Return a model's verdicts that turned."""
    events = []
    for resource in request.resource_logs:
        for scope in resource.scope_logs:
            for record in scope.log_records:
                attributes = read_attributes(record.attributes)
                # SDKs before OTLP 1.5 had no event_name field and used the attribute.
                name = record.event_name or str(attributes.get("event.name", ""))
                if name in _EVENT_NAMES and attributes.get(semconv.ML_MODEL_NAME) == model:
                    events.append(
                        Event(
                            name,
                            str(attributes.get(semconv.ML_COLUMN_NAME, "")),
                            str(attributes.get(semconv.ML_QUALITY_CHECK, "")),
                            record.body.string_value,
                            (record.time_unix_nano or record.observed_time_unix_nano) / NANOS,
                        )
                    )
    return events


def read_attributes(pairs: Iterable[Any]) -> Attributes:
    """Return OTLP key-value pairs as a dict; only values of the four plain types are kept."""
    plain = {"string_value", "int_value", "double_value", "bool_value"}
    read = {}
    for pair in pairs:
        kind = pair.value.WhichOneof("value")
        if kind in plain:
            read[pair.key] = getattr(pair.value, kind)
    return read
