"""What a gateway says about itself: what it received, what became of it, and what waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Final

from opentelemetry.sdk.metrics.export import AggregationTemporality, Metric, NumberDataPoint, Sum
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource

from driftmeter import otlp, semconv
from driftmeter.gateway._inbound import Signal
from driftmeter.gateway.core._outputs import metrics_request
from driftmeter.gateway.sender._sender import Sender
from driftmeter.gateway.servers._answers import REQUEST_OUTCOMES
from driftmeter.gateway.servers._gate import Gate

SENT_OUTCOMES: Final = ("sent", "dropped", "retries")
"""What became of requests that were to be sent, as `Counts` of the sender have it."""
NO_ROOM: Final = "no_room"
"""And of those of the gateway itself that never came so far."""


@dataclass(slots=True)
class OwnMetrics:
    """Counts since ``start``, Unix nanoseconds, and the latest values; written by one thread.

    Attributes:
        resource: The gateway's resource attributes.
        start: When counting began.
        points: Points of ours by outcome.
        left_out: Requests of the gateway itself for which there was no room, by signal.
        gauges: The latest values.
    """

    resource: Mapping[str, Any]
    start: int
    points: Counter[str] = field(default_factory=Counter)
    left_out: Counter[Signal] = field(default_factory=Counter)
    gauges: dict[semconv.Metric, float] = field(default_factory=dict)
    _gate: Gate | None = None
    _sender: Sender | None = None

    def follow(self, gate: Gate, sender: Sender) -> None:
        """Tell of these, too."""
        self._gate, self._sender = gate, sender

    def request(self, now: int) -> bytes:
        """Return all of it as an OTLP request."""
        counters: tuple[tuple[semconv.Metric, Mapping[tuple[str, ...], int]], ...] = (
            (semconv.GATEWAY_REQUESTS, self._requests()),
            (semconv.GATEWAY_POINTS, {(outcome,): count for outcome, count in self.points.items()}),
            (semconv.GATEWAY_SENT, self._sent()),
        )
        metrics = [self._counter(metric, counts, now) for metric, counts in counters if counts]
        metrics += otlp.gauge_metrics({metric: [({}, value)] for metric, value in self.gauges.items()}, time=now)
        return metrics_request(self.resource, metrics, scope=semconv.SCOPE_NAME)

    def _requests(self) -> dict[tuple[str, ...], int]:
        # A copy, since the event loop goes on counting.
        outcomes = {} if self._gate is None else dict(self._gate.outcomes)
        return {(signal, REQUEST_OUTCOMES[outcome]): count for (signal, outcome), count in outcomes.items()}

    def _sent(self) -> dict[tuple[str, ...], int]:
        counts = {} if self._sender is None else self._sender.counts
        sent: dict[tuple[str, ...], int] = {
            (signal, outcome): getattr(of_signal, outcome)
            for signal, of_signal in counts.items()
            for outcome in SENT_OUTCOMES
        }
        return sent | {(signal, NO_ROOM): count for signal, count in self.left_out.items()}

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
