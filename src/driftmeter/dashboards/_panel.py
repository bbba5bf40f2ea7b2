"""Panels, without the words of any one product."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from driftmeter.dashboards._scope import Ask

Kind: TypeAlias = Literal["series", "stacked", "stat", "heatmap", "table", "bars"]

COUNT: Final = "none"
SHARE: Final = "percentunit"
SECONDS: Final = "s"
BYTES: Final = "bytes"
BYTES_PER_SECOND: Final = "binBps"
CELSIUS: Final = "celsius"
WATTS: Final = "watt"
HERTZ: Final = "hertz"
ROWS_PER_SECOND: Final = "suffix: rows/s"
CALLS_PER_SECOND: Final = "suffix: calls/s"
ERRORS_PER_SECOND: Final = "suffix: errors/s"
VALUES_PER_SECOND: Final = "suffix: values/s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One query of a panel.

    Attributes:
        ask: What is asked, with the page's variables.
        legend: How its series are called; ``{{label}}`` stands for a label. Of a table, the column's name.
        unit: The unit of its values, in tables; elsewhere it is the panel's.
        buckets: Whether it returns histograms.
        traces: Whether exemplars are asked for, which lead to traces.
        verdict: Whether 1 means yes and 0 no, in tables.
    """

    ask: Ask
    legend: str = ""
    unit: str = COUNT
    buckets: bool = False
    traces: bool = False
    verdict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel.

    Attributes:
        kind: How it looks; a table and bars show one moment, and join their queries by the labels.
        title: Its title.
        queries: Its queries.
        unit: The unit of the values.
        says: What it means.
        marks: What its exemplars mean, where a product shows them.
        width: Of 24.
        empty: What stands there without data.
        labels: Of tables and bars, the labels that become columns, and their titles.
        worst_first: Of tables, the titles of the columns to sort by, from the highest value.
        links: Of tables, the title of a column to the address it leads to.
        alarm: The value from which on a number is shown in red.
    """

    kind: Kind
    title: str
    queries: tuple[Query, ...]
    unit: str = COUNT
    says: str = ""
    marks: str = ""
    width: int = 12
    empty: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    worst_first: tuple[str, ...] = ()
    links: dict[str, str] = field(default_factory=dict)
    alarm: float | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A row of panels under a heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One variable of a page, chosen from what there is.

    Attributes:
        name: Its name in queries.
        title: Its name for people.
        query: What its values are asked for by.
        tag: Datadog's tag that it chooses a value of; empty where there is none.
        first: The value that is chosen to begin with, where one is known.
        regex: What of an answer is text and value; all of it by default.
        everything: The value of the choice "All"; None where there is no such choice.
    """

    name: str
    title: str
    query: str
    tag: str = ""
    first: str = ""
    regex: str = ""
    everything: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One dashboard."""

    uid: str
    title: str
    says: str
    variables: tuple[Variable, ...]
    sections: tuple[Section, ...]
