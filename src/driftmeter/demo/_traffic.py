"""The year's flights over HTTP, speeded up: each window of wall-clock time holds flights of one week only."""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median
from threading import Event, Lock, Thread
from typing import Any, Final

import httpx
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

from ._flights import Flights
from ._windows import Stretch

BATCH_ROWS: Final = 200
"""Flights in one request."""

MAX_WINDOW_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class Batch:
    """One request's body, the days of its week, and the flights in it."""

    body: bytes
    first: date
    last: date
    rows: int


def batches(week: Flights, *, rows: int = BATCH_ROWS) -> Iterator[Batch]:
    """Cut a week into requests, each with flights from all of it.

    Of n requests, the first gets the flights 0, n, 2n, ... and the next 1, n + 1, ...: where the machine is too busy
    to send the week within one window, each of its windows still holds a fair sample of it, not a Monday morning.
    """
    first, last = week.scheduled.iloc[0].date(), week.scheduled.iloc[-1].date()
    count = math.ceil(len(week) / rows)
    for start in range(count):
        flights = week.features.iloc[start::count]
        yield Batch(encode(flights), first, last, len(flights))


def encode(features: pd.DataFrame) -> bytes:
    """Return a frame as a JSON list of records; a missing value is null.

    pandas' own `to_json` rounds to 15 digits, and the model would be served other numbers than it was trained on.
    """
    records = features.astype(object).where(features.notna(), None).to_dict(orient="records")
    return json.dumps(records).encode()


def limit_rows(weeks: Sequence[Flights], *, rows: int | None) -> list[Flights]:
    """Return the weeks up to a number of flights in all; the last one may be cut short."""
    if rows is None:
        return list(weeks)
    kept: list[Flights] = []
    for week in weeks:
        if rows <= 0:
            break
        kept.append(week.head(rows))
        rows -= len(kept[-1])
    return kept


def window_seconds(model: Any, weeks: Sequence[Flights]) -> int:
    """Choose windows that are long enough for the largest week on this machine, by timing a few predictions.

    The served call also passes HTTP, validation and driftmeter, and shares the machine with this process: hence the
    factor. A week that takes longer all the same is sent in several windows (see `Traffic`), so that a wrong guess
    costs time and never mixes two weeks.
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
    return min(MAX_WINDOW_SECONDS, max(1, math.ceil(requests * sorted(seconds)[len(seconds) // 2] * _OVERHEAD)))


_OVERHEAD: Final = 2.0


class Traffic(Thread):
    """Send weeks of flights, each within windows of its own.

        wall clock   |<---- window ---->|<---- window ---->|<---- window ---->|
        requests      mmmmmmmmmmmm       nnnnnnnnnnnnnnnn   nnn
        flights       week m             week n             the rest of week n, on a busy machine

    A week starts at a window's boundary. Near the window's end, the rest of it waits for the next boundary; so does
    the next week. Windows are aligned to the Unix epoch, as driftmeter aligns them.
    """

    def __init__(self, weeks: Sequence[Flights], *, url: str, window: int, seconds: float | None = None) -> None:
        super().__init__(name="demo-traffic", daemon=True)
        self._weeks = weeks
        self._url = url
        self._window = window
        self._seconds = seconds
        self._lock = Lock()
        self._stretches: dict[int, Stretch] = {}
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
                # The first call loads what is loaded on first use. It falls into a window that no week has.
                client.post("/predict", content=encode(self._weeks[0].features.iloc[:1])).raise_for_status()
                self._send_weeks(client)
        except Exception as error:  # noqa: BLE001 - a thread's error is told by the main thread
            self.error = error

    def _send_weeks(self, client: httpx.Client) -> None:
        deadline = None if self._seconds is None else time.time() + self._seconds
        for week in self._weeks:
            waiting = deque(batches(week))
            while waiting:
                end = self._next_boundary() + self._window
                self._wait_until(end - self._window)
                while waiting and not self._is_over(deadline) and (time.time() + self._margin() < end):
                    self._send(client, waiting.popleft())
                if self._is_over(deadline):
                    return

    def _is_over(self, deadline: float | None) -> bool:
        return self._halt.is_set() or (deadline is not None and time.time() >= deadline)

    def _margin(self) -> float:
        """How long before a window's end no request starts any more: longer than most take.

        One that takes longer still is answered in the next window. That window then belongs to this week, too.
        """
        return min(0.5 * self._window, 0.02 + 1.5 * median(self._recent)) if self._recent else 0.02

    def _next_boundary(self) -> int:
        return (math.floor(time.time()) // self._window + 1) * self._window

    def _wait_until(self, moment: float) -> None:
        while (left := moment + _AFTER_BOUNDARY - time.time()) > 0 and not self._halt.wait(left):
            pass

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

    def _end_of(self, moment: float) -> int:
        return (math.floor(moment) // self._window + 1) * self._window

    def _note(self, end: int, batch: Batch, *, rows: int) -> None:
        with self._lock:
            before = self._stretches.get(end)
            first = before.first if before else batch.first
            rows += before.rows if before else 0
            self._stretches[end] = Stretch(float(end - self._window), float(end), first, batch.last, rows)


_AFTER_BOUNDARY: Final = 0.005
"""Seconds past a boundary at which sending starts, so that clocks read in two processes agree on the window."""
