"""The one thread that asks the driver, every so often, and what it was told last.

Who collects metrics never waits for a driver: they get the last readings, and none that are too old. A poll is a whole
under the lock, the import of pynvml included, and a fork waits for it, so that no child inherits a driver or an import
that is in the middle of something::

    thread   poll ------          poll ------
    fork             wait | child: new lock, nothing initialised, its own poller once it is asked for readings
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable
from typing import Final

from driftmeter import semconv
from driftmeter import semconv_hardware as names
from driftmeter.hardware._gpu import Gpu, Reading, Value
from driftmeter.hardware._nvml import Device, LostError, Session
from driftmeter.hardware._totals import Totals
from driftmeter.recorder import guard

_logger = logging.getLogger("driftmeter")
_FIRST: Final = 1.0
"""Seconds until the first poll: servers that fork their workers have done so, and a program that ends has ended."""
_LIFE: Final = 2.5
"""How many intervals a reading is told for."""
_REOPEN: Final = 4
"""Every how many polls NVML is initialised anew while a GPU is missing: that takes from milliseconds to seconds."""
_FORK_SECONDS: Final = 1.0
"""How long a fork waits for a poll. The child of one that waited in vain leaves the driver alone."""


class Poller:
    """Polls all GPUs of the machine that NVML shows to this process."""

    def __init__(self, *, interval: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = interval
        self._clock = clock
        self._stopped = False
        self.start_anew(usable=True)
        _pollers.add(self)

    def start_anew(self, *, usable: bool) -> None:
        """Forget all that belongs to a parent process, which goes on using its session: it is not closed here.

        Args:
            usable: Whether no thread was inside of the driver at the moment of the fork.
        """
        self._lock = threading.Lock()
        self._usable = usable
        self._session: Session | None = None
        self._readings: list[Reading] = []
        self._xids: Counter[tuple[Gpu, int]] = Counter()
        self._totals = Totals()
        self._missing_for = 0
        self._trouble = ""
        self._said = ""
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def readings(self) -> list[Reading]:
        """Return what each GPU said last, unless that is too old, and the XIDs even of a GPU that says no more."""
        if self._thread is None and self._usable and not self._stopped:
            self.start()
        fresh = self._clock() - _LIFE * self._interval
        readings = [reading for reading in self._readings if reading.at >= fresh]
        return [*readings, *(_of_xid(gpu, xid, count) for (gpu, xid), count in list(self._xids.items()))]

    def start(self) -> None:
        """Poll in a thread of its own from now on."""
        self._thread = threading.Thread(target=self._run, args=(self._stop,), name="driftmeter-gpu", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Poll no more; a thread that waits for a driver is left behind."""
        self._stopped = True
        self._stop.set()
        self._readings = []
        self._xids.clear()

    def _run(self, stop: threading.Event) -> None:
        wait = _FIRST
        while not stop.wait(wait):
            with guard:
                self.poll()
            wait = self._interval
        with guard, self._lock:
            self._close()

    def poll(self) -> None:
        """Ask every GPU once."""
        with self._lock:
            if not self._stopped:
                self._poll()

    def _poll(self) -> None:
        session = self._opened()
        if session is None:
            self._missing_for += 1
            self._readings = []
            return
        self._trouble = session.trouble
        read = [self._read(session, device) for device in session.devices]
        self._readings = [reading for reading in read if reading is not None]
        for gpu, xid in session.xids():
            self._xids[gpu, xid] += 1
        self._missing_for = self._missing_for + 1 if self._trouble else 0
        self._say(self._trouble)

    def _opened(self) -> Session | None:
        """Return the session; a new one when there is none, or when it has been missing a GPU for some time."""
        is_due = self._missing_for % _REOPEN == 0
        if self._missing_for and is_due:
            self._close()
        if self._session is None and is_due:
            try:
                self._session = Session()
            except LostError as error:
                self._say(f"no GPU metrics: {error}")
        return self._session

    def _read(self, session: Session, device: Device) -> Reading | None:
        try:
            values = session.read(device)
        except LostError as error:
            self._trouble = f"{device.gpu.id} is lost: {error}"
            return None
        return Reading(device.gpu, self._clock(), tuple(self._counted(device.gpu, value) for value in values))

    def _counted(self, gpu: Gpu, value: Value) -> Value:
        """Return a counter's value as one that began with this process."""
        if value.metric.kind != "counter":
            return value
        key = (gpu.id, value.metric.name, tuple(value.attributes.items()))
        return Value(value.metric, self._totals.follow(key, value.number), value.attributes)

    def _close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _say(self, what: str) -> None:
        """Tell the log, once, what has changed."""
        if what != self._said:
            _logger.debug("driftmeter: %s", what or "all GPUs answer again")
        self._said = what

    def acquire(self) -> bool:
        """Wait, within bounds, until no poll is under way; and let none begin."""
        return self._lock.acquire(timeout=_FORK_SECONDS)

    def release(self) -> None:
        """Let polls begin again."""
        self._lock.release()


def _of_xid(gpu: Gpu, xid: int, count: int) -> Reading:
    value = Value(names.HARDWARE_ERRORS, count, {semconv.ERROR_TYPE: f"xid.{xid}"})
    return Reading(gpu, 0.0, (value,))


_pollers: Final[weakref.WeakSet[Poller]] = weakref.WeakSet()


class _Held(threading.local):
    """What the thread that forks has acquired, which is also the one thread of the child."""

    def __init__(self) -> None:
        self.pollers: list[tuple[Poller, bool]] = []


_held: Final = _Held()


def _before_fork() -> None:
    _held.pollers = [(poller, poller.acquire()) for poller in list(_pollers)]


def _after_fork_in_parent() -> None:
    for poller, is_acquired in _held.pollers:
        if is_acquired:
            poller.release()
    _held.pollers = []


def _after_fork_in_child() -> None:
    for poller, is_acquired in _held.pollers:
        poller.start_anew(usable=is_acquired)
    _held.pollers = []


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
