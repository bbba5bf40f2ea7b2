"""Pages as Grafana's dashboards, with grafana-foundation-sdk."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from typing import Any, Final

from grafana_foundation_sdk.builders import barchart, common, dashboard, heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import heatmap as heatmap_models
from grafana_foundation_sdk.models import prometheus as prometheus_models

from driftmeter.dashboards._panel import Kind, Page, Panel, Query, Variable

_TAG: Final = "driftmeter"
_SOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
_HEIGHT: Final = 9
_HEIGHT_OF_A_NUMBER: Final = 4

_AS_A_WORD: Final[dict[str, Any]] = {
    "unit": "none",
    "mappings": [{"type": "value", "options": {"0": {"text": "no"}, "1": {"text": "yes", "color": "red"}}}],
    "custom.cellOptions": {"type": "color-text"},
}


def to_json(page: Page, *, interval: str) -> str:
    """Return a page as the JSON of a dashboard.

    Args:
        page: The page.
        interval: How often processes export, as a Prometheus duration.
    """
    built = (
        dashboard.Dashboard(page.title)
        .uid(page.uid)
        .description(page.says)
        .tags([_TAG])
        .time("now-24h", "now")
        .refresh("1m")
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("driftmeter").type(models.DashboardLinkType.DASHBOARDS).tags([_TAG]).keep_time(True)  # noqa: FBT003  # the SDK's way
        )
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    )
    for variable in page.variables:
        built.with_variable(_variable(variable))
    ids = count(1)
    for section in page.sections:
        built.with_row(dashboard.Row(section.title).id(next(ids)))
        for panel in section.panels:
            built.with_panel(_panel(panel, interval=interval).id(next(ids)))
    return json.dumps(built.build(), cls=JSONEncoder, indent=2, ensure_ascii=False) + "\n"


def _variable(variable: Variable) -> dashboard.QueryVariable:
    built = (
        dashboard.QueryVariable(variable.name)
        .label(variable.title)
        .datasource(_SOURCE)
        .query({"query": variable.query, "refId": f"{variable.name}-variable"})
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )
    if variable.regex:
        built.regex(variable.regex)
    if variable.everything is not None:
        built.include_all(True).all_value(variable.everything)  # noqa: FBT003  # the SDK's way
        built.current(models.VariableOption(text="All", value="$__all"))
    return built


def _panel(panel: Panel, *, interval: str) -> Any:
    built = _KINDS[panel.kind](panel)
    built.title(panel.title).datasource(_SOURCE).span(panel.width).height(
        _HEIGHT_OF_A_NUMBER if panel.kind == "stat" else _HEIGHT
    )
    for at, query in enumerate(panel.queries):
        built.with_target(_target(query, panel, ref_id=chr(ord("A") + at)).interval(interval))
    if panel.says:
        built.description(f"{panel.says} {panel.marks}".strip())
    if panel.empty:
        built.no_value(panel.empty)
    return built


def _target(query: Query, panel: Panel, *, ref_id: str) -> prometheus.Dataquery:
    formats = prometheus_models.PromQueryFormat
    built = prometheus.Dataquery().ref_id(ref_id).expr(query.ask.promql)
    if panel.kind in {"table", "bars"}:
        return built.instant().format(formats.TABLE)
    built = built.instant() if panel.kind == "stat" else built.range()
    built.format(formats.HEATMAP if query.buckets else formats.TIME_SERIES)
    if query.legend:
        built.legend_format(query.legend)
    return built.exemplar(query.traces)


def _series(panel: Panel) -> timeseries.Panel:
    built = (
        timeseries.Panel()
        .unit(panel.unit)
        .fill_opacity(40 if panel.kind == "stacked" else 5)
        .legend(
            common.VizLegendOptions()
            .display_mode(common_models.LegendDisplayMode.LIST)
            .placement(common_models.LegendPlacement.BOTTOM)
            .show_legend(True)  # noqa: FBT003  # the SDK's way
        )
        .tooltip(
            common.VizTooltipOptions()
            .mode(common_models.TooltipDisplayMode.MULTI)
            .sort(common_models.SortOrder.DESCENDING)
        )
    )
    if panel.kind == "stacked":
        built.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL))
    return built


def _stat(panel: Panel) -> stat.Panel:
    built = (
        stat.Panel()
        .unit(panel.unit)
        .graph_mode(common_models.BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    steps = [models.Threshold(color="green")]
    if panel.alarm is not None:
        steps.append(models.Threshold(value=panel.alarm, color="red"))
    mode = models.ThresholdsMode.ABSOLUTE
    return built.thresholds(dashboard.ThresholdsConfig().mode(mode).steps(steps))


def _heatmap(panel: Panel) -> heatmap.Panel:
    return (
        heatmap.Panel()
        .calculate(False)  # noqa: FBT003  # the SDK's way
        .color(
            heatmap.HeatmapColorOptions()
            .mode(heatmap_models.HeatmapColorMode.SCHEME)
            .scheme("Oranges")
            .scale(heatmap_models.HeatmapColorScale.EXPONENTIAL)
            .exponent(0.5)
            .steps(64)
            .reverse(False)  # noqa: FBT003  # the SDK's way
        )
        .cell_values(heatmap.CellValues().unit(panel.unit))
        .hide_from(common.HideSeriesConfig().tooltip(False).legend(False).viz(False))  # noqa: FBT003  # likewise
        .show_tooltip()
        .show_legend()
    )


def _table(panel: Panel) -> table.Panel:
    built = table.Panel()
    for transformation in _joined(panel):
        built.with_transformation(transformation)
    for query in panel.queries:
        settings = _AS_A_WORD if query.verdict else {"unit": query.unit}
        built.override_by_name(query.legend, [models.DynamicConfigValue(*setting) for setting in settings.items()])
    for title, url in panel.links.items():
        link = {"title": f"Show this {title.lower()}", "url": url}
        built.override_by_name(title, [models.DynamicConfigValue(id_val="links", value=[link])])
    by = common.TableSortByFieldState
    return built.sort_by([by().display_name(title).desc(True) for title in panel.worst_first])  # noqa: FBT003


def _bars(panel: Panel) -> barchart.Panel:
    built = barchart.Panel().unit(panel.unit).line_width(1).fill_opacity(80)
    built.gradient_mode(common_models.GraphGradientMode.NONE)
    name, order = panel.labels.values()
    for transformation in _joined(panel):
        built.with_transformation(transformation)
    to_number = {"targetField": order, "destinationType": "number"}
    in_order = {"fields": {}, "sort": [{"field": order}]}
    for id_val, options in (
        ("convertFieldType", {"fields": {}, "conversions": [to_number]}),
        ("sortBy", in_order),
        ("organize", {"excludeByName": {order: True}}),
    ):
        built.with_transformation(models.DataTransformerConfig(id_val=id_val, options=options))
    return built.x_field(name).x_tick_label_rotation(-45).x_tick_label_spacing(100)


def _joined(panel: Panel) -> list[models.DataTransformerConfig]:
    """Return what makes one row for each set of labels of several queries at one moment, with titles for columns."""
    values = [f"Value #{chr(ord('A') + at)}" for at in range(len(panel.queries))]
    titles = dict(zip(values, (query.legend for query in panel.queries), strict=True))
    order = {name: at for at, name in enumerate((*panel.labels, *values))}
    organize = {
        "excludeByName": {"Time": True},
        "indexByName": order,
        "renameByName": {**panel.labels, **titles},
    }
    return [
        models.DataTransformerConfig(id_val="merge", options={}),
        models.DataTransformerConfig(id_val="organize", options=organize),
    ]


_KINDS: Final[dict[Kind, Callable[[Panel], Any]]] = {
    "series": _series,
    "stacked": _series,
    "stat": _stat,
    "heatmap": _heatmap,
    "table": _table,
    "bars": _bars,
}
