"""What stands between OpenTelemetry's system metrics and a meter: it opens and shuts, and puts some numbers right."""

from __future__ import annotations

import threading
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from driftmeter import semconv_hardware as names
from driftmeter.recorder import guard

_Callback = Callable[[CallbackOptions], Iterable[Observation]]
_Callbacks = Sequence[_Callback] | None

_CPU: Final = "cpu"
_SINCE_LAST: Final = frozenset({names.PROCESS_CPU_UTILIZATION.name, names.SYSTEM_CPU_UTILIZATION.name})
"""What is measured from one question to the next, so that the first answer, 0, says nothing."""


class Gate:
    """A meter provider whose instruments observe something only while it is open."""

    def __init__(self, provider: Any) -> None:
        # Weakly: what knows the gates by their providers would keep these alive.
        self._provider: Callable[[], Any] = metrics.get_meter_provider if provider is None else weakref.ref(provider)
        self._asked: set[tuple[str, int]] = set()
        self.is_open = False

    def forget_first(self) -> None:
        """Take the next answers for the first ones."""
        self._asked = set()

    def get_meter(self, name: str, *args: Any, **kwargs: Any) -> _Meter:
        """Return a meter as that of the provider, but behind the gate."""
        return _Meter(self, self._provider().get_meter(name, *args, **kwargs))

    def behind(self, name: str, callbacks: _Callbacks) -> list[_Callback]:
        """Return an instrument's callbacks as they are behind the gate."""
        return [partial(self._observe, name, callback) for callback in callbacks or ()]

    def _observe(self, name: str, callback: _Callback, options: CallbackOptions) -> Iterable[Observation]:
        with guard:
            if self.is_open:
                return self._observed(name, callback, options)
        return []

    def _observed(self, name: str, callback: _Callback, options: CallbackOptions) -> list[Observation]:
        observations = list(callback(options))
        if name in _SINCE_LAST:
            # psutil remembers its last answer for each thread apart.
            asked = (name, threading.get_ident())
            if asked not in self._asked:
                self._asked.add(asked)
                return []
        return over_cpus(observations) if name == names.SYSTEM_CPU_UTILIZATION.name else observations


class _Meter:
    """A meter whose observable instruments are behind a gate."""

    def __init__(self, gate: Gate, meter: metrics.Meter) -> None:
        self._gate = gate
        self._meter = meter

    def create_observable_counter(self, name: str, callbacks: _Callbacks = None, **kwargs: Any) -> Any:
        """Create a counter."""
        return self._meter.create_observable_counter(name, self._gate.behind(name, callbacks), **kwargs)

    def create_observable_up_down_counter(self, name: str, callbacks: _Callbacks = None, **kwargs: Any) -> Any:
        """Create a counter that may fall."""
        return self._meter.create_observable_up_down_counter(name, self._gate.behind(name, callbacks), **kwargs)

    def create_observable_gauge(self, name: str, callbacks: _Callbacks = None, **kwargs: Any) -> Any:
        """Create a gauge."""
        return self._meter.create_observable_gauge(name, self._gate.behind(name, callbacks), **kwargs)


def over_cpus(observations: Iterable[Observation]) -> list[Observation]:
    """Return the mean over all CPUs of what is told of each, so that a hundred of them are one series a state."""
    shares: defaultdict[tuple[tuple[str, Any], ...], list[float]] = defaultdict(list)
    for observation in observations:
        others = {name: value for name, value in (observation.attributes or {}).items() if name != _CPU}
        shares[tuple(others.items())].append(observation.value)
    return [Observation(sum(values) / len(values), dict(others)) for others, values in shares.items()]
