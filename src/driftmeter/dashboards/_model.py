"""The page of one model."""

from __future__ import annotations

from typing import Final

from driftmeter import semconv
from driftmeter.dashboards._calls import calls_section, performance_section
from driftmeter.dashboards._columns import column_section
from driftmeter.dashboards._machine import gpu_section, host_section
from driftmeter.dashboards._overview import MODEL_UID
from driftmeter.dashboards._panel import ROWS_PER_SECOND, SECONDS, SHARE, Page, Panel, Query, Section, Variable
from driftmeter.dashboards._settings import Scope, Settings, failing, quantile
from driftmeter.prometheus_names import metric_name

_COLUMN: Final = "ml_column_name"
_BASELINE: Final = "ml_baseline_kind, ml_baseline_id"
_SEGMENTS: Final = r'/(?<value>ml_segment_(?<text>\w+="[^"]*"))/'
"""A segment's value is its whole matcher: labels have the names of columns, which are not known here."""


def model_page(settings: Settings) -> Page:
    """Return the page."""
    calls = Scope(settings.naming, ('job="$service"', 'ml_model_name="$model"', 'ml_model_version=~"$version"'))
    # Raw: it is a matcher, not a value.
    signals = calls.within("${segment:raw}")
    return Page(
        uid=MODEL_UID,
        title="Model",
        says="One model: what moved, how well and how fast it predicts, and what it runs on.",
        variables=_variables(settings),
        sections=(
            Section("Now", tuple(_now(signals, calls))),
            Section("Drift", tuple(_drift(signals))),
            column_section(signals, recorded=calls),
            Section("Quality", tuple(_quality(signals))),
            performance_section(calls),
            calls_section(calls),
            host_section(settings.naming),
            gpu_section(settings.naming),
        ),
    )


def _variables(settings: Settings) -> tuple[Variable, ...]:
    rows = metric_name(semconv.WINDOW_ROWS, settings.naming)
    missing = metric_name(semconv.COLUMN_MISSING, settings.naming)
    model = 'job="$service", ml_model_name="$model"'
    return (
        Variable(name="service", title="Service", query=f"label_values({rows}, job)"),
        Variable(name="model", title="Model", query=f'label_values({rows}{{job="$service"}}, ml_model_name)'),
        Variable(
            name="version",
            title="Version",
            query=f"label_values({rows}{{{model}}}, ml_model_version)",
            everything=".*",
        ),
        Variable(
            name="segment",
            title="Segment",
            query=f"query_result({rows}{{{model}}})",
            regex=_SEGMENTS,
            everything=settings.whole_model,
        ),
        Variable(name="column", title="Column", query=f"label_values({missing}{{{model}}}, {_COLUMN})"),
    )


def _now(signals: Scope, calls: Scope) -> list[Panel]:
    duration = semconv.PREDICTION_DURATION
    none = "no baseline"
    return [
        _stat("Columns skewed", f"sum ({signals.latest(semconv.SKEW_DETECTED)})", alarm=1, empty=none),
        _stat("Columns drifted", f"sum ({signals.latest(semconv.DRIFT_DETECTED)})", alarm=1, empty=none),
        _stat("Checks violated", f"sum ({signals.latest(semconv.QUALITY_VIOLATED)})", alarm=1),
        _stat("Rows", calls.rate(semconv.PREDICTION_ROWS), unit=ROWS_PER_SECOND),
        _stat("Latency, p95", quantile(0.95, calls, duration), unit=SECONDS),
        _stat("Calls that fail", failing(calls, duration), unit=SHARE),
        _stat("Last window ended", f"time() - max ({signals.of(semconv.WINDOW_END)})", unit=SECONDS),
        _stat("Age of the baseline", f"time() - max ({calls.of(semconv.BASELINE_TIME)})", unit=SECONDS, empty=none),
    ]


