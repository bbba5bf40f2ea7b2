"""The registry in force, if any: instrumentation asks here at every call."""

from __future__ import annotations

from driftmeter.recorder._registry import Registry

_active: Registry | None = None
_decided = False


def active() -> Registry | None:
    """Return the registry in force, or None when nothing is watched."""
    return _active


def activate(registry: Registry | None) -> None:
    """Put a registry in force, or none: nothing is to be watched, and that is no mistake of the caller's."""
    global _active, _decided  # noqa: PLW0603  # one process has one registry, and instrumented classes are global too
    _active = registry
    _decided = True


def decided() -> bool:
    """Whether it was decided what to watch, be it nothing: switched off, refused, or shut down."""
    return _decided
