"""The pages as Datadog needs them: what Grafana joins or lets one choose is told in panels of its own."""

from __future__ import annotations

from dataclasses import replace

from driftmeter import semconv
from driftmeter.alerts import tag_value
from driftmeter.dashboards._model import OF_A_COLUMN, model_page, model_scopes
from driftmeter.dashboards._overview import overview
from driftmeter.dashboards._panel import Page, Panel, Query, Section, Variable
from driftmeter.dashboards._scope import Scope, Tag, label_of
from driftmeter.dashboards._settings import Settings


def datadog_overview(settings: Settings) -> Page:
    """Return the page of all models; verdicts of several metrics are not counted together there."""
    page = overview(settings)
    worst, *others = page.sections
    (table,) = worst.panels
    says = "Those with most of their features skewed, then with most calls that fail, first."
    table = replace(table, says=says, worst_first=("Skewed features", "Calls that fail"))
    return replace(page, says="All models.", sections=(replace(worst, panels=(table,)), *others))


def datadog_model_page(settings: Settings) -> Page:
    """Return the page.

    Grafana's table of verdicts joins skew with drift, and its variable of segments holds any filter; here are two
    tables, and a variable and a section for each attribute that segments are told by.
    """
    page = model_page(settings)
    calls, signals = model_scopes(settings)
    now, drift, *others = page.sections
    tables = (
        _verdicts(signals, "Skew", semconv.SKEW_DETECTED, semconv.SKEW_DISTANCE, semconv.SKEW_P_VALUE),
        _verdicts(signals, "Drift", semconv.DRIFT_DETECTED, semconv.DRIFT_DISTANCE, semconv.DRIFT_P_VALUE),
    )
    return replace(
        page,
        says=f"{page.says} Choose a service and a model first.",
        variables=(*page.variables, *map(_variable, settings.segments)),
        sections=(
            now,
            replace(drift, panels=(*drift.panels[:2], *tables, *drift.panels[2:])),
            *others,
            *(_segments(calls, segment) for segment in settings.segments),
        ),
    )


def _verdicts(
    signals: Scope, what: str, detected: semconv.Metric, distance: semconv.Metric, p_value: semconv.Metric
) -> Panel:
    told = (("Moved (1 is yes)", detected), ("Distance", distance), ("p-value", p_value))
    return Panel(
        kind="table",
        title=f"Verdicts of {what.lower()}",
        queries=tuple(Query(ask=signals.level(metric, by=OF_A_COLUMN), legend=title) for title, metric in told),
        worst_first=("Moved (1 is yes)", "Distance"),
    )


def _variable(segment: str) -> Variable:
    return Variable(name=_name(segment), title=segment, query="", tag=tag_value(segment))


def _name(segment: str) -> str:
    return label_of(segment.removeprefix("ml."))


def _segments(calls: Scope, segment: str) -> Section:
    of_segments = calls.within(filters=(f"${_name(segment)}", Tag(segment).datadog))
    column = segment.removeprefix(semconv.ML_SEGMENT)

    def panel(title: str, metric: semconv.Metric, by: tuple[str, ...], unit: str = "none") -> Panel:
        query = Query(ask=of_segments.level(metric, by=(tag_value(segment), *by)))
        return Panel(kind="series", title=title, queries=(query,), unit=unit, width=8)

    of_a_column = (semconv.ML_COLUMN_NAME,)
    return Section(
        f"Segments by {column}",
        (
            panel("Skew by segment and column", semconv.SKEW_DISTANCE, of_a_column),
            panel("Drift by segment and column", semconv.DRIFT_DISTANCE, of_a_column),
            panel("Rows of a window by segment", semconv.WINDOW_ROWS, (), "suffix: rows"),
        ),
    )
