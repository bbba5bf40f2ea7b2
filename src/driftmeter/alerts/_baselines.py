"""Alerts on what a model is measured by: its baseline is old, its performance falls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from driftmeter import semconv
from driftmeter.alerts._alert import Alert, Example, Series, Severity
from driftmeter.alerts._critical import Critical
from driftmeter.alerts._settings import DAY, Settings
from driftmeter.alerts._text import APART, duration_text, number, selector
from driftmeter.prometheus_names import metric_name

_BETTER_WHEN_HIGH: Final = ("accuracy", "balanced_accuracy", "f1", "precision", "r2", "recall", "roc_auc")
_BETTER_WHEN_LOW: Final = ("brier", "log_loss", "mae", "mape", "rmse")
_MAY_BE_NEGATIVE: Final = ("r2",)
_WEEK: Final = 7 * DAY


def baseline_alerts(settings: Settings) -> Iterator[Alert]:
    """Yield the alert on old baselines."""
    built = metric_name(semconv.BASELINE_TIME, settings.naming)
    cause = {"job": "shop", "ml_model_name": "another", "ml_baseline_kind": "training", "ml_baseline_id": "3f9c2b7a"}
    long_ago = number(-round(settings.stale_after) - 3600)
    yield Alert(
        name="ModelBaselineStale",
        severity="ticket",
        signal="baseline",
        expr=f"time() - max {APART} ({built}) > {number(settings.stale_after)}",
        summary="{{ $labels.ml_model_name }}: the {{ $labels.ml_baseline_kind }} baseline is old",
        description=f"It was built more than {duration_text(settings.stale_after)} ago.",
        example=Example(
            series={Series({**cause, "instance": "a"})(built): f"{long_ago}x9"}, at=5 * settings.beat, labels=cause
        ),
    )


def performance_alerts(settings: Settings) -> Iterator[Alert]:
    """Yield the alerts on performance, measured with outcomes and estimated without.

    They go by the names that performance is to have (``ml.performance.<measure>``), and are silent where there is none.
    """
    critical = Critical(settings.config)
    says = (
        f"is worse than its mean over the last week by more than {settings.worse:.3g} of it. What is better high: "
        f"{', '.join(_BETTER_WHEN_HIGH)}; low: {', '.join(_BETTER_WHEN_LOW)}."
    )
    for severity, expr in critical.of_models(lambda matchers: _worse(settings, "measured", matchers)).items():
        model = critical.models[0] if severity == "page" else "another"
        description = f"Performance, measured with outcomes, {says}"
        yield _performance(settings, "measured", severity, expr=expr, model=model, description=description)
    yield _performance(
        settings,
        "estimated",
        "ticket",
        expr=_worse(settings, "estimated", ""),
        model="another",
        description=f"Performance, estimated without outcomes, {says}",
    )


def _measure(name: str) -> semconv.Metric:
    return semconv.Metric(f"{semconv.PERFORMANCE}{name}", "gauge", "1", name, ())


def _worse(settings: Settings, source: str, matchers: str) -> str:
    terms = []
    for measures, compare, factor in (
        (_BETTER_WHEN_HIGH, "<", 1 - settings.worse),
        (_BETTER_WHEN_LOW, ">", 1 + settings.worse),
    ):
        for name in measures:
            series = selector(
                metric_name(_measure(name), settings.naming), f'ml_performance_source="{source}"', matchers
            )
            week = f"max {APART} (avg_over_time({series}[{duration_text(_WEEK)}]))"
            if name in _MAY_BE_NEGATIVE:
                # A share of what is below 0 lies above it, and so would always be missed.
                week = f"({week} > 0)"
            worse = f"max {APART} ({series}) {compare} {number(round(factor, 9))} * {week}"
            terms.append(f'label_replace({worse}, "measure", "{name}", "", "")')
    return "\nor\n".join(terms)


def _performance(
    settings: Settings, source: str, severity: Severity, *, expr: str, model: str, description: str
) -> Alert:
    name = "ModelPerformance" if source == "measured" else "ModelPerformanceEstimated"
    series = metric_name(_measure("accuracy"), settings.naming)
    cause = {"job": "shop", "ml_model_name": model, "ml_performance_source": source}
    hold = min(settings.config.window, 3600.0)
    ticks = round(hold / settings.beat) + 20
    return Alert(
        name=name,
        severity=severity,
        signal="performance",
        expr=expr,
        hold=hold,
        summary="{{ $labels.ml_model_name }}: {{ $labels.measure }} is worse than last week's",
        description=description,
        example=Example(
            series={Series({**cause, "instance": "a"})(series): f"0.9x{2 * ticks} 0.5x{ticks}"},
            at=(3 * ticks - 2) * settings.beat,
            labels={**cause, "measure": "accuracy"},
        ),
    )
