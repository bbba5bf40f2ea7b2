"""PromQL's and Datadog's ways to write strings, patterns, numbers and durations."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

APART: Final = "without (instance, service_instance_id)"
"""How PromQL puts the replicas of a service together: by all labels but those that tell them apart."""
_DURATIONS: Final = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))


def quoted(text: str) -> str:
    """Return a PromQL string literal."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def selector(series: str, *matchers: str) -> str:
    """Return a PromQL selector; matchers that are empty do not count."""
    inside = ", ".join(matcher for matcher in matchers if matcher)
    return f"{series}{{{inside}}}" if inside else series


def pattern(texts: Iterable[str]) -> str:
    """Return a PromQL string literal with a regular expression (RE2) that matches exactly these texts."""
    return quoted("|".join(re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", text) for text in texts))


def duration_text(seconds: float) -> str:
    """Return a Prometheus duration, such as 1h30m; at least a millisecond.

    Raises:
        ValueError: It is negative.
    """
    left = round(seconds * 1000)
    if left < 0:
        raise ValueError(f"seconds must be 0 or more; got {seconds}")
    if not left:
        return "0s"
    text = ""
    for unit, size in _DURATIONS:
        count, left = divmod(left, size)
        text += f"{count}{unit}" if count else ""
    return text


def number(value: float) -> str:
    """Return a number as both languages read it, with all its digits."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(float(value))


def tag_value(text: str) -> str:
    """Return an attribute's value as Datadog keeps it as a tag: lower case, and few signs."""
    return re.sub(r"[^a-z0-9_\-:./]", "_", text.lower())[:200]
