"""Errors that driftmeter raises on purpose; each message names the parameter, the rule and the value."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DriftmeterError(Exception):
    """Base of every error that driftmeter raises on purpose."""


class ConfigError(DriftmeterError, ValueError):
    """A configuration value breaks its rule."""


class BaselineError(DriftmeterError, ValueError):
    """A baseline cannot be read, or does not say what a baseline must."""


class DecodeError(DriftmeterError, ValueError):
    """OTLP data does not hold a sketch that driftmeter can read."""


class StateError(DriftmeterError):
    """The gateway's state cannot be read or written."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``'; did you mean ...?'`` with the nearest known name, or an empty string."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""
