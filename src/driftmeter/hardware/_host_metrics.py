"""The process and its host, through OpenTelemetry's own instrumentation of them, with a small set of metrics.

``opentelemetry-instrument`` loads ``SystemMetricsInstrumentor`` by itself, with all of its metrics, some of which grow
with the machine's CPUs and disks. Unless the user has said what it is to leave out, it is held back while it is loaded,
and started here. One that somebody else has started is left alone.
"""

from __future__ import annotations

import os
import weakref
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import metrics
from opentelemetry.instrumentation.environment_variables import OTEL_PYTHON_DISABLED_INSTRUMENTATIONS

from driftmeter import semconv_hardware as names
from driftmeter.recorder import guard

if TYPE_CHECKING:
    from driftmeter.hardware._gate import Gate

_NAME: Final = "system_metrics"
_EXCLUDED: Final = "OTEL_PYTHON_SYSTEM_METRICS_EXCLUDED_METRICS"
_EVERYTHING: Final = "*"

_CONFIG: Final[dict[str, list[str] | None]] = {
    names.PROCESS_CPU_TIME.name: ["user", "system"],
    names.PROCESS_CPU_UTILIZATION.name: None,
    names.PROCESS_MEMORY_USAGE.name: None,
    names.PROCESS_THREAD_COUNT.name: None,
    names.SYSTEM_CPU_UTILIZATION.name: ["user", "system", "idle"],
    names.SYSTEM_MEMORY_USAGE.name: ["used", "free", "cached"],
    names.SYSTEM_MEMORY_UTILIZATION.name: ["used"],
}


class _Global:
    """Stands for the global provider, whichever that is or will be."""


_GLOBAL: Final = _Global()
_gates: Final[weakref.WeakKeyDictionary[Any, Gate]] = weakref.WeakKeyDictionary()
"""By provider: its meters keep the instruments that they were given first, which are behind its first gate."""
_open: Gate | None = None
_held_back = False


def hold_back() -> None:
    """Let ``opentelemetry-instrument``, which is about to load the instrumentor, load it without any metric.

    Nothing is done where the user has switched it off, or says which metrics to leave out: then it is the user's.
    """
    global _held_back  # noqa: PLW0603  # so is the environment
    if not _is_switched_off() and not os.environ.get(_EXCLUDED, "").strip():
        os.environ[_EXCLUDED] = _EVERYTHING
        _held_back = True


def let_go() -> bool:
    """Take back what `hold_back` did to the environment; return whether it did anything."""
    global _held_back
    was_held_back, _held_back = _held_back, False
    if was_held_back:
        os.environ.pop(_EXCLUDED, None)
    return was_held_back


def start(*, meter_provider: Any) -> None:
    """Tell a provider of the process and its host, unless somebody does so already, or has switched that off."""
    global _open  # noqa: PLW0603  # the instrumentor is one, too
    if _is_switched_off():
        return
    from opentelemetry.instrumentation.system_metrics import SystemMetricsInstrumentor

    from driftmeter.hardware._gate import Gate

    # Its constructor would forget the configuration that it runs with.
    one = SystemMetricsInstrumentor.__new__(SystemMetricsInstrumentor)
    was_held_back = let_go()
    if one.is_instrumented_by_opentelemetry:
        if not was_held_back and _open is None:
            return
        one.uninstrument()
    if _open is not None:
        _open.is_open = False
    is_global = meter_provider is None or meter_provider is metrics.get_meter_provider()
    _open = _gates.setdefault(_GLOBAL if is_global else meter_provider, Gate(meter_provider))
    _open.is_open = True
    _open.forget_first()
    SystemMetricsInstrumentor(config=_config()).instrument(meter_provider=_open, skip_dep_check=True)


def stop() -> None:
    """Tell nothing more, and leave the instrumentor for others to start."""
    global _open  # noqa: PLW0603
    let_go()
    if _open is None:
        return
    from opentelemetry.instrumentation.system_metrics import SystemMetricsInstrumentor

    _open.is_open = False
    _open = None
    SystemMetricsInstrumentor.__new__(SystemMetricsInstrumentor).uninstrument()


def _is_switched_off() -> bool:
    disabled = os.environ.get(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS, "").split(",")
    return not {_NAME, _EVERYTHING}.isdisjoint(name.strip() for name in disabled)


def _config() -> dict[str, list[str] | None]:
    """Return the set without what the user wants to be left out."""
    excluded = [pattern.strip() for pattern in os.environ.get(_EXCLUDED, "").split(",") if pattern.strip()]
    return {name: states for name, states in _CONFIG.items() if not any(fnmatch(name, pattern) for pattern in excluded)}


def _after_fork_in_child() -> None:
    # It asks the process that it was made in, which in a child is the parent.
    with guard:
        if _open is not None:
            from opentelemetry.instrumentation.system_metrics import SystemMetricsInstrumentor

            SystemMetricsInstrumentor(config=_config())
            _open.forget_first()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
