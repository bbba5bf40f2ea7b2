"""The one thread that owns the state: requests and ticks become entries of the log, and only then changes of the state.

    servers -> receive() -.                       .-> Engine.apply -> answers
                          |-> decode -> commit ->-|
    clock, each step -----'                       '-> Engine.tick  -> outbox -> sender

All requests that wait are committed together: one wait for the disk, however many they are.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from driftmeter import semconv
from driftmeter.exceptions import StateError
from driftmeter.gateway._inbound import Answer, Overloaded, Signal, Unavailable
from driftmeter.gateway._outbox import Item
from driftmeter.gateway.core._engine import Engine
from driftmeter.gateway.core._intake import Intake, Taken
from driftmeter.gateway.core._outputs import Output
from driftmeter.gateway.core._own_metrics import OwnMetrics
from driftmeter.gateway.core._store import Changes, Entry, Store
from driftmeter.typing import Clock

_logger = logging.getLogger("driftmeter.gateway")

_SECOND: Final = 1_000_000_000
MAX_WAITING: Final = 256 << 20
"""Bytes of requests that wait for the thread."""
_GROUP_BYTES: Final = 16 << 20
"""Bytes of requests that are committed together, and one more request."""
_LONGEST_STEP: Final = 60 * _SECOND
"""Signals are told at least so often, or backends take them for gone."""


@dataclass(frozen=True, slots=True)
class _Request:
    signal: Signal
    body: bytes
    answer: Future[Answer]


@dataclass(frozen=True, slots=True)
class _Work:
    """Anything else that must be done where the state is."""

    run: Callable[[], Any]
    result: Future[Any]


class Core:
    """Takes requests, ticks, and serves the outbox; its coroutines are called on an event loop.

    Args:
        open_store: Opens the file where all of it is kept, once there is nothing else that can fail.
        engine: The state.
        intake: Reads requests.
        metrics: Where it counts what it does.
        step: Nanoseconds between ticks.
        checkpoint: Nanoseconds in which each model's state is written whole once.
        clock: Says the time.
        wake: Called, on the thread, when there is something new in the outbox.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        engine: Engine,
        intake: Intake,
        *,
        metrics: OwnMetrics,
        step: int,
        checkpoint: int,
        clock: Clock = time.time_ns,
        wake: Callable[[], object] = lambda: None,
    ) -> None:
        self._open_store = open_store
        self._opened: Store | None = None
        self._engine = engine
        self._intake = intake
        self._metrics = metrics
        self._step = min(step, _LONGEST_STEP)
        self._share = min(1.0, self._step / checkpoint)
        self._clock = clock
        self.wake = wake
        self._jobs: deque[_Request | _Work] = deque()
        self._waiting = 0
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="driftmeter-gateway", daemon=True)
        self._trouble = "the state is being read"
        self._finishing = self._stopping = False
        self._next_tick = 0
        self._unsent: list[Output] = []

    def start(self) -> None:
        """Go on where the state file leaves off, and begin to take requests; it takes as long as there is to read.

        Raises:
            StateError: The file cannot be opened or read.
        """
        began = time.monotonic()
        self._opened = self._open_store()
        entries = self._engine.replay(self._store, self._intake.decoder)
        if entries:
            _logger.info("read the state: %d entries of the log in %.1f s", entries, time.monotonic() - began)
        self._next_tick = self._tick_after(self._clock())
        self._trouble = ""
        self._thread.start()

    async def finish(self) -> None:
        """Take no more requests; say what there is to say, and write the state whole, so that a restart is quick."""
        self._finishing = True
        await self._on_thread(lambda: self._tick(self._clock(), share=1.0))

    def stop(self) -> None:
        """Let the file go. What was not finished is in the log."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join()
        if self._opened is not None:
            self._opened.close()

    @property
    def _store(self) -> Store:
        if self._opened is None:
            raise StateError("the state is not open")
        return self._opened

    @property
    def running(self) -> bool:
        """Whether it has started, and not ended."""
        return self._thread.is_alive()

    @property
    def has_waiting(self) -> bool:
        """Whether something waits to be sent."""
        return self._opened is not None and self._opened.outbox_bytes > 0

    def trouble(self) -> str:
        """Return why requests are refused at present; empty when they are taken."""
        return "it is shutting down" if self._finishing or self._stopping else self._trouble

    async def receive(self, signal: Signal, body: bytes) -> Answer:
        """Take a request; see `Receiver.receive`."""
        if self._finishing or self._stopping or not self._thread.is_alive():
            return Unavailable(reason=self.trouble() or "its thread has ended")
        if self._waiting and self._waiting + len(body) > MAX_WAITING:
            return Overloaded(reason=f"more than {MAX_WAITING >> 20} MiB of requests wait")
        answer: Future[Answer] = Future()
        self._put(_Request(signal, body, answer), len(body))
        return await asyncio.wrap_future(answer)

    async def pending(self, signal: Signal, *, after: int, limit: int, size: int) -> Sequence[Item]:
        """Return what waits to be sent; see `Outbox.pending`."""
        found: Sequence[Item] = await self._on_thread(
            partial(self._store.pending, signal, after=after, limit=limit, size=size)
        )
        return found

    async def done(self, ids: Sequence[int]) -> None:
        """Forget what was sent; see `Outbox.done`."""
        await self._on_thread(lambda: self._store.write(Changes(done=ids)))

    async def _on_thread(self, run: Callable[[], Any]) -> Any:
        if not self._thread.is_alive():
            raise StateError(f"state {self._store.path}: it is closed")
        work = _Work(run, Future())
        self._put(work, 0)
        return await asyncio.wrap_future(work.result)

    def _put(self, job: _Request | _Work, size: int) -> None:
        with self._changed:
            self._jobs.append(job)
            self._waiting += size
            self._changed.notify()

    def _run(self) -> None:
        while not (self._stopping and not self._jobs):
            jobs = self._take()
            try:
                self._work(jobs)
            except Exception:
                # A thread that ends would leave a gateway that takes nothing, and says nothing of it.
                _logger.exception("this should not happen; the gateway goes on")
                self._refuse(jobs)

    def _work(self, jobs: Sequence[_Request | _Work]) -> None:
        requests = [job for job in jobs if isinstance(job, _Request)]
        if requests:
            self._serve(requests)
        for job in jobs:
            if isinstance(job, _Work):
                _do(job)
        now = self._clock()
        # The clock can be set back.
        if now >= self._next_tick or self._next_tick > now + 2 * self._step:
            self._tick(now, share=self._share)

    def _refuse(self, jobs: Iterable[_Request | _Work]) -> None:
        """Answer those that have no answer yet: a client waits for each."""
        for job in jobs:
            if isinstance(job, _Work):
                _do(job)
            elif not job.answer.done():
                self._answer(job, Unavailable(reason="the gateway failed; its log says how"))

    def _take(self) -> list[_Request | _Work]:
        """Return what waits, as much as is committed together; wait for it until the next tick."""
        with self._changed:
            if not self._jobs and not self._stopping:
                self._changed.wait(max(0.0, min(self._next_tick - self._clock(), self._step) / _SECOND))
            taken: list[_Request | _Work] = []
            size = 0
            while self._jobs and size < _GROUP_BYTES:
                job = self._jobs.popleft()
                taken.append(job)
                size += len(job.body) if isinstance(job, _Request) else 0
            self._waiting -= size
            return taken

    def _serve(self, requests: Sequence[_Request]) -> None:
        now = self._clock()
        changes = Changes()
        room = self._intake.room(self._store.outbox_bytes)
        taken: list[tuple[_Request, Taken]] = []
        for request in requests:
            found = self._intake.take(request.signal, request.body, now, room=room)
            if isinstance(found, Taken):
                room -= found.add_to(changes)
                taken.append((request, found))
            else:
                self._answer(request, found)
        try:
            ids = iter(self._store.write(changes)) if taken else iter(())
        except StateError as error:
            self._tell(str(error))
            for request, _ in taken:
                self._answer(request, Unavailable(reason=str(error)))
            return
        self._tell("")
        if changes.outbox:
            self.wake()
        for request, found in taken:
            self._answer(request, self._intake.apply(found, self._engine, next(ids) if found.entry else 0))

    def _answer(self, request: _Request, answer: Answer) -> None:
        # The client may have gone, and with it whoever waits.
        if request.answer.set_running_or_notify_cancel():
            request.answer.set_result(answer)

    def _tick(self, now: int, *, share: float) -> None:
        """Let time pass, and write a share of the models' state whole."""
        began = time.perf_counter()
        self._next_tick = self._tick_after(now)
        outputs = [*self._unsent, *self._engine.tick(now)]
        outputs = self._intake.fitting(outputs, self._store.outbox_bytes)
        outputs.append(Output("metrics", self._about_itself(now), lasts=False))
        outbox = [(output.signal, output.body) for output in outputs]
        try:
            (at,) = self._store.write(Changes(log=[Entry(now, None)], outbox=outbox))
            self._unsent = []
            self._store.write(self._engine.checkpoint(at, share=share))
        except StateError as error:
            self._unsent = [output for output in outputs if output.lasts]
            self._tell(str(error))
        else:
            self._tell("")
        self._metrics.gauges[semconv.GATEWAY_TICK_DURATION] = time.perf_counter() - began
        self.wake()

    def _about_itself(self, now: int) -> bytes:
        self._metrics.points, self._metrics.left_out = self._intake.outcomes, self._intake.left_out
        self._metrics.gauges |= {
            semconv.GATEWAY_STREAMS: self._engine.ledger.streams,
            semconv.GATEWAY_MODELS: self._engine.models,
            semconv.GATEWAY_OUTBOX: self._store.outbox_bytes,
        }
        return self._metrics.request(now)

    def _tick_after(self, now: int) -> int:
        return (now // self._step + 1) * self._step

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            if trouble:
                _logger.error("requests are refused: %s", trouble)
            else:
                _logger.info("requests are taken again")


def _do(work: _Work) -> None:
    if work.result.done() or not work.result.set_running_or_notify_cancel():
        return
    try:
        work.result.set_result(work.run())
    except Exception as error:  # noqa: BLE001  # it is raised where the result is waited for
        work.result.set_exception(error)
