"""What is in the dashboards: names, labels and units by the conventions, by Grafana's own models of its JSON."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import Any

import pytest

pytest.importorskip("grafana_foundation_sdk", reason="grafana-foundation-sdk needs Python 3.11")

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import units
from pages import Target, dashboards, filled_in, targets

from driftmeter import semconv, semconv_hardware
from driftmeter.config import load
from driftmeter.dashboards import MODEL, OVERVIEW, Settings
from driftmeter.exceptions import ConfigError
from driftmeter.prometheus_names import NAMINGS, label_name, metric_name

PAGES = dashboards()
TARGETS = targets(PAGES)
METRICS = (*semconv.METRICS, *semconv_hardware.METRICS)
OF_THE_TARGET = {"job", "instance", "service_instance_id"}
SELECTOR = re.compile(r"([a-zA-Z_:]+)\{([^{}]*)\}")
GRAFANA_UNITS = {value for name, value in vars(units).items() if not name.startswith("_") and isinstance(value, str)}


def named(name: str) -> semconv.Metric:
    """The metric that a series is of."""
    bare = re.sub(r"_(bucket|count)$", "", name) if "duration_seconds" in name or "column_bins" in name else name
    (metric,) = (metric for metric in METRICS if metric_name(metric) == bare)
    return metric


def selectors(expr: str) -> list[tuple[str, set[str]]]:
    """The series that a query selects, each with the labels that it selects by."""
    values = {"segment": 'ml_segment=""', "__rate_interval": "4m", "__all": ""}
    expr = re.sub(r"\$\{segment:raw\}", values["segment"], expr)
    return [(name, set(re.findall(r"(\w+)(?:=~|!=|=)", inside))) for name, inside in SELECTOR.findall(expr)]


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_a_query_is_of_metrics_and_labels_that_are_sent(target: Target) -> None:
    for name, labels in selectors(target.expr):
        if name.startswith("driftmeter:"):
            continue  # recorded, and named by driftmeter.alerts
        known = {label_name(attribute) for attribute in named(name).attributes} | OF_THE_TARGET
        assert labels <= known | {"ml_segment"}
        grouped = re.findall(r"by \(([^)]*)\)", target.expr)
        assert {label for group in grouped for label in re.split(r",\s*", group)} <= known | {"le"}
    together = re.findall(r'__name__=~"([^"]+)"', target.expr)
    assert selectors(target.expr) or together
    for names in together:
        assert names == f"{label_name(semconv.PERFORMANCE)}.+" or [named(name) for name in names.split("|")]


RATES = {
    "ml_prediction_duration_seconds_count": "suffix: calls/s",
    "ml_prediction_rows_total": "suffix: rows/s",
    "ml_column_value": "suffix: values/s",
    "hw_gpu_io_bytes_total": "binBps",
    "hw_errors_total": "suffix: errors/s",
}
UNITS = {"s": "s", "By": "bytes", "W": "watt", "Cel": "celsius", "Hz": "hertz", "{row}": "suffix: rows", "": "none"}
SHARES = ("utilization", ".share", "quality.ratio")


def unit_of(expr: str) -> str:
    """The unit that a query's values have, by the conventions' unit and what the query does."""
    names = [name for name, _ in selectors(expr)]
    if not names:
        return "none"  # verdicts that are counted, and performance
    if names[0].startswith("driftmeter:") or ") / " in expr:
        return "percentunit"
    metric = named(names[0])
    if "rate(" in expr and "histogram_quantile" not in expr:
        return RATES[names[0]]
    if metric.unit == "1":
        return "percentunit" if metric.name.endswith(SHARES) else "none"
    return UNITS[metric.unit]


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_values_are_shown_in_the_unit_that_they_have(target: Target) -> None:
    assert target.unit == unit_of(target.expr)
    assert target.unit in GRAFANA_UNITS or target.unit.startswith("suffix: ")


@pytest.mark.parametrize("name", PAGES)
def test_grafanas_own_models_read_a_dashboard_and_write_the_same(name: str) -> None:
    register_default_plugins()
    page = PAGES[name]
    assert json.loads(json.dumps(models.Dashboard.from_json(page), cls=JSONEncoder)) == page


@pytest.mark.parametrize("name", PAGES)
def test_every_variable_that_is_used_is_one_of_the_page(name: str) -> None:
    page = PAGES[name]
    values = {variable["name"]: "x" for variable in page["templating"]["list"]}
    known = values | {"__rate_interval": "4m"}
    for target in targets({name: page}):
        filled_in(target.expr, known)
    for at, variable in enumerate(page["templating"]["list"]):
        if variable["type"] == "query":
            # Of those before it, so that they can be found one after the other.
            filled_in(variable["query"]["query"], dict(list(values.items())[:at]))


@pytest.mark.parametrize("name", PAGES)
def test_panels_have_ids_of_their_own_and_lie_beside_each_other(name: str) -> None:
    panels = PAGES[name]["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({(panel["title"], panel["type"]) for panel in panels}) >= len(panels) - 2

    def overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
        return all(
            one[start] < other[start] + other[size] and other[start] < one[start] + one[size]
            for start, size in (("x", "w"), ("y", "h"))
        )

    places = [panel["gridPos"] for panel in panels]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert not any(overlap(one, other) for one, other in combinations(places, 2))


def test_the_overview_leads_to_the_page_of_a_model() -> None:
    (table,) = (panel for panel in PAGES[OVERVIEW]["panels"] if panel["type"] == "table")
    assert table["options"]["sortBy"][0] == {"displayName": "Findings", "desc": True}
    (link,) = (
        setting["value"][0]["url"]
        for override in table["fieldConfig"]["overrides"]
        for setting in override["properties"]
        if setting["id"] == "links"
    )
    assert link.startswith(f"/d/{PAGES[MODEL]['uid']}?")
    variables = {variable["name"] for variable in PAGES[MODEL]["templating"]["list"]}
    assert set(re.findall(r"var-(\w+)=", link)) <= variables


def test_segments_of_the_configuration_are_told_apart_from_whole_models(tmp_path: Any) -> None:
    config = load(
        environ={}, folder=tmp_path, overrides={"segments": ["origin"], "models": {"m": {"segments": ["air line"]}}}
    )
    pages = dashboards(config=config)
    whole = 'ml_segment="", ml_segment_air_line="", ml_segment_origin=""'
    (segment,) = (v for v in pages[MODEL]["templating"]["list"] if v["name"] == "segment")
    assert segment["allValue"] == whole
    assert all(whole in target.expr for target in targets(pages) if "ml_skew" in target.expr and "job=~" in target.expr)


@pytest.mark.parametrize("naming", NAMINGS)
def test_names_are_those_of_the_data_source(naming: str) -> None:
    told = " ".join(target.expr for target in targets(dashboards(naming=naming)))
    assert metric_name(semconv.SKEW_DISTANCE, naming) + "{" in told
    assert metric_name(semconv.PREDICTION_ROWS, naming) + "{" in told
    # The pull exporter has no native histograms.
    assert ("ml_column_bins_bucket{" in told) == (naming == "pull")


def test_rates_look_back_by_the_interval_that_processes_export_at() -> None:
    pages = dashboards(interval=90.0)
    assert {target.query["interval"] for target in targets(pages)} == {"1m30s"}


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ConfigError, match="naming must be one of otlp, pull, plain; got 'statsd'"):
        Settings(naming="statsd")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"interval must be above 0; got 0"):
        Settings(interval=0)
