"""Start and stop of what is told of the hardware, as the configuration has it."""

from __future__ import annotations

from typing import Any

from driftmeter.config import Config
from driftmeter.hardware import _gpu_metrics, _host_metrics
from driftmeter.recorder import guard


def start(config: Config, *, meter_provider: Any = None) -> None:
    """Tell of GPUs, the host and the process from now on, where the configuration says so.

    Args:
        config: The configuration: ``gpu_metrics``, ``gpu_interval`` in seconds, ``host_metrics``.
        meter_provider: The SDK's provider that is told; the global one by default, as soon as one is set.
    """
    with guard:
        if config.gpu_metrics:
            _gpu_metrics.start(interval=config.gpu_interval, meter_provider=meter_provider)
    with guard:
        if config.host_metrics:
            _host_metrics.start(meter_provider=meter_provider)
        else:
            _host_metrics.let_go()


def stop() -> None:
    """Tell nothing any more."""
    with guard:
        _gpu_metrics.stop()
    with guard:
        _host_metrics.stop()
