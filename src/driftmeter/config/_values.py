"""Parsers of configuration values; each error says the rule and the value, the caller adds the key."""

from __future__ import annotations

import math
import os
import re
from numbers import Real
from typing import Final

from driftmeter.exceptions import ConfigError, did_you_mean

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_TRUE: Final = frozenset({"true", "1", "yes", "on"})
_FALSE: Final = frozenset({"false", "0", "no", "off"})


def duration(value: object) -> float:
    """Return seconds from a number of seconds or a text such as '250ms', '30s', '1m', '1h', '7d'."""
    if isinstance(value, str):
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?", value.strip())
        seconds = _finite(match[1]) * _SECONDS[match[2] or "s"] if match else math.nan
    else:
        seconds = _finite(value)
    if math.isfinite(seconds):
        return seconds
    raise ConfigError(f"must be a duration such as 30s, 1m or 1h; got {value!r}")


def number(value: object) -> float:
    """Return a finite number from a number or its text."""
    parsed = _finite(value)
    if math.isnan(parsed):
        raise ConfigError(f"must be a number; got {value!r}")
    return parsed


def _finite(value: object) -> float:
    """Return a number or its text as a float; NaN for what is none, or none that float64 has."""
    try:
        if not isinstance(value, bool) and isinstance(value, str | Real):
            parsed = float(value)
            return parsed if math.isfinite(parsed) else math.nan
    except (ValueError, OverflowError):
        pass
    return math.nan


def integer(value: object) -> int:
    """Return a whole number from a number or its text."""
    parsed = number(value)
    if parsed != int(parsed):
        raise ConfigError(f"must be a whole number; got {value!r}")
    return int(parsed)


def boolean(value: object) -> bool:
    """Return a truth value from true/false, 1/0, yes/no or on/off."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise ConfigError(f"must be true or false; got {value!r}")


def text(value: object) -> str:
    """Return a text; numbers are taken as they are written (a version 7, say), and so are paths."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    raise ConfigError(f"must be a text; got {value!r}")


def texts(value: object) -> tuple[str, ...]:
    """Return texts from a list, or from one text with commas between; a path is one, whatever it holds."""
    if isinstance(value, os.PathLike):
        return (text(value),)
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, list | tuple):
        return tuple(text(part) for part in value)
    raise ConfigError(f"must be a list of texts; got {value!r}")


def durations(value: object) -> tuple[float, ...]:
    """Return seconds from a list of durations, from one, or from a text with commas between."""
    if isinstance(value, str):
        value = texts(value)
    return tuple(map(duration, value)) if isinstance(value, list | tuple) else (duration(value),)


def some_of(value: object, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of the names that a list, or a text with commas between, holds."""
    return tuple(one_of(part, names) for part in texts(value))


def one_of(value: object, names: tuple[str, ...]) -> str:
    """Return the value if it is one of the names."""
    if value not in names:
        raise ConfigError(f"must be one of {', '.join(names)}; got {value!r}{did_you_mean(str(value), names)}")
    return str(value)
