"""Dashboards as a reader of their JSON sees them, and Grafana's way to fill in variables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from driftmeter.dashboards import Settings, grafana_dashboards

LABEL_VALUES = re.compile(r"label_values\((.+), (\w+)\)")
QUERY_RESULT = re.compile(r"query_result\((.+)\)")


def dashboards(**options: Any) -> dict[str, dict[str, Any]]:
    """Return the dashboards by the name of their file."""
    return {name: json.loads(text) for name, text in grafana_dashboards(Settings(**options)).items()}


@dataclass(frozen=True)
class Target:
    """One query of a panel, with the unit that its values are shown in."""

    page: str
    panel: dict[str, Any]
    query: dict[str, Any]

    @property
    def expr(self) -> str:
        return str(self.query["expr"])

    @property
    def unit(self) -> str:
        """The unit: a table's by the column, a heat map's by the cell, else the panel's."""
        if self.panel["type"] == "heatmap":
            return str(self.panel["options"]["cellValues"]["unit"])
        if self.panel["type"] != "table":
            return str(self.panel["fieldConfig"]["defaults"]["unit"])
        title = self.columns[f"Value #{self.query['refId']}"]
        units = {
            override["matcher"]["options"]: setting["value"]
            for override in self.panel["fieldConfig"]["overrides"]
            for setting in override["properties"]
            if setting["id"] == "unit"
        }
        return str(units[title])

    @property
    def columns(self) -> dict[str, str]:
        """The titles of a table's columns by the names that they come with."""
        (renamed,) = (
            step["options"]["renameByName"]
            for step in self.panel["transformations"]
            if "renameByName" in step["options"]
        )
        return dict(renamed)

    def __str__(self) -> str:
        return f"{self.page}-{self.panel['title']}-{self.query['refId']}"


def targets(pages: Mapping[str, dict[str, Any]]) -> list[Target]:
    """Return all queries of all panels."""
    return [
        Target(name.removeprefix("driftmeter-").removesuffix(".json"), panel, query)
        for name, page in pages.items()
        for panel in page["panels"]
        for query in panel.get("targets", ())
    ]


def filled_in(expr: str, values: Mapping[str, str]) -> str:
    """Return a query with the values of variables; one without a value fails."""
    return re.sub(r"\$(?:\{(\w+)(?::raw)?\}|([A-Za-z_]\w*))", lambda match: values[match[1] or match[2]], expr)


def choices(prometheus: Any, variable: dict[str, Any], chosen: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the texts and values that a variable offers, as Grafana finds them."""
    query = filled_in(variable["query"]["query"], chosen)
    if match := LABEL_VALUES.fullmatch(query):
        for value in prometheus.api(f"label/{match[2]}/values", **{"match[]": match[1]}):
            yield value, value
        return
    asked = QUERY_RESULT.fullmatch(query)
    assert asked is not None, query
    regex = variable["regex"].strip("/").replace("(?<", "(?P<")
    for series in prometheus.query(asked[1]):
        told = ",".join(f'{name}="{value}"' for name, value in series["metric"].items() if name != "__name__")
        if found := re.search(regex, f"{{{told}}}"):
            yield found["text"], found["value"]
