"""What calls are told to: the span's tracer, the duration and the rows, of the providers in force."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from opentelemetry import metrics, trace

from driftmeter import semconv


@dataclass(frozen=True, slots=True)
class Instruments:
    """What a call is told to."""

    tracer: trace.Tracer
    duration: metrics.Histogram
    rows: metrics.Counter


def _made(tracer_provider: Any, meter_provider: Any) -> Instruments:
    meter = metrics.get_meter(semconv.SCOPE_NAME, meter_provider=meter_provider, schema_url=semconv.SCHEMA_URL)
    duration, rows = semconv.PREDICTION_DURATION, semconv.PREDICTION_ROWS
    return Instruments(
        trace.get_tracer(semconv.SCOPE_NAME, tracer_provider=tracer_provider, schema_url=semconv.SCHEMA_URL),
        meter.create_histogram(
            duration.name,
            unit=duration.unit,
            description=duration.says,
            explicit_bucket_boundaries_advisory=semconv.DURATION_BUCKETS,
        ),
        meter.create_counter(rows.name, unit=rows.unit, description=rows.says),
    )


_in_force = _made(None, None)


def use_providers(*, tracer_provider: Any = None, meter_provider: Any = None) -> None:
    """Tell all calls from now on to these providers; by default to the global ones, whenever they are set."""
    global _in_force  # noqa: PLW0603  # instrumented classes are global too
    _in_force = _made(tracer_provider, meter_provider)


def instruments() -> Instruments:
    """Return the instruments in force."""
    return _in_force
