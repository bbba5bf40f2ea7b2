"""Where everything that arrives is kept until it is shown."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from threading import Lock
from typing import Final

import numpy as np
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from driftmeter.demo._decode import decode_durations, decode_events, decode_metrics
from driftmeter.demo._windows import Event, Signals, Stretch, Window

SETTLE_SECONDS: Final = 1.0
"""How long after its end a window waits for its last spans and events, which are sent in batches of their own."""

_CLOCK: Final = 0.001
"""Seconds by which a time may be off after its way through nanoseconds and floats."""

MAX_SPANS: Final = 100_000
MAX_EVENTS: Final = 10_000

Message = ExportMetricsServiceRequest | ExportTraceServiceRequest | ExportLogsServiceRequest


class Inbox:
    """Signals, latencies and events of one model, from several receiving threads. Bounded in spans and events."""

    def __init__(self, *, model: str) -> None:
        self._model = model
        self._lock = Lock()
        self._signals: dict[int, Signals] = {}
        self._durations: list[tuple[float, float]] = []
        self._events: list[Event] = []
        self.requests = 0

    def put(self, message: Message) -> None:
        """Keep what a request says of the model; a window that comes again replaces itself."""
        with self._lock:
            self.requests += 1
            if isinstance(message, ExportMetricsServiceRequest):
                for signals in decode_metrics(message):
                    if signals.model == self._model:
                        self._signals[round(signals.end)] = signals
            elif isinstance(message, ExportTraceServiceRequest):
                for duration in decode_durations(message, model=self._model):
                    insort(self._durations, duration)
                del self._durations[:-MAX_SPANS]
            else:
                self._events.extend(decode_events(message, model=self._model))
                del self._events[:-MAX_EVENTS]

    def window(self, stretch: Stretch, *, now: float) -> Window | None:
        """Return the window of a stretch of flights, or None while it is not complete."""
        with self._lock:
            signals = self._signals.get(round(stretch.end))
            if signals is None or now < stretch.end + SETTLE_SECONDS:
                return None
            p50, p99 = self._latency(stretch)
            return Window(stretch, signals, p50, p99, self._turned(stretch))

    def has(self, stretch: Stretch) -> bool:
        """Return whether signals of this window have arrived."""
        with self._lock:
            return round(stretch.end) in self._signals

    def has_later(self, stretch: Stretch) -> bool:
        """Return whether signals of a later window have arrived."""
        with self._lock:
            return any(end > stretch.end + 0.5 for end in self._signals)

    def events(self) -> list[Event]:
        """Return the events so far, oldest first."""
        with self._lock:
            return sorted(self._events, key=lambda event: event.time)

    def _turned(self, stretch: Stretch) -> tuple[Event, ...]:
        """Events between this window's end and the next one's: windows are evaluated once they are over."""
        low, high = stretch.end - _CLOCK, stretch.end + stretch.seconds - _CLOCK
        return tuple(event for event in self._events if low <= event.time < high)

    def _latency(self, stretch: Stretch) -> tuple[float | None, float | None]:
        low = bisect_left(self._durations, (stretch.start, 0.0))
        high = bisect_right(self._durations, (stretch.end, float("inf")))
        if low == high:
            return None, None
        p50, p99 = np.quantile([seconds for _, seconds in self._durations[low:high]], (0.5, 0.99))
        return float(p50), float(p99)
