"""Start and stop of the in-process host, and what becomes of it at a fork, at SIGTERM and at the end of a child."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from multiprocessing import util
from types import FrameType
from typing import Any, Final

from opentelemetry import _logs, metrics, trace

from driftmeter import hardware
from driftmeter.baseline import Baseline
from driftmeter.config import Config
from driftmeter.exporter import _sdk
from driftmeter.exporter._host import Host
from driftmeter.exporter._uvicorn import ServingHook
from driftmeter.recorder import Registry, activate, guard

_EXIT_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class _Running:
    """What watches now, and what it was started with."""

    config: Config
    meter_provider: Any
    registry: Registry
    host: Host
    serving: ServingHook


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
    _running = _Running(config, meter_provider, registry, host, ServingHook(_handle_sigterm))

    def attach() -> None:
        # The provider may be set after us: asked again at every call until there is one.
        host.attach(meter_provider if meter_provider is not None else metrics.get_meter_provider())
        if host.attached:
            registry.before_record = None

    registry.before_record = attach
    attach()
    activate(registry)
    hardware.start(config, meter_provider=meter_provider)
    _handle_sigterm()
    return registry


def stop() -> None:
    """Watch nothing any more, and leave the readers and the signal handler as they were found."""
    global _running  # noqa: PLW0603
    activate(None)
    hardware.stop()
    if _running is not None:
        _running.host.detach()
        _running.serving.restore()
        _running = None
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is _on_sigterm:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def host() -> Host | None:
    """Return the host that runs, if any."""
    return None if _running is None else _running.host


def flush() -> None:
    """Send what was recorded, and spans and events, now."""
    meter_provider = None if _running is None else _running.meter_provider
    # One after the other: the second one finds nothing to send, and must not return, and the process end, before the
    # first one has sent all. But a signal may have interrupted the first one, which then cannot end before the second.
    waited = _flushing.acquire(timeout=_EXIT_SECONDS / 2)
    try:
        for provider in (
            meter_provider if meter_provider is not None else metrics.get_meter_provider(),
            trace.get_tracer_provider(),
            _logs.get_logger_provider(),
        ):
            force_flush = getattr(provider, "force_flush", None)
            if force_flush is not None:
                with guard:
                    force_flush()
    finally:
        if waited:
            _flushing.release()


_flushing = threading.Lock()


def _after_fork_in_child() -> None:
    global _flushing  # noqa: PLW0603  # a thread that is not here any more may hold it
    _flushing = threading.Lock()
    with guard:
        for registry in _registries:
            registry.reset()
        for running in _hosts:
            running.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def _flush_recorded() -> None:
    """Flush within bounds, if this process recorded anything: one that did not ends as it would without us."""
    if any(registry.has_recorded for registry in _registries):
        # In a thread of its own: this one may hold a lock of ours or of the SDK's, and then must not wait for it.
        thread = threading.Thread(target=flush, name="driftmeter-exit", daemon=True)
        thread.start()
        thread.join(_EXIT_SECONDS)


class _Children:
    """Flushes at the end of multiprocessing's children, which leave by ``os._exit``, where no exit handler runs.

    multiprocessing forgets all finalizers as a child begins, and then calls what was registered for that moment. That
    is so however the child came to be: forked, or spawned and then importing this module with its main module.
    """

    def __init__(self) -> None:
        util.register_after_fork(self, _Children._begin)
        if multiprocessing.parent_process() is not None:  # imported by a child that runs already
            self._begin()

    def _begin(self) -> None:
        util.Finalize(None, _flush_recorded, exitpriority=0)


_children: Final = _Children()
"""Alive as long as the module is: multiprocessing holds it weakly."""


def _handle_sigterm() -> None:
    """Let SIGTERM's default action, which ends the process on the spot, wait for the last interval to be sent.

    Servers such as uvicorn end by raising SIGTERM again after their own clean-up, so that no exit handler runs; see
    `driftmeter.exporter._uvicorn`. A handler of the application's is left alone.
    """
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _on_sigterm)


def _on_sigterm(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # the signature of a signal handler
    _flush_recorded()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
