"""What the calls of one model and operation add up to: rows, and durations that are recorded several at a time.

A model leaves the caches cold, so that one `Histogram.record` costs its call some 18 µs; several in a row cost 9 to 11
each. A `Counter.add` costs as much as the first one, and an addition next to nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry import context, metrics

_AT_ONCE: Final = 8
"""Durations that are recorded together: more would cost the call that does it more, and all calls hardly less."""
_BUSY: Final = 1.0
"""Seconds after a call within which another one makes it worth while to wait for more."""


class CallTotals:
    """Rows since the last collection, and durations that wait; any number of threads may add.

    Exemplars keep the span that each call had. Their time is that of the recording: some calls later where many come,
    and no later than the next collection.
    """

    __slots__ = ("_durations", "_histogram", "_last", "_lock", "_rows", "attributes")

    def __init__(self, attributes: Mapping[str, Any], histogram: metrics.Histogram) -> None:
        self.attributes = dict(attributes)
        self._histogram = histogram
        self.reset()

    def reset(self) -> None:
        """Forget all of it; a forked child starts like this."""
        self._lock = threading.Lock()
        self._rows = 0
        self._durations: list[tuple[float, context.Context]] = []
        self._last = 0.0

    def add_rows(self, rows: int) -> None:
        """Count rows."""
        with self._lock:
            self._rows += rows

    def add_call(self, duration: float, rows: int, *, within: context.Context) -> None:
        """Add a call.

        Args:
            duration: Seconds.
            rows: The rows that it predicted.
            within: The context in which its span is the current one.
        """
        now = time.monotonic()
        with self._lock:
            self._rows += rows
            durations = self._durations
            durations.append((duration, within))
            is_busy = now - self._last < _BUSY
            self._last = now
            if is_busy and len(durations) < _AT_ONCE:
                return
            self._durations = []
        self._record(durations)

    def take_rows(self) -> int:
        """Record the durations that wait, and return the rows since the last time."""
        with self._lock:
            rows, self._rows = self._rows, 0
            durations, self._durations = self._durations, []
        self._record(durations)
        return rows

    def _record(self, durations: list[tuple[float, context.Context]]) -> None:
        for duration, within in durations:
            self._histogram.record(duration, self.attributes, within)
