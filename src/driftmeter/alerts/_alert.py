"""One alert, for whichever system it is written for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from driftmeter.alerts._text import quoted

LABEL: Final = re.compile(r"\{\{ \$labels\.(\w+) \}\}")
IF_THERE: Final = re.compile(r"\{\{ with \$labels\.(\w+) \}\}(.*?)\{\{ end \}\}")
IT: Final = "{{ . }}"

Severity: TypeAlias = Literal["page", "ticket"]
"""page wakes somebody up; ticket waits for the next working day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A situation in which an alert fires, for the unit tests that go with the rules.

    Attributes:
        series: What there is: series as in a query to their values in the notation of ``promtool test rules``.
        at: When the alert must fire, in seconds.
        labels: The labels that tell the alert's cause, beside those of its rule.
    """

    series: Mapping[str, str]
    at: float
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """The same as a Datadog monitor.

    Attributes:
        query: The query, without what it is compared with; see `space`.
        aggregate: How the values of the time that is looked at become one.
        over: That time, in seconds; rounded up to minutes.
        compare: How the one value is compared with the threshold.
        threshold: The threshold.
        tell_missing: Whether no data is an alert as well.
        labels: Where nothing tells groups apart, the labels that the one cause has.
        about: What tells it from the alert's other monitors, in its name.
    """

    query: str
    aggregate: Literal["max", "min", "sum", "percentile"]
    over: float
    compare: Literal[">", ">=", "<="]
    threshold: float
    tell_missing: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    about: str = ""

    @property
    def groups(self) -> list[str]:
        """The tags that tell its groups apart."""
        found = re.search(r"\} by \{([^}]*)\}", self.query)
        return found[1].split(",") if found else []


def space(metric: str, tags: str, *, by: Iterable[str], count: bool = False) -> str:
    """Return a Datadog query of a metric.

    Args:
        metric: The space aggregation and the metric, ``max:ml.skew.detected`` say.
        tags: The filter.
        by: The tags that tell the groups apart, each of which has an alert of its own.
        count: Whether to count what was added in the time that is looked at.
    """
    groups = ",".join(by)
    return f"{metric}{{{tags}}}{f' by {{{groups}}}' if groups else ''}{'.as_count()' if count else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert.

    Attributes:
        name: Its name, that of its section in the runbooks.
        severity: Whom it reaches.
        signal: What it is about, to route it by.
        expr: PromQL that returns a series for each cause.
        hold: How long that must be so, in seconds.
        linger: How long the alert goes on afterwards, in seconds.
        summary: One line; ``{{ $labels.name }}`` stands for a label, and see `if_there`.
        description: What it means.
        example: A situation in which it fires.
        monitors: The same for Datadog; none where a monitor cannot say it.
    """

    name: str
    severity: Severity
    signal: str
    expr: str
    summary: str
    description: str
    example: Example
    hold: float = 0.0
    linger: float = 0.0
    monitors: tuple[Monitor, ...] = ()

    @property
    def anchor(self) -> str:
        """The anchor of its section in the runbooks."""
        return self.name.lower()


def rendered(text: str, labels: Mapping[str, str]) -> str:
    """Return an annotation as Prometheus renders it for an alert with these labels."""
    text = IF_THERE.sub(lambda match: match[2].replace(IT, labels[match[1]]) if labels.get(match[1]) else "", text)
    return LABEL.sub(lambda match: labels.get(match[1], ""), text)


def if_there(label: str, text: str) -> str:
    """Return what stands in an annotation of alerts that have a label; ``{{ . }}`` in the text is its value."""
    return f"{{{{ with $labels.{label} }}}}{text}{{{{ end }}}}"


@dataclass(frozen=True, slots=True)
class Series:
    """Writes series of examples and queries with the labels of a service."""

    labels: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, name: str, **labels: str) -> str:
        """Return a series as promtool reads it."""
        inside = ", ".join(f"{key}={quoted(value)}" for key, value in {**self.labels, **labels}.items())
        return f"{name}{{{inside}}}"
