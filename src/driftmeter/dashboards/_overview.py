"""The page of all models, the worst first."""

from __future__ import annotations

from typing import Final

from driftmeter import semconv
from driftmeter.alerts import APART, selector
from driftmeter.dashboards._panel import (
    CALLS_PER_SECOND,
    ROWS_PER_SECOND,
    SECONDS,
    SHARE,
    Page,
    Panel,
    Query,
    Section,
    Variable,
)
from driftmeter.dashboards._scope import SERVICE, Ask, Scope, label_of
from driftmeter.dashboards._settings import Settings
from driftmeter.prometheus_names import metric_name

UID: Final = "driftmeter-overview"
MODEL_UID: Final = "driftmeter-model"
_BY: Final = (SERVICE, semconv.ML_MODEL_NAME, semconv.ML_MODEL_VERSION)
_LABELS: Final = ", ".join(map(label_of, _BY))
_LEGEND: Final = "{{job}} {{ml_model_name}} {{ml_model_version}}"
_VERDICTS: Final = (semconv.SKEW_DETECTED, semconv.DRIFT_DETECTED, semconv.QUALITY_VIOLATED)


def overview(settings: Settings) -> Page:
    """Return the page."""
    calls = Scope(settings.naming, ('job=~"$service"',), ("$service",))
    signals = calls.within(settings.whole_model, filters=settings.no_segment)
    window_rows = Scope(settings.naming, (), ()).of(semconv.WINDOW_ROWS)
    return Page(
        uid=UID,
        title="Models",
        says="All models, those with the most findings first.",
        variables=(
            Variable(
                name="service",
                title="Service",
                query=f"label_values({window_rows}, job)",
                tag=SERVICE,
                everything=".*",
            ),
        ),
        sections=(
            Section("Worst first", (_worst_first(signals, calls),)),
            Section("Over time", tuple(_over_time(signals, calls))),
        ),
    )


def _findings(signals: Scope) -> Ask:
    names = "|".join(metric_name(metric, signals.naming) for metric in _VERDICTS)
    together = selector("", f'__name__=~"{names}"', *signals.matchers)
    return Ask(f"sum by ({_LABELS}) (max {APART} ({together}))")


def _worst_first(signals: Scope, calls: Scope) -> Panel:
    age = Ask(f"time() - max by ({_LABELS}) ({signals.of(semconv.WINDOW_END)})")
    return Panel(
        kind="table",
        title="Models",
        says="Findings are verdicts of 1: columns skewed or drifted, and checks violated. Choose a model for its page.",
        queries=(
            Query(ask=_findings(signals), legend="Findings"),
            Query(ask=signals.level(semconv.SKEW_SHARE, by=_BY), legend="Skewed features", unit=SHARE),
            Query(ask=signals.level(semconv.DRIFT_SHARE, by=_BY), legend="Drifted features", unit=SHARE),
            Query(ask=calls.failing(semconv.PREDICTION_DURATION, by=_BY), legend="Calls that fail", unit=SHARE),
            Query(ask=calls.quantile(0.95, semconv.PREDICTION_DURATION, by=_BY), legend="Latency, p95", unit=SECONDS),
            Query(ask=calls.rate(semconv.PREDICTION_ROWS, by=_BY), legend="Rows", unit=ROWS_PER_SECOND),
            Query(ask=age, legend="Last window ended", unit=SECONDS),
        ),
        width=24,
        labels={"job": "Service", "ml_model_name": "Model", "ml_model_version": "Version"},
        worst_first=("Findings", "Calls that fail"),
        links={
            "Model": (
                f"/d/{MODEL_UID}?var-datasource=${{datasource}}&var-service=${{__data.fields.Service:percentencode}}"
                "&var-model=${__data.fields.Model:percentencode}&${__url_time_range}"
            )
        },
    )


def _over_time(signals: Scope, calls: Scope) -> list[Panel]:
    duration = semconv.PREDICTION_DURATION
    return [
        Panel(kind="series", title="Findings", queries=(Query(ask=_findings(signals), legend=_LEGEND),)),
        Panel(
            kind="series",
            title="Calls that fail",
            queries=(Query(ask=calls.failing(duration, by=_BY), legend=_LEGEND),),
            unit=SHARE,
        ),
        Panel(
            kind="series",
            title="Latency, p95",
            queries=(Query(ask=calls.quantile(0.95, duration, by=_BY), legend=_LEGEND),),
            unit=SECONDS,
        ),
        Panel(
            kind="series",
            title="Calls",
            queries=(Query(ask=calls.calls(duration, by=_BY), legend=_LEGEND),),
            unit=CALLS_PER_SECOND,
        ),
    ]
