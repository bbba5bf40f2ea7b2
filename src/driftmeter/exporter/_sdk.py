"""The one file that reaches into OpenTelemetry's private parts.

The SDK has no way to add ready-made metric points to a collection (other languages have a MetricProducer). So each
reader's collect callback is wrapped: what the SDK collected comes back with a scope of ours appended. When the private
names are gone, `readers` says so and the public fallback, the exporter of the entry point ``driftmeter_otlp``
(``OTEL_METRICS_EXPORTER=driftmeter_otlp``), does the same from outside.

Source: opentelemetry-sdk 1.45, ``sdk/metrics/_internal/export/__init__.py``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import _logs
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk.environment_variables import OTEL_SDK_DISABLED
from opentelemetry.sdk.metrics import Counter, MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Metric,
    MetricsData,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from driftmeter import semconv
from driftmeter.recorder import guard

if TYPE_CHECKING:
    from driftmeter.processor import Event

_logger = logging.getLogger("driftmeter")
SCOPE: Final = InstrumentationScope(semconv.SKETCH_SCOPE_NAME, schema_url=semconv.SCHEMA_URL)

_SEVERITIES: Final = {"info": SeverityNumber.INFO, "warn": SeverityNumber.WARN, "error": SeverityNumber.ERROR}

Produce = Callable[[], Sequence[Metric]]


def disabled() -> bool:
    """Whether OpenTelemetry is switched off as a whole, and so are we."""
    return os.environ.get(OTEL_SDK_DISABLED, "").strip().lower() == "true"


def readers(provider: Any) -> list[Any]:
    """Return the readers of an SDK meter provider; none of a provider that is disabled or not the SDK's.

    Raises:
        AttributeError: The SDK's private names have changed.
    """
    if getattr(provider, "_disabled", False):
        return []
    found = getattr(provider, "_metric_readers", None)
    if found is None and isinstance(provider, MeterProvider):
        raise AttributeError("its MeterProvider does not name its readers")
    return list(found or ())


def exporter_of(reader: Any) -> Any:
    """Return the exporter that a reader pushes to, or None."""
    return getattr(reader, "_exporter", None)


def provider_resource(provider: Any) -> Resource:
    """Return the resource of an SDK provider."""
    resource: Resource = provider._sdk_config.resource  # noqa: SLF001
    return resource


def takes_explicit_buckets_only(reader: Any) -> bool:
    """Whether a reader is Prometheus' pull reader, which fails a whole scrape on an exponential histogram."""
    return any(cls.__name__ == "PrometheusMetricReader" for cls in type(reader).__mro__)


def temporality_of(reader: Any) -> AggregationTemporality:
    """Return the temporality that a reader wants of counters, and so of sketches."""
    preferred = getattr(reader, "_preferred_temporality", None) or {}
    temporality: AggregationTemporality = preferred.get(Counter, AggregationTemporality.CUMULATIVE)
    return temporality


def attach(reader: Any, produce: Produce, resource: Callable[[], Resource]) -> Callable[[], None]:
    """Let every collection of a reader hold what ``produce`` returns; return a function that undoes it.

    Raises:
        AttributeError: The SDK's private names have changed.
    """
    original = reader._collect  # noqa: SLF001
    if original is None:
        raise AttributeError("the reader has no collect callback: it is not registered with a meter provider")

    def collect(*args: Any, **kwargs: Any) -> MetricsData | None:
        collected: MetricsData | None = original(*args, **kwargs)
        with guard:
            return appended(collected, produce(), resource)
        return collected

    reader._set_collect_callback(collect)  # noqa: SLF001

    def detach() -> None:
        if reader._collect is collect:  # noqa: SLF001
            reader._set_collect_callback(original)  # noqa: SLF001

    return detach


def appended(
    collected: MetricsData | None, ours: Sequence[Metric], resource: Callable[[], Resource]
) -> MetricsData | None:
    """Return the collected metrics with ours in a scope of their own.

    They go into the ResourceMetrics that is there: the OTLP encoder drops the first of two with an equal resource.
    """
    if not ours:
        return collected
    scope = ScopeMetrics(SCOPE, list(ours), semconv.SCHEMA_URL)
    if collected is None or not collected.resource_metrics:
        return MetricsData([ResourceMetrics(resource(), [scope], "")])
    first, *others = collected.resource_metrics
    with_ours = ResourceMetrics(first.resource, [*first.scope_metrics, scope], first.schema_url)
    return MetricsData([with_ours, *others])


def emit(events: Iterable[Event]) -> None:
    """Emit verdicts that turned as OTel log events."""
    for event in events:
        _logs.get_logger(semconv.SCOPE_NAME).emit(
            LogRecord(
                timestamp=event.time,
                observed_timestamp=event.time,
                severity_number=_SEVERITIES[event.severity],
                severity_text=event.severity.upper(),
                body=event.body,
                attributes=event.attributes,
                event_name=event.name,
            )
        )
