"""Pages as Datadog's dashboards: the bodies of ``POST /api/v1/dashboard``.

A panel is there when at least one of its queries can be asked of Datadog. A section is a group, three panels high and
twelve columns wide as all of its dashboards are.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from driftmeter.alerts import tag_value
from driftmeter.dashboards._panel import (
    BYTES,
    BYTES_PER_SECOND,
    CELSIUS,
    HERTZ,
    SECONDS,
    SHARE,
    WATTS,
    Page,
    Panel,
    Query,
    Section,
    Variable,
)

_COLUMNS: Final = 12
_OF_GRAFANA: Final = 24
_HEIGHTS: Final = {"stat": 2, "table": 5}
_HEIGHT: Final = 3
_ROWS_OF_A_TABLE: Final = 200
_UNITS: Final = {
    SHARE: {"unit_name": "fraction"},
    SECONDS: {"unit_name": "second"},
    BYTES: {"unit_name": "byte"},
    BYTES_PER_SECOND: {"unit_name": "byte", "per_unit_name": "second"},
    CELSIUS: {"unit_name": "degree_celsius"},
    WATTS: {"unit_name": "watt"},
    HERTZ: {"unit_name": "hertz"},
}
_SUFFIX: Final = "suffix: "
_NAMES: Final = "abc"


def to_datadog(page: Page) -> str:
    """Return a page as the JSON of a dashboard."""
    groups = [_group(section) for section in page.sections]
    document = {
        "title": f"driftmeter: {page.title}",
        "description": page.says,
        "layout_type": "ordered",
        "reflow_type": "fixed",
        "template_variables": [_variable(variable) for variable in page.variables if variable.tag],
        "widgets": _placed([(group, _COLUMNS, _height(group)) for group in groups if group["widgets"]]),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _variable(variable: Variable) -> dict[str, Any]:
    first = tag_value(variable.first) or "*"
    return {"name": variable.name, "prefix": variable.tag, "available_values": [], "defaults": [first]}


def _group(section: Section) -> dict[str, Any]:
    panels = [panel for panel in section.panels if any(query.ask.datadog for query in panel.queries)]
    sizes = [(math.ceil(panel.width * _COLUMNS / _OF_GRAFANA), _HEIGHTS.get(panel.kind, _HEIGHT)) for panel in panels]
    return {
        "type": "group",
        "title": _plain(section.title),
        "layout_type": "ordered",
        "widgets": _placed([(_widget(panel), *size) for panel, size in zip(panels, sizes, strict=True)]),
    }


def _height(group: Mapping[str, Any]) -> int:
    places = [widget["layout"] for widget in group["widgets"]]
    return 1 + max((place["y"] + place["height"] for place in places), default=0)


def _placed(sized: Iterable[tuple[dict[str, Any], int, int]]) -> list[dict[str, Any]]:
    """Return widgets beside each other as long as there are columns, and then below."""
    placed = []
    x = y = tallest = 0
    for definition, width, height in sized:
        if x + width > _COLUMNS:
            x, y, tallest = 0, y + tallest, 0
        placed.append({"definition": definition, "layout": {"x": x, "y": y, "width": width, "height": height}})
        x, tallest = x + width, max(tallest, height)
    return placed


def _widget(panel: Panel) -> dict[str, Any]:
    says = f"{panel.says} Without data: {panel.empty}." if panel.empty else panel.says
    about = {"title": _plain(panel.title), **({"description": _plain(says.strip())} if says else {})}
    queries = [query for query in panel.queries if query.ask.datadog]
    if panel.kind == "table":
        return {"type": "query_table", **about, "requests": [_table(panel, queries)]}
    if panel.kind == "stat":
        return {"type": "query_value", **about, "autoscale": True, "precision": 2, "requests": [_stat(panel, queries)]}
    if queries[0].buckets:
        query = {"data_source": "metrics", "name": "a0", "query": queries[0].ask.datadog[0]}
        return {"type": "heatmap", **about, "requests": [{"request_type": "histogram", "query": query}]}
    kind = "area" if panel.kind == "stacked" else "line"
    asked = [_asked([query], unit=panel.unit, scalar=False) for query in queries]
    requests = [{"response_format": "timeseries", "display_type": kind, **one} for one in asked]
    return {"type": "timeseries", **about, "show_legend": True, "requests": requests}


def _stat(panel: Panel, queries: list[Query]) -> dict[str, Any]:
    asked = {"response_format": "scalar", **_asked(queries, unit=panel.unit, scalar=True)}
    if panel.alarm is None:
        return asked
    return {**asked, "conditional_formats": [{"comparator": ">=", "value": panel.alarm, "palette": "white_on_red"}]}


def _table(panel: Panel, queries: list[Query]) -> dict[str, Any]:
    titles = [query.legend for query in queries]
    order = [titles.index(title) for title in panel.worst_first if title in titles] or [0]
    by = [{"type": "formula", "index": at, "order": "desc"} for at in order]
    asked = _asked(queries, unit=None, scalar=True)
    return {"response_format": "scalar", **asked, "sort": {"count": _ROWS_OF_A_TABLE, "order_by": by}}


def _asked(queries: list[Query], *, unit: str | None, scalar: bool) -> dict[str, Any]:
    """Return queries and formulas; without a unit, that of each query."""
    asked: dict[str, list[dict[str, Any]]] = {"queries": [], "formulas": []}
    for at, query in enumerate(queries):
        names = {name: f"{name}{at}" for name, _ in zip(_NAMES, query.ask.datadog, strict=False)}
        for name, text in zip(names.values(), query.ask.datadog, strict=True):
            one = {"data_source": "metrics", "name": name, "query": text}
            asked["queries"].append({**one, "aggregator": _aggregator(text)} if scalar else one)
        asked["formulas"].append(
            {
                "formula": query.ask.formula.format(**names),
                **({"alias": query.legend} if query.legend and "{{" not in query.legend else {}),
                **_number_format(query.ask.unit or (query.unit if unit is None else unit)),
            }
        )
    return asked


def _aggregator(query: str) -> str:
    """Return what becomes of a query's values over time: of what is added its sum, of levels the last one."""
    if query.endswith(".as_count()"):
        return "sum"
    return "last" if query.startswith("max:") and not query.endswith(".as_rate()") else "avg"


def _number_format(unit: str) -> dict[str, Any]:
    if unit.startswith(_SUFFIX):
        return {"number_format": {"unit": {"type": "custom_unit_label", "label": unit.removeprefix(_SUFFIX)}}}
    if unit in _UNITS:
        return {"number_format": {"unit": {"type": "canonical_unit", **_UNITS[unit]}}}
    return {}


def _plain(text: str) -> str:
    """Return a text without Grafana's variable."""
    return text.replace("Column $column", "The column chosen above").replace("$column", "the column")
