"""The page of one model."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from driftmeter import semconv
from driftmeter.dashboards._calls import calls_section, performance_section
from driftmeter.dashboards._columns import column_section
from driftmeter.dashboards._machine import gpu_section, host_section
from driftmeter.dashboards._overview import MODEL_UID
from driftmeter.dashboards._panel import ROWS_PER_SECOND, SECONDS, SHARE, Page, Panel, Query, Section, Variable
from driftmeter.dashboards._scope import SERVICE, Ask, Scope, Tag
from driftmeter.dashboards._settings import Settings
from driftmeter.prometheus_names import metric_name

_COLUMN: Final = "ml_column_name"
_BASELINE: Final = (semconv.ML_BASELINE_KIND, semconv.ML_BASELINE_ID)
OF_A_COLUMN: Final = (semconv.ML_COLUMN_NAME, *_BASELINE)
_OF_A_CHECK: Final = (semconv.ML_COLUMN_NAME, semconv.ML_QUALITY_CHECK)
_SEGMENTS: Final = r'/(?<value>ml_segment_(?<text>\w+="[^"]*"))/'
"""A segment's value is its whole matcher: labels have the names of columns, which are not known here."""


def model_page(settings: Settings) -> Page:
    """Return the page."""
    calls, signals = model_scopes(settings)
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


def model_scopes(settings: Settings) -> tuple[Scope, Scope]:
    """Return the series of the model's calls, and those of what is said of the model or of a segment."""
    calls = Scope(
        settings.naming,
        ('job="$service"', 'ml_model_name="$model"', 'ml_model_version=~"$version"'),
        ("$service", "$model", "$version"),
    )
    # Raw: it is a matcher, not a value.
    return calls, calls.within("${segment:raw}", filters=settings.no_segment)


def _variables(settings: Settings) -> tuple[Variable, ...]:
    rows = metric_name(semconv.WINDOW_ROWS, settings.naming)
    missing = metric_name(semconv.COLUMN_MISSING, settings.naming)
    model = 'job="$service", ml_model_name="$model"'
    return (
        Variable(name="service", title="Service", query=f"label_values({rows}, job)", tag=SERVICE),
        Variable(
            name="model",
            title="Model",
            query=f'label_values({rows}{{job="$service"}}, ml_model_name)',
            tag=semconv.ML_MODEL_NAME,
            first=next(iter(sorted(settings.config.models)), ""),
        ),
        Variable(
            name="version",
            title="Version",
            query=f"label_values({rows}{{{model}}}, ml_model_version)",
            tag=semconv.ML_MODEL_VERSION,
            everything=".*",
        ),
        Variable(
            name="segment",
            title="Segment",
            query=f"query_result({rows}{{{model}}})",
            regex=_SEGMENTS,
            everything=settings.whole_model,
        ),
        Variable(
            name="column",
            title="Column",
            query=f"label_values({missing}{{{model}}}, {_COLUMN})",
            tag=semconv.ML_COLUMN_NAME,
        ),
    )


def _now(signals: Scope, calls: Scope) -> list[Panel]:
    duration = semconv.PREDICTION_DURATION
    none = "no baseline"
    return [
        _stat("Columns skewed", signals.number_of(semconv.SKEW_DETECTED, by=OF_A_COLUMN), alarm=1, empty=none),
        _stat("Columns drifted", signals.number_of(semconv.DRIFT_DETECTED, by=OF_A_COLUMN), alarm=1, empty=none),
        _stat("Checks violated", signals.number_of(semconv.QUALITY_VIOLATED, by=_OF_A_CHECK), alarm=1),
        _stat("Rows", calls.rate(semconv.PREDICTION_ROWS), unit=ROWS_PER_SECOND),
        _stat("Latency, p95", calls.quantile(0.95, duration), unit=SECONDS),
        _stat("Calls that fail", calls.failing(duration), unit=SHARE),
        _stat("Last window ended", Ask(f"time() - max ({signals.of(semconv.WINDOW_END)})"), unit=SECONDS),
        _stat(
            "Age of the baseline",
            Ask(f"time() - max ({calls.of(semconv.BASELINE_TIME)})"),
            unit=SECONDS,
            empty=none,
        ),
    ]


def _stat(title: str, ask: Ask, *, unit: str = "none", alarm: float | None = None, empty: str = "") -> Panel:
    queries = (Query(ask=ask),)
    return Panel(kind="stat", title=title, queries=queries, unit=unit, width=3, alarm=alarm, empty=empty)


def _drift(signals: Scope) -> list[Panel]:
    def both(skew: semconv.Metric, drift: semconv.Metric) -> Ask:
        return Ask(" or ".join(signals.level(metric, by=OF_A_COLUMN).promql for metric in (skew, drift)))

    return [
        _heat_map("Skew by column", "The distance of each column from training data.", signals, semconv.SKEW_DISTANCE),
        _heat_map("Drift by column", "Likewise from earlier serving data.", signals, semconv.DRIFT_DISTANCE),
        Panel(
            kind="table",
            title="Verdicts",
            says="Choose a column for its distribution.",
            queries=(
                Query(ask=both(semconv.SKEW_DETECTED, semconv.DRIFT_DETECTED), legend="Moved", verdict=True),
                Query(ask=both(semconv.SKEW_DISTANCE, semconv.DRIFT_DISTANCE), legend="Distance"),
                Query(ask=both(semconv.SKEW_P_VALUE, semconv.DRIFT_P_VALUE), legend="p-value"),
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
                Query(ask=signals.level(metric, by=_BASELINE), legend=f"{word} {{{{ml_baseline_kind}}}}")
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
        queries=(Query(ask=signals.level(metric, by=(semconv.ML_COLUMN_NAME,)), legend=f"{{{{{_COLUMN}}}}}"),),
        empty="no such baseline",
    )


def _quality(signals: Scope) -> list[Panel]:
    volume = Tag(semconv.ML_QUALITY_CHECK, "volume")
    # It is no share of values, but of the usual rows.
    of_values = signals.level(semconv.QUALITY_RATIO, replace(volume, is_not=True), by=_OF_A_CHECK)
    violated = signals.level(semconv.QUALITY_VIOLATED, by=_OF_A_CHECK)
    legend = f"{{{{{_COLUMN}}}}} {{{{ml_quality_check}}}}"
    return [
        Panel(
            kind="series",
            title="Values that fail a check",
            queries=(Query(ask=of_values.above_zero(), legend=legend),),
            unit=SHARE,
            empty="none",
        ),
        Panel(
            kind="stacked",
            title="Checks violated",
            queries=(Query(ask=violated.above_zero(), legend=legend),),
            empty="none",
        ),
        Panel(
            kind="series",
            title="Rows of a window",
            queries=(Query(ask=signals.latest(semconv.WINDOW_ROWS), legend="rows"),),
            unit="suffix: rows",
        ),
        Panel(
            kind="series",
            title="Rows of a window, as a share of the usual",
            queries=(Query(ask=signals.latest(semconv.QUALITY_RATIO, volume), legend="rows"),),
            unit=SHARE,
            empty="known after three days",
        ),
    ]
