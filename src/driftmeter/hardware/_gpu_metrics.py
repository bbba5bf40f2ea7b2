"""GPUs as observable instruments of the SDK's meter."""

from __future__ import annotations

import ctypes
import logging
import sys
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from driftmeter import semconv
from driftmeter import semconv_hardware as names
from driftmeter.recorder import guard

if TYPE_CHECKING:
    from driftmeter.hardware._poller import Poller

_logger = logging.getLogger("driftmeter")
_LIBRARY: Final = "libnvidia-ml.so.1"
_poller: Poller | None = None


def start(*, interval: float, meter_provider: Any) -> None:
    """Poll every ``interval`` seconds, and tell a provider; where there is no driver nothing is started."""
    global _poller  # noqa: PLW0603  # instruments cannot be taken back from a meter, so they ask here
    stop()
    if not has_driver():
        _logger.debug("driftmeter: no GPU metrics: there is no NVIDIA driver")
        return
    from driftmeter.hardware._poller import Poller

    _poller = Poller(interval=interval)
    _poller.start()
    _create_instruments(meter_provider)


def stop() -> None:
    """Poll no more, and tell nothing."""
    global _poller  # noqa: PLW0603
    if _poller is not None:
        _poller.stop()
        _poller = None


def has_driver() -> bool:
    """Whether there may be a driver; where there is none, nothing that asks it is even imported."""
    module = sys.modules.get("pynvml")
    if (module is not None and module.nvmlLib is not None) or sys.platform == "win32":
        return True
    try:
        ctypes.CDLL(_LIBRARY)
    except OSError:
        return False
    return True


def _create_instruments(provider: Any) -> None:
    # A meter that has them already keeps those.
    meter = metrics.get_meter(semconv.SCOPE_NAME, meter_provider=provider, schema_url=semconv.SCHEMA_URL)
    for metric in names.GPU_METRICS:
        create = getattr(meter, f"create_observable_{metric.kind}")
        create(metric.name, callbacks=[partial(_observe, metric)], unit=metric.unit, description=metric.says)


def _observe(metric: semconv.Metric, options: CallbackOptions) -> Iterable[Observation]:  # noqa: ARG001
    with guard:
        if _poller is not None:
            return [
                Observation(value.number, {**reading.gpu.attributes(metric), **value.attributes})
                for reading in _poller.readings()
                for value in reading.values
                if value.metric is metric
            ]
    return []
