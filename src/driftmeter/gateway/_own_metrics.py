"""What a gateway says about itself: what it received, what became of it, and what waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from opentelemetry.sdk.metrics.export import AggregationTemporality, Metric, NumberDataPoint, Sum
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource

from driftmeter import otlp, semconv
from driftmeter.gateway._outputs import metrics_request


@dataclass(slots=True)
class OwnMetrics:
    """Counts since ``start``, Unix nanoseconds, and the latest values; written by one thread.

    Attributes:
        resource: The gateway's resource attributes.
        start: When counting began.
        requests: Requests by signal and answer.
        points: Points of ours by outcome.
        sent: Requests that were sent on, by outcome.
        gauges: The latest values.
    """

    resource: Mapping[str, Any]
    start: int
    requests: Counter[tuple[str, ...]] = field(default_factory=Counter)
    points: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    gauges: dict[semconv.Metric, float] = field(default_factory=dict)

    def request(self, now: int) -> bytes:
        """Return all of it as an OTLP request."""
        counters: tuple[tuple[semconv.Metric, Mapping[tuple[str, ...], int]], ...] = (
            (semconv.GATEWAY_REQUESTS, self.requests),
            (semconv.GATEWAY_POINTS, {(outcome,): count for outcome, count in self.points.items()}),
            (semconv.GATEWAY_SENT, {(outcome,): count for outcome, count in self.sent.items()}),
        )
        metrics = [self._counter(metric, counts, now) for metric, counts in counters if counts]
        metrics += otlp.gauge_metrics({metric: [({}, value)] for metric, value in self.gauges.items()}, time=now)
        return metrics_request(self.resource, metrics, scope=semconv.SCOPE_NAME)

    def _counter(self, metric: semconv.Metric, counts: Mapping[tuple[str, ...], int], now: int) -> Metric:
        points = [
            NumberDataPoint(dict(zip(metric.attributes, values, strict=True)), self.start, now, count)
            for values, count in counts.items()
        ]
        total = Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=True)
        return Metric(metric.name, metric.says, metric.unit, total)


def own_resource() -> Mapping[str, Any]:
    """Return a gateway's resource attributes: its name and version, unless the environment says otherwise."""
    told = Resource.create().attributes
    own = {SERVICE_NAME: "driftmeter-gateway", SERVICE_VERSION: version("driftmeter")}
    unnamed = str(told.get(SERVICE_NAME, "")).startswith("unknown_service")
    return {**own, **told, **({SERVICE_NAME: own[SERVICE_NAME]} if unnamed else {})}
