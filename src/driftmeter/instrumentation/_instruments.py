"""What calls are told to: tracer and instruments of the providers in force."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opentelemetry import metrics, trace

from driftmeter import semconv
from driftmeter.instrumentation._call_totals import CallTotals
from driftmeter.recorder import guard


class Instruments:
    """Tracer and instruments of one pair of providers."""

    def __init__(self, tracer_provider: Any, meter_provider: Any) -> None:
        self.tracer = trace.get_tracer(
            semconv.SCOPE_NAME, tracer_provider=tracer_provider, schema_url=semconv.SCHEMA_URL
        )
        meter = metrics.get_meter(semconv.SCOPE_NAME, meter_provider=meter_provider, schema_url=semconv.SCHEMA_URL)
        self.duration = _histogram(meter, semconv.PREDICTION_DURATION, semconv.DURATION_BUCKETS)
        self.training_duration = _histogram(meter, semconv.TRAINING_DURATION, semconv.TRAINING_BUCKETS)
        self.unreadable = _counter(meter, semconv.SELF_UNREADABLE)
        self._rows = _counter(meter, semconv.PREDICTION_ROWS)
        self._calls: dict[frozenset[tuple[str, Any]], CallTotals] = {}
        # What the SDK calls before each collection. It observes nothing, so nothing is sent under its name.
        meter.create_observable_gauge("driftmeter.collection", callbacks=[_before_collection])

    def calls(self, attributes: Mapping[str, Any]) -> CallTotals:
        """Return where the calls with these attributes are added up."""
        return self._calls.setdefault(frozenset(attributes.items()), CallTotals(attributes, self.duration))

    def tell(self) -> None:
        """Tell the SDK of the calls since the last collection."""
        for calls in list(self._calls.values()):
            rows = calls.take_rows()
            if rows:
                self._rows.add(rows, calls.attributes)

    def reset(self) -> None:
        """Forget the calls since the last collection."""
        for calls in self._calls.values():
            calls.reset()


def _before_collection(options: metrics.CallbackOptions) -> Iterable[metrics.Observation]:  # noqa: ARG001
    with guard:
        _in_force.tell()
    return ()


def _histogram(meter: metrics.Meter, metric: semconv.Metric, bounds: Sequence[float]) -> metrics.Histogram:
    return meter.create_histogram(
        metric.name, unit=metric.unit, description=metric.says, explicit_bucket_boundaries_advisory=bounds
    )


def _counter(meter: metrics.Meter, metric: semconv.Metric) -> metrics.Counter:
    return meter.create_counter(metric.name, unit=metric.unit, description=metric.says)


_in_force = Instruments(None, None)


def use_providers(*, tracer_provider: Any = None, meter_provider: Any = None) -> None:
    """Tell all calls from now on to these providers; by default to the global ones, whenever they are set."""
    global _in_force  # instrumented classes are global too
    before, _in_force = _in_force, Instruments(tracer_provider, meter_provider)
    before.tell()


def instruments() -> Instruments:
    """Return the instruments in force."""
    return _in_force


def _after_fork_in_child() -> None:
    # The parent sends what it counted.
    _in_force.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
