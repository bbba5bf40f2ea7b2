"""The page of all models, the worst first."""

from __future__ import annotations

from typing import Final

from driftmeter import semconv
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
from driftmeter.dashboards._settings import Scope, Settings, failing, quantile

UID: Final = "driftmeter-overview"
MODEL_UID: Final = "driftmeter-model"
_BY: Final = "job, ml_model_name, ml_model_version"
_LEGEND: Final = "{{job}} {{ml_model_name}} {{ml_model_version}}"
_VERDICTS: Final = (semconv.SKEW_DETECTED, semconv.DRIFT_DETECTED, semconv.QUALITY_VIOLATED)


def overview(settings: Settings) -> Page:
    """Return the page."""
    calls = Scope(settings.naming, ('job=~"$service"',))
    signals = calls.within(settings.whole_model)
    window_rows = Scope(settings.naming, ()).of(semconv.WINDOW_ROWS)
    return Page(
        uid=UID,
        title="Models",
        says="All models, those with the most findings first.",
        variables=(
            Variable(name="service", title="Service", query=f"label_values({window_rows}, job)", everything=".*"),
        ),
        sections=(
            Section("Worst first", (_worst_first(signals, calls),)),
            Section("Over time", tuple(_over_time(signals, calls))),
        ),
    )


def _findings(signals: Scope) -> str:
    return f"sum by ({_BY}) (max without (instance, service_instance_id) ({signals.any_of(_VERDICTS)}))"


def _worst_first(signals: Scope, calls: Scope) -> Panel:
    age = f"time() - max by ({_BY}) ({signals.of(semconv.WINDOW_END)})"
    return Panel(
        kind="table",
        title="Models",
        says="Findings are verdicts of 1: columns skewed or drifted, and checks violated. Choose a model for its page.",
        queries=(
            Query(expr=_findings(signals), legend="Findings"),
            Query(expr=f"max by ({_BY}) ({signals.of(semconv.SKEW_SHARE)})", legend="Skewed features", unit=SHARE),
            Query(expr=f"max by ({_BY}) ({signals.of(semconv.DRIFT_SHARE)})", legend="Drifted features", unit=SHARE),
            Query(expr=failing(calls, semconv.PREDICTION_DURATION, by=_BY), legend="Calls that fail", unit=SHARE),
            Query(expr=quantile(0.95, calls, semconv.PREDICTION_DURATION, by=_BY), legend="Latency, p95", unit=SECONDS),
            Query(expr=calls.rate(semconv.PREDICTION_ROWS, by=_BY), legend="Rows", unit=ROWS_PER_SECOND),
            Query(expr=age, legend="Last window ended", unit=SECONDS),
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
        Panel(kind="series", title="Findings", queries=(Query(expr=_findings(signals), legend=_LEGEND),)),
        Panel(
            kind="series",
            title="Calls that fail",
            queries=(Query(expr=failing(calls, duration, by=_BY), legend=_LEGEND),),
            unit=SHARE,
        ),
        Panel(
            kind="series",
            title="Latency, p95",
            queries=(Query(expr=quantile(0.95, calls, duration, by=_BY), legend=_LEGEND),),
            unit=SECONDS,
        ),
        Panel(
            kind="series",
            title="Calls",
            queries=(Query(expr=calls.rate(duration, by=_BY, suffix="_count"), legend=_LEGEND),),
            unit=CALLS_PER_SECOND,
        ),
    ]
