"""The year's flights over HTTP, speeded up: each window of wall-clock time holds flights of one week only."""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from statistics import median
from threading import Event, Lock, Thread
from typing import Any, Final

import httpx
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

from driftmeter.demo._batches import BATCH_ROWS, Batch, batches, encode
from driftmeter.demo._flights import Flights
from driftmeter.demo._windows import Stretch

MAX_WINDOW_SECONDS: Final = 5

SIGNALS_SECONDS: Final = 6.0
"""How long after a window's end the next week waits for the window's signals."""

_AFTER_BOUNDARY: Final = 0.005
"""Seconds past a boundary at which sending starts, so that clocks read in two processes agree on the window."""

_OVERHEAD: Final = 2.0
"""A served call also passes HTTP, validation and driftmeter, and shares the machine with this process."""

_SIGNALS_LATER: Final = 0.3
"""Seconds of a window that pass until the signals of the one before have come."""


def window_seconds(model: Any, weeks: Sequence[Flights]) -> int:
    """Choose windows that are long enough for the largest week on this machine, by timing a few predictions.

    A week that takes longer all the same is sent in several windows (see `Traffic`), so that a wrong guess costs time
    and never mixes two weeks.
    """
    sample = weeks[0].features.iloc[:BATCH_ROWS]
    body = encode(sample)
    seconds = []
    with threadpool_limits(1):  # as in the server
        for _ in range(6):
            started = time.perf_counter()
            model.predict(pd.DataFrame(json.loads(body), columns=list(sample.columns)))
            seconds.append(time.perf_counter() - started)
    requests = math.ceil(max(len(week) for week in weeks) / BATCH_ROWS)
    week_seconds = _SIGNALS_LATER + requests * median(seconds) * _OVERHEAD
    return min(MAX_WINDOW_SECONDS, max(1, math.ceil(week_seconds)))


class Traffic(Thread):
    """Send weeks of flights, each within windows of its own.

        wall clock   |<---- window ---->|<---- window ---->|<---- window ---->|
        requests        mmmmmmmmm          nnnnnnnnnnnnnnn    nnn
        flights         week m             week n             the rest of week n, on a busy machine

    A window is begun when the signals of the one before have come: signals are gauges, and those of a next window
    would replace them. Near its end, the rest of the week waits for the next window; so does the next week. Windows
    are aligned to the Unix epoch, as driftmeter aligns them.

    Args:
        weeks: The flights.
        url: The server's address.
        window: The windows' length in seconds.
        seconds: For how long to send; without end by default.
        arrived: Says whether a window's signals have come.
    """

    def __init__(
        self,
        weeks: Sequence[Flights],
        *,
        url: str,
        window: int,
        seconds: float | None = None,
        arrived: Callable[[Stretch], bool] = lambda _: True,
    ) -> None:
        super().__init__(name="demo-traffic", daemon=True)
        self._weeks = weeks
        self._url = url
        self._window = window
        self._seconds = seconds
        self._arrived = arrived
        self._lock = Lock()
        self._stretches: dict[int, Stretch] = {}
        self._used = 0
        self._halt = Event()
        self._recent: deque[float] = deque(maxlen=16)
        self.error: Exception | None = None
        self.rows = 0

    def stretches(self) -> list[Stretch]:
        """Return what was sent within each window so far, oldest first; the last may still grow."""
        with self._lock:
            return [self._stretches[end] for end in sorted(self._stretches)]

    def halt(self) -> None:
        """Send nothing more after the request in progress, and wait for its end."""
        self._halt.set()
        if self.is_alive():
            self.join(timeout=10)

    def run(self) -> None:
        """Send everything, or until halted, out of time, or refused."""
        try:
            # Loopback must not go through a proxy that the environment names.
            headers = {"Content-Type": "application/json"}
            with httpx.Client(base_url=self._url, headers=headers, timeout=60, trust_env=False) as client:
                self._warm_up(client)
                self._send_weeks(client)
        except Exception as error:  # noqa: BLE001 - a thread's error is told by the main thread
            self.error = error

    def _warm_up(self, client: httpx.Client) -> None:
        """Make the server load what it loads on first use, in a window that no week has.

        The flight is one without gaps, so that there is nothing to say of that window's quality.
        """
        flight = self._weeks[0].features.dropna().iloc[:1]
        client.post("/predict", content=encode(flight)).raise_for_status()
        self._used = self._end_of(time.time())

    def _send_weeks(self, client: httpx.Client) -> None:
        deadline = math.inf if self._seconds is None else time.time() + self._seconds
        for week in self._weeks:
            waiting = deque(batches(week))
            while waiting:
                self._await_signals()
                end = self._begin_window(len(waiting))
                while waiting and not self._is_over(deadline) and time.time() + self._margin() < end:
                    self._send(client, waiting.popleft())
                if self._is_over(deadline):
                    return

    def _is_over(self, deadline: float) -> bool:
        return self._halt.is_set() or time.time() >= deadline

    def _await_signals(self) -> None:
        last = next(reversed(self.stretches()), None)
        if last is None:
            return
        # Without a row that certainly fell into it, there may be no such window.
        patience = SIGNALS_SECONDS if last.rows else self._window + 1.0
        while not self._halt.is_set() and not self._arrived(last) and time.time() < last.end + patience:
            self._halt.wait(0.02)

    def _begin_window(self, requests: int) -> int:
        """Wait for a window that holds no flights yet and has room for requests, and return its end.

        It need not have room for all of them: a week in two windows is better than a window without flights, as a
        verdict that is not certain at once asks for two windows in a row.
        """
        need = min(requests * self._usual() + self._margin(), 0.4 * self._window)
        while not self._halt.is_set():
            now = time.time()
            end = self._end_of(now)
            if end > self._used and end - now >= need:
                return end
            self._halt.wait(max(0.0, end + _AFTER_BOUNDARY - time.time()))
        return 0

    def _usual(self) -> float:
        """How long a request takes."""
        return median(self._recent) if self._recent else 0.0

    def _margin(self) -> float:
        """How long before a window's end no request starts any more: longer than most take.

        One that takes longer still is answered in the next window. That window then belongs to this week, too.
        """
        return min(0.5 * self._window, 0.02 + 1.5 * self._usual())

    def _send(self, client: httpx.Client, batch: Batch) -> None:
        started = time.time()
        client.post("/predict", content=batch.body).raise_for_status()
        ended = time.time()
        self._recent.append(ended - started)
        self.rows += batch.rows
        began, finished = self._end_of(started), self._end_of(ended)
        self._note(began, batch, rows=batch.rows if began == finished else 0)
        if began != finished:
            # The window ended between request and answer: either of the two may have got the rows.
            self._note(finished, batch, rows=0)
        self._used = finished

    def _end_of(self, moment: float) -> int:
        return (math.floor(moment) // self._window + 1) * self._window

    def _note(self, end: int, batch: Batch, *, rows: int) -> None:
        with self._lock:
            before = self._stretches.get(end)
            first = before.first if before else batch.first
            rows += before.rows if before else 0
            self._stretches[end] = Stretch(float(end - self._window), float(end), first, batch.last, rows)
