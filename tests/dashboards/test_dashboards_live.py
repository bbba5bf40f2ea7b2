"""Every query of every panel, by a real Prometheus that the demo has filled with drifted flights."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from typing import Any

import pytest

pytest.importorskip("grafana_foundation_sdk", reason="grafana-foundation-sdk needs Python 3.11")
pytest.importorskip("sklearn", reason="the demo extra is not installed")

from filled import IDLE_CPUS, RARE, SERVICE, STATES_OF_MEMORY, WHOLE_SET, WINDOW, Filled, fill, values
from pages import Target, choices, dashboards, filled_in, targets

from driftmeter.config import load
from driftmeter.dashboards import MODEL, OVERVIEW
from driftmeter.demo._flights import FEATURES

pytestmark = [pytest.mark.backends, pytest.mark.timeout(300)]

PAGES = dashboards(config=load(environ={}, overrides={"segments": ["origin"]}))
TARGETS = targets(PAGES)
WHOLE = 'ml_segment="", ml_segment_origin=""'
CHOSEN = {"service": SERVICE, "model": "flight-delay", "version": ".*", "segment": WHOLE, "__rate_interval": "8s"}
COLUMNS = {"Values of $column": ["temp"], "Quantiles of $column": ["temp"], "Categories of $column": ["carrier"]}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    with ExitStack() as stack:
        yield fill(tmp_path_factory.mktemp("filled"), stack)


def answer(filled: Filled, target: Target, **chosen: str) -> list[dict[str, Any]]:
    """What Grafana would be told: a range, or a moment."""
    expr = filled_in(target.expr, {**CHOSEN, **chosen})
    if target.query["instant"]:
        return filled.prometheus.query(expr, at=filled.end)
    return filled.prometheus.range(expr, start=filled.end - 2 * WINDOW, end=filled.end, step=1)


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_a_query_returns_data_in_its_unit(filled: Filled, target: Target) -> None:
    for column in COLUMNS.get(target.panel["title"], ["temp", "carrier"]):
        found = answer(filled, target, column=column)
        assert found
        shown = [value for value in values(found) if not math.isnan(value)]
        assert shown or any("histogram" in series or "histograms" in series for series in found)
        assert all(math.isfinite(value) for value in shown)
        if target.unit == "percentunit" and "share of the usual" not in target.panel["title"]:
            assert min(shown) >= 0
            assert max(shown) <= 1 + 1e-9
        if target.unit == "s" and "baseline" not in target.panel["title"]:
            assert 0 < min(shown) < max(shown) + 1e-9 < 60


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_legends_and_columns_of_tables_are_labels_that_are_there(filled: Filled, target: Target) -> None:
    wanted = set(re.findall(r"\{\{(\w+)\}\}", target.query.get("legendFormat", "")))
    if target.panel["type"] in {"table", "barchart"}:
        wanted = {name for name in target.columns if not name.startswith("Value #")}
    found = answer(filled, target, column=COLUMNS.get(target.panel["title"], ["temp"])[0])
    # A previous window has no id.
    assert wanted <= {label for series in found for label in series["metric"]}


@pytest.mark.parametrize("target", [t for t in TARGETS if "${segment:raw}" in t.expr], ids=str)
def test_a_query_returns_data_of_a_segment(filled: Filled, target: Target) -> None:
    if "share of the usual" in target.panel["title"]:
        return  # three days
    column = COLUMNS.get(target.panel["title"], ["temp"])[0]
    assert answer(filled, target, column=column, segment='ml_segment_origin="JFK"')


def test_the_rows_of_segments_add_up_to_those_of_the_model(filled: Filled) -> None:
    (target,) = (t for t in TARGETS if t.panel["title"] == "Rows of a window")
    (whole,) = answer(filled, target)
    parts = [
        dict(answer(filled, target, segment=f'ml_segment_origin="{origin}"')[0]["values"])
        for origin in ("EWR", "JFK", "LGA")
    ]
    # While rows come, a batch may be in one and not yet in the other.
    adds_up = [float(rows) == sum(float(part[at]) for part in parts) for at, rows in whole["values"]]
    assert sum(adds_up) > len(adds_up) / 2


def test_the_variables_offer_what_there_is(filled: Filled) -> None:
    chosen = dict(CHOSEN)
    offered = {}
    for variable in PAGES[MODEL]["templating"]["list"]:
        if variable["type"] == "query":
            offered[variable["name"]] = list(choices(filled.prometheus, variable, chosen))
    assert {name: [value for _, value in found] for name, found in offered.items() if name != "segment"} == {
        "service": [SERVICE],
        "model": ["flight-delay"],
        "version": ["1"],
        "column": sorted([*FEATURES, "prediction"]),
    }
    assert set(offered["segment"]) == {
        (f'origin="{origin}"', f'ml_segment_origin="{origin}"') for origin in ("EWR", "JFK", "LGA")
    }
    (service,) = (v for v in PAGES[OVERVIEW]["templating"]["list"] if v["type"] == "query")
    assert list(choices(filled.prometheus, service, {})) == [(SERVICE, SERVICE)]


def test_a_host_that_tells_overlapping_states_and_each_cpu_is_shown_once(filled: Filled) -> None:
    assert sum(STATES_OF_MEMORY.values()) > 1.01
    for title, state, share in (
        ("Memory of the host in use", None, STATES_OF_MEMORY["used"]),
        ("CPU of the host", "idle", sum(IDLE_CPUS.values()) / len(IDLE_CPUS)),
    ):
        (target,) = (t for t in TARGETS if t.panel["title"] == title)
        (shown,) = (
            series
            for series in answer(filled, target)
            if series["metric"] == {"instance": WHOLE_SET} | ({} if state is None else {"state": state})
        )
        assert values([shown]) == pytest.approx([share] * len(shown["values"]))


def test_a_moved_columns_marks_lead_to_traces(filled: Filled) -> None:
    """Summer is warmer than winter."""
    (target,) = (t for t in TARGETS if t.panel["title"] == "Values of $column")
    assert target.query["exemplar"] is True
    expr = filled_in(target.expr, {**CHOSEN, "column": "temp"})
    told = filled.prometheus.api("query_exemplars", query=expr, start=filled.end - 20, end=filled.end)
    marks = [mark for series in told for mark in series["exemplars"]]
    assert {series["seriesLabels"]["ml_column_name"] for series in told} == {"temp"}
    assert all(len(mark["labels"]["trace_id"]) == 32 and len(mark["labels"]["span_id"]) == 16 for mark in marks)
    assert min(float(mark["value"]) for mark in marks) > 60


def test_the_bins_beside_the_baseline_sort_by_the_number_that_they_end_with(filled: Filled) -> None:
    live, baseline = (t for t in TARGETS if t.panel["type"] == "barchart")
    shares = {}
    for side, target in (("live", live), ("baseline", baseline)):
        found = answer(filled, target, column="temp")
        ordered = sorted(found, key=lambda series: float(series["metric"]["upto"]))
        names = [series["metric"]["bin"] for series in ordered]
        assert names[0].startswith("..")
        assert names[-1].endswith("..")
        assert all(one.split("..")[1] == other.split("..")[0] for one, other in pairwise(names))
        shares[side] = {series["metric"]["bin"]: float(series["value"][1]) for series in ordered}
        assert sum(shares[side].values()) == pytest.approx(1)
    assert shares["live"].keys() == shares["baseline"].keys()
    warmest = list(shares["live"])[-1]
    assert shares["live"][warmest] > 0.5 > shares["baseline"][warmest]


@pytest.mark.parametrize(
    ("column", "says"),
    [
        ("unheard_of", "needs rows, and the rules of driftmeter alerts promql"),
        (RARE, "too few rows in the window"),
    ],
)
def test_the_place_of_bins_that_are_not_there_says_why(filled: Filled, column: str, says: str) -> None:
    live, baseline = (t for t in TARGETS if t.panel["type"] == "barchart")
    assert answer(filled, live, column=column) == []
    (bar,) = answer(filled, baseline, column=column)
    assert bar["metric"] == {"bin": says, "upto": "0"}
    assert float(bar["value"][1]) == 0


def test_the_overview_says_what_was_found(filled: Filled) -> None:
    findings = next(t for t in TARGETS if t.page == "overview" and t.panel["type"] == "table")
    (series,) = answer(filled, findings)
    told = filled.prometheus.query(
        'sum({__name__=~"ml_(skew|drift)_detected_ratio|ml_quality_violated_ratio", ml_segment_origin=""})',
        at=filled.end,
    )
    assert series["metric"] == {"job": SERVICE, "ml_model_name": "flight-delay", "ml_model_version": "1"}
    assert float(series["value"][1]) == float(told[0]["value"][1]) >= 3
