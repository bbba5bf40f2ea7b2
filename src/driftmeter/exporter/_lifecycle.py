"""Start and stop of the in-process host, and what becomes of it at a fork and at SIGTERM."""

from __future__ import annotations

import os
import signal
import threading
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

from opentelemetry import _logs, metrics, trace

from driftmeter.baseline import Baseline
from driftmeter.config import Config
from driftmeter.exporter import _sdk
from driftmeter.exporter._host import Host
from driftmeter.recorder import Registry, activate, guard

_EXIT_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class _Running:
    """What watches now, and what it was started with."""

    config: Config
    meter_provider: Any
    registry: Registry
    host: Host


_running: _Running | None = None
_hosts: Final[weakref.WeakSet[Host]] = weakref.WeakSet()
_registries: Final[weakref.WeakSet[Registry]] = weakref.WeakSet()


def is_off(config: Config) -> bool:
    """Whether nothing is to be watched: so says the configuration, or ``OTEL_SDK_DISABLED``."""
    return not config.enabled or _sdk.disabled()


def start(config: Config, *, baselines: Iterable[Baseline] = (), meter_provider: Any = None) -> Registry:
    """Watch models from now on.

    What was started before goes on if it was started with the same; else what it recorded is sent first.

    Args:
        config: The configuration.
        baselines: What windows are compared with, beside those added later.
        meter_provider: The SDK's provider whose readers carry sketches and signals; the global one by default, as soon
            as one is set.
    """
    global _running  # noqa: PLW0603  # one process has one host
    if _running is not None:
        if _running.config == config and _running.meter_provider is meter_provider:
            return _running.registry
        flush()
        stop()
    registry = Registry(config, baselines=baselines)
    host = Host(registry, meter_provider=meter_provider)
    _hosts.add(host)
    _registries.add(registry)
    _running = _Running(config, meter_provider, registry, host)

    def attach() -> None:
        # The provider may be set after us: asked again at every call until there is one.
        host.attach(meter_provider if meter_provider is not None else metrics.get_meter_provider())
        if host.attached:
            registry.before_record = None

    registry.before_record = attach
    attach()
    activate(registry)
    _handle_sigterm()
    return registry


def stop() -> None:
    """Watch nothing any more, and leave the readers and the signal handler as they were found."""
    global _running  # noqa: PLW0603
    activate(None)
    if _running is not None:
        _running.host.detach()
        _running = None
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is _on_sigterm:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def host() -> Host | None:
    """Return the host that runs, if any."""
    return None if _running is None else _running.host


def flush() -> None:
    """Send what was recorded, and spans and events, now."""
    meter_provider = None if _running is None else _running.meter_provider
    for provider in (
        meter_provider if meter_provider is not None else metrics.get_meter_provider(),
        trace.get_tracer_provider(),
        _logs.get_logger_provider(),
    ):
        force_flush = getattr(provider, "force_flush", None)
        if force_flush is not None:
            with guard:
                force_flush()


def _after_fork_in_child() -> None:
    with guard:
        for registry in _registries:
            registry.reset()
        for running in _hosts:
            running.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def _handle_sigterm() -> None:
    """Let SIGTERM's default action, which ends the process on the spot, wait for the last interval to be sent.

    Servers such as uvicorn end by raising SIGTERM again after their own clean-up, so that no exit handler runs. A
    handler of the application's is left alone.
    """
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _on_sigterm)


def _on_sigterm(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # the signature of a signal handler
    # A process that recorded nothing, a forked worker of another kind say, ends on the spot, as it would without us.
    if any(registry.has_recorded for registry in _registries):
        # In a thread of its own: this one may hold a lock of ours or of the SDK's, and then must not wait for it.
        thread = threading.Thread(target=flush, name="driftmeter-exit", daemon=True)
        thread.start()
        thread.join(_EXIT_SECONDS)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
