"""The dashboards for Datadog: metrics and tags by the conventions, and what Datadog's own client takes and refuses."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import pytest

from driftmeter import semconv, semconv_hardware
from driftmeter.config import load
from driftmeter.dashboards import DATADOG_MODEL, DATADOG_OVERVIEW, Settings, datadog_dashboards

CONFIG = load(
    environ={}, overrides={"segments": ["origin"], "models": {"Flight Delay": {"segments": ["air line"]}, "b": {}}}
)
PAGES: dict[str, Any] = {name: json.loads(text) for name, text in datadog_dashboards(Settings(config=CONFIG)).items()}
METRICS = {metric.name: metric for metric in (*semconv.METRICS, *semconv_hardware.METRICS)}
SEGMENTS = ("ml.segment.air_line", "ml.segment.origin")
OF_THE_RESOURCE = {"service", "host"}
QUERY = re.compile(
    r"(?P<over>max|sum|avg|count|histogram|p[0-9]+):(?P<metric>[a-z0-9_.]+)\{(?P<filter>[^{}]*)\}"
    r"(?: by \{(?P<by>[a-z0-9_.,]+)\})?(?P<change>\.as_rate\(\)|\.as_count\(\))?"
)
FILTER = re.compile(r"\$(?P<variable>\w+)|(?:NOT )?(?P<tag>[a-z0-9_.]+):(?:\*|[a-z0-9_]+|\$(?P<value>\w+)\.value)")


def widgets(page: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for group in page["widgets"]:
        assert group["definition"]["type"] == "group"
        for widget in group["definition"]["widgets"]:
            yield widget["definition"]


def asked(page: dict[str, Any]) -> list[tuple[dict[str, Any], re.Match[str]]]:
    """Each query of a page with its widget."""
    found = []
    for widget in widgets(page):
        for request in widget["requests"]:
            for query in request.get("queries") or [request["query"]]:
                match = QUERY.fullmatch(query["query"])
                assert match is not None, query["query"]
                found.append((widget, match))
    return found


@pytest.mark.parametrize("name", PAGES)
def test_queries_are_of_metrics_and_tags_that_are_sent_and_of_variables_of_the_page(name: str) -> None:
    variables = {variable["name"] for variable in PAGES[name]["template_variables"]}
    for _, query in asked(PAGES[name]):
        metric = METRICS[query["metric"]]
        known = {*metric.attributes, *OF_THE_RESOURCE, *SEGMENTS}
        assert set((query["by"] or "service").split(",")) <= known
        parts = [FILTER.fullmatch(part) for part in query["filter"].split(" AND ")]
        assert all(parts)
        assert {part["tag"] for part in parts if part and part["tag"]} <= known
        assert {part["variable"] or part["value"] for part in parts if part} - {None} <= variables


@pytest.mark.parametrize("name", PAGES)
def test_a_metric_is_aggregated_as_its_kind_is_in_datadog(name: str) -> None:
    for widget, query in asked(PAGES[name]):
        kind = METRICS[query["metric"]].kind
        if "histogram" in kind:
            # OTLP's histograms become distributions.
            assert query["over"] in {"count", "histogram"} or query["over"].startswith("p")
            assert (query["change"] is not None) == (query["over"] == "count")
        else:
            assert query["over"] in {"max", "sum", "avg"}
            assert (query["change"] is not None) == (kind == "counter"), widget["title"]


@pytest.mark.parametrize("name", PAGES)
def test_formulas_use_the_queries_of_their_request(name: str) -> None:
    for widget in widgets(PAGES[name]):
        for request in widget["requests"]:
            if "formulas" in request:
                names = [query["name"] for query in request["queries"]]
                used = re.findall(r"\b[abc]\d+\b", " ".join(one["formula"] for one in request["formulas"]))
                assert sorted(used) == sorted(names)


@pytest.mark.parametrize("name", PAGES)
def test_widgets_lie_beside_each_other_within_twelve_columns(name: str) -> None:
    def check(placed: list[dict[str, Any]]) -> None:
        places = [widget["layout"] for widget in placed]
        assert all(place["x"] + place["width"] <= 12 for place in places)
        for one, other in combinations(places, 2):
            assert not all(
                one[start] < other[start] + other[size] and other[start] < one[start] + one[size]
                for start, size in (("x", "width"), ("y", "height"))
            )

    check(PAGES[name]["widgets"])
    for group in PAGES[name]["widgets"]:
        inside = group["definition"]["widgets"]
        check(inside)
        deepest = max(widget["layout"]["y"] + widget["layout"]["height"] for widget in inside)
        assert group["layout"]["height"] == deepest + 1  # its title


def test_whole_models_and_segments_are_never_mixed() -> None:
    for _, query in (one for page in PAGES.values() for one in asked(page)):
        if query["metric"] not in {"ml.skew.distance", "ml.drift.share", "ml.window.rows", "ml.column.categories"}:
            continue
        told = [segment for segment in SEGMENTS if f" AND {segment}:*" in query["filter"]]
        left_out = [segment for segment in SEGMENTS if f"NOT {segment}:*" in query["filter"]]
        assert (len(told), len(left_out)) in {(0, 2), (1, 0)}
        assert all(segment in query["by"].split(",") for segment in told)


def test_the_page_of_a_model_begins_with_one_of_the_configuration() -> None:
    chosen = {variable["name"]: variable for variable in PAGES[DATADOG_MODEL]["template_variables"]}
    assert chosen["model"] == {
        "name": "model",
        "prefix": "ml.model.name",
        "available_values": [],
        "defaults": ["flight_delay"],
    }
    assert chosen.keys() == {"service", "model", "version", "column", "segment_air_line", "segment_origin"}
    plain = json.loads(datadog_dashboards(Settings(config=load(environ={})))[DATADOG_MODEL])
    assert {variable["name"]: variable["defaults"] for variable in plain["template_variables"]}["model"] == ["*"]


def test_nothing_that_only_grafana_has_is_spoken_of() -> None:
    told = " ".join(f"{one['title']} {one.get('description', '')}" for page in PAGES.values() for one in widgets(page))
    assert "$" not in told
    assert "trace" not in told


def read(page: dict[str, Any]) -> Any:
    """A dashboard as Datadog's client reads it."""
    pytest.importorskip("datadog_api_client", reason="datadog-api-client is not installed")
    from datadog_api_client.configuration import Configuration
    from datadog_api_client.model_utils import validate_and_convert_types
    from datadog_api_client.v1.model.dashboard import Dashboard

    options = Configuration(spec_property_naming=True)
    return validate_and_convert_types(page, (Dashboard,), ["dashboard"], True, True, options)


