"""The panels of a model's calls, and of how right its predictions are."""

from __future__ import annotations

from driftmeter import semconv
from driftmeter.alerts import selector
from driftmeter.dashboards._panel import CALLS_PER_SECOND, ROWS_PER_SECOND, SECONDS, SHARE, Panel, Query, Section
from driftmeter.dashboards._scope import Ask, Scope, Tag
from driftmeter.prometheus_names import label_name


def calls_section(calls: Scope) -> Section:
    """Return the panels of calls."""
    duration = semconv.PREDICTION_DURATION
    return Section(
        "Calls",
        (
            Panel(
                kind="series",
                title="Latency",
                queries=tuple(
                    Query(ask=calls.quantile(q, duration), legend=f"p{100 * q:g}", traces=q == 0.99)
                    for q in (0.5, 0.95, 0.99)
                ),
                unit=SECONDS,
            ),
            Panel(
                kind="stacked",
                title="Calls",
                queries=(
                    Query(ask=calls.calls(duration, by=(semconv.ML_OPERATION_NAME,)), legend="{{ml_operation_name}}"),
                ),
                unit=CALLS_PER_SECOND,
            ),
            Panel(
                kind="series",
                title="Rows",
                queries=(Query(ask=calls.rate(semconv.PREDICTION_ROWS), legend="rows"),),
                unit=ROWS_PER_SECOND,
            ),
            Panel(
                kind="series",
                title="Calls that fail",
                queries=(Query(ask=calls.failing(duration), legend="of all calls"),),
                unit=SHARE,
            ),
            Panel(
                kind="stacked",
                title="Errors",
                queries=(
                    Query(
                        ask=calls.calls(duration, Tag(semconv.ERROR_TYPE), by=(semconv.ERROR_TYPE,)),
                        legend="{{error_type}}",
                    ),
                ),
                unit=CALLS_PER_SECOND,
                empty="none",
            ),
        ),
    )


def performance_section(calls: Scope) -> Section:
    """Return the panels of performance, by the names that it is to have."""
    start = label_name(semconv.PERFORMANCE)
    return Section(
        "Performance",
        tuple(
            Panel(
                kind="series",
                title=f"Performance, {source}",
                says=says,
                queries=(
                    Query(
                        ask=Ask(
                            "max by (__name__) ("
                            + selector(
                                "", f'__name__=~"{start}.+"', f'ml_performance_source="{source}"', *calls.matchers
                            )
                            + ")"
                        ),
                        legend="{{__name__}}",
                    ),
                ),
                empty="nothing sends it",
            )
            for source, says in (("measured", "With outcomes."), ("estimated", "Without outcomes."))
        ),
    )