def _stat(title: str, expr: str, *, unit: str = "none", alarm: float | None = None, empty: str = "") -> Panel:
    queries = (Query(expr=expr),)
    return Panel(kind="stat", title=title, queries=queries, unit=unit, width=3, alarm=alarm, empty=empty)


def _drift(signals: Scope) -> list[Panel]:
    def both(skew: semconv.Metric, drift: semconv.Metric) -> str:
        terms = (f"max by ({_COLUMN}, {_BASELINE}) ({signals.of(metric)})" for metric in (skew, drift))
        return " or ".join(terms)

    return [
        _heat_map("Skew by column", "The distance of each column from training data.", signals, semconv.SKEW_DISTANCE),
        _heat_map("Drift by column", "Likewise from earlier serving data.", signals, semconv.DRIFT_DISTANCE),
        Panel(
            kind="table",
            title="Verdicts",
            says="Choose a column for its distribution.",
            queries=(
                Query(expr=both(semconv.SKEW_DETECTED, semconv.DRIFT_DETECTED), legend="Moved", verdict=True),
                Query(expr=both(semconv.SKEW_DISTANCE, semconv.DRIFT_DISTANCE), legend="Distance"),
                Query(expr=both(semconv.SKEW_P_VALUE, semconv.DRIFT_P_VALUE), legend="p-value"),
            ),
            labels={_COLUMN: "Column", "ml_baseline_kind": "Baseline", "ml_baseline_id": "Its id"},
            worst_first=("Moved", "Distance"),
            links={
                "Column": f"/d/{MODEL_UID}?${{datasource:queryparam}}&${{service:queryparam}}&${{model:queryparam}}"
                "&${version:queryparam}&${segment:queryparam}&var-column=${__data.fields.Column:percentencode}&${__url_time_range}"
            },
        ),
        Panel(
            kind="series",
            title="Features with a verdict of 1",
            queries=tuple(
                Query(expr=f"max by ({_BASELINE}) ({signals.of(metric)})", legend=f"{word} {{{{ml_baseline_kind}}}}")
                for word, metric in (("skew", semconv.SKEW_SHARE), ("drift", semconv.DRIFT_SHARE))
            ),
            unit=SHARE,
        ),
    ]


def _heat_map(title: str, says: str, signals: Scope, metric: semconv.Metric) -> Panel:
    return Panel(
        kind="heatmap",
        title=title,
        says=says,
        queries=(Query(expr=f"max by ({_COLUMN}) ({signals.of(metric)})", legend=f"{{{{{_COLUMN}}}}}"),),
        empty="no such baseline",
    )


def _quality(signals: Scope) -> list[Panel]:
    volume = signals.latest(semconv.QUALITY_RATIO, 'ml_quality_check="volume"')
    # It is no share of values, but of the usual rows.
    of_values = signals.of(semconv.QUALITY_RATIO, 'ml_quality_check!="volume"')
    each = f"{_COLUMN}, ml_quality_check"
    legend = f"{{{{{_COLUMN}}}}} {{{{ml_quality_check}}}}"
    return [
        Panel(
            kind="series",
            title="Values that fail a check",
            queries=(Query(expr=f"max by ({each}) ({of_values}) > 0", legend=legend),),
            unit=SHARE,
            empty="none",
        ),
        Panel(
            kind="stacked",
            title="Checks violated",
            queries=(Query(expr=f"max by ({each}) ({signals.of(semconv.QUALITY_VIOLATED)}) > 0", legend=legend),),
            empty="none",
        ),
        Panel(
            kind="series",
            title="Rows of a window",
            queries=(Query(expr=signals.latest(semconv.WINDOW_ROWS), legend="rows"),),
            unit="suffix: rows",
        ),
        Panel(
            kind="series",
            title="Rows of a window, as a share of the usual",
            queries=(Query(expr=volume, legend="rows"),),
            unit=SHARE,
            empty="known after three days",
        ),
    ]