def unknown_keys(model: Any) -> Iterator[str]:
    """Keys that the client's models do not have, which it takes all the same."""
    from datadog_api_client.model_utils import ModelComposed, ModelNormal

    if isinstance(model, list):
        for one in model:
            yield from unknown_keys(one)
    elif isinstance(model, ModelComposed):
        for one in model._composed_instances:
            yield from unknown_keys(one)
    elif isinstance(model, ModelNormal):
        yield from model._data_store.keys() - model.openapi_types.keys()
        for one in model._data_store.values():
            yield from unknown_keys(one)


@pytest.mark.parametrize("name", [DATADOG_OVERVIEW, DATADOG_MODEL])
def test_datadogs_client_takes_the_dashboards_whole(name: str) -> None:
    taken = read(PAGES[name])
    assert not taken._unparsed
    assert taken.to_dict() == PAGES[name]
    assert list(unknown_keys(taken)) == []


def first(page: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(widget for widget in widgets(page) if widget["type"] == kind)


WRONG: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a type of widget": lambda page: first(page, "timeseries").update(type="timeserie"),
    "a widget without requests": lambda page: first(page, "query_table").pop("requests"),
    "a widget's layout without height": lambda page: page["widgets"][0]["layout"].pop("height"),
    "a query without a name": lambda page: first(page, "query_value")["requests"][0]["queries"][0].pop("name"),
    "a source": lambda page: first(page, "timeseries")["requests"][0]["queries"][0].update(data_source="metric"),
    "an aggregator": lambda page: first(page, "query_value")["requests"][0]["queries"][0].update(aggregator="newest"),
    "a format": lambda page: first(page, "query_table")["requests"][0].update(response_format="table"),
    "a way to draw": lambda page: first(page, "timeseries")["requests"][0].update(display_type="heat"),
    "a kind of request": lambda page: first(page, "heatmap")["requests"][0].update(request_type="buckets"),
    "a comparator": lambda page: first(page, "query_value")["requests"][0]["conditional_formats"][0].update(
        comparator="=>"
    ),
    "an order": lambda page: first(page, "query_table")["requests"][0]["sort"]["order_by"][0].update(order="down"),
    "a layout": lambda page: page.update(layout_type="grid"),
    "a variable without a name": lambda page: page["template_variables"][0].pop("name"),
}


@pytest.mark.parametrize("what", WRONG)
def test_datadogs_client_tells_what_it_does_not_know(what: str) -> None:
    """Else it would be no judge."""
    page = copy.deepcopy(PAGES[DATADOG_MODEL])
    WRONG[what](page)
    assert read(page)._unparsed


def test_a_key_that_datadog_does_not_have_is_found() -> None:
    page = copy.deepcopy(PAGES[DATADOG_MODEL])
    first(page, "timeseries")["requests"][0]["quries"] = []
    assert list(unknown_keys(read(page))) == ["quries"]
