"""Alerts on calls: too many fail, too many are slow, there are none.

The first two go by how fast the budget of a period burns, over a long and a short window: the long one says that it
matters, the short one that it goes on. A burn of 1 spends exactly the budget in the period.

=========  ==========  ===========  ====  =====================================
severity   long        short        burn  of the budget is gone after the long one
=========  ==========  ===========  ====  =====================================
page       period/720  period/8640  14.4  2 %
page       period/120  period/1440  6     5 %
ticket     period/30   period/360   3     10 %
ticket     period/10   period/120   1     10 %
=========  ==========  ===========  ====  =====================================

Of 30 days these are 1 h and 5 m, 6 h and 30 m, 1 d and 2 h, 3 d and 6 h. Only a critical model pages.

Source: Beyer and others (2018), The Site Reliability Workbook, chapter 5, "Alerting on SLOs".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from driftmeter import semconv
from driftmeter.alerts._alert import Alert, Example, Monitor, Series, Severity, space
from driftmeter.alerts._critical import Critical
from driftmeter.alerts._settings import Settings
from driftmeter.alerts._text import duration_text, number, quoted, selector, tag_value
from driftmeter.prometheus_names import label_name, metric_name

_FAST: Final = ((720, 14.4), (120, 6.0))
_SLOW: Final = ((30, 3.0), (10, 1.0))
_SHORTER: Final = 12
_BY: Final = "job, ml_model_name, ml_model_version"
_MODEL: Final = (semconv.ML_MODEL_NAME, semconv.ML_MODEL_VERSION)
_CALL: Final = {"ml_operation_name": "predict"}


def call_alerts(settings: Settings) -> Iterator[Alert]:
    """Yield the alerts on calls."""
    duration = metric_name(semconv.PREDICTION_DURATION, settings.naming)
    count, slow = f"{duration}_count", f"{duration}_bucket"
    bound = _bound(settings.latency)

    def failing(matchers: str, window: str) -> str:
        failed = _rate(count, window, 'error_type!=""', matchers)
        return f"({failed} / {_rate(count, window, matchers)})"

    def late(matchers: str, window: str) -> str:
        return f"(1 - {_rate(slow, window, bound, matchers)} / {_rate(count, window, matchers)})"

    yield from _burning(
        settings,
        failing,
        name="ModelErrors",
        signal="errors",
        budget=settings.error_budget,
        summary="{{ $labels.ml_model_name }}: too many calls fail",
        description=(
            f"Calls raise exceptions so often that the budget of {settings.error_budget:.3g} of the calls in "
            f"{duration_text(settings.period)} will be gone long before its end."
        ),
        series={("_count", "error_type"): "ValueError", ("_count", ""): ""},
    )
    yield from _burning(
        settings,
        late,
        name="ModelLatency",
        signal="latency",
        budget=settings.latency_budget,
        summary=f"{{{{ $labels.ml_model_name }}}}: too many calls take more than {settings.latency:g} s",
        description=(
            f"Calls take more than {settings.latency:g} s so often that the budget of {settings.latency_budget:.3g} of "
            f"the calls in {duration_text(settings.period)} will be gone long before its end."
        ),
        series={("_count", ""): "", ("_bucket", "le"): number(settings.latency)},
    )
    yield from _silent(settings)
    yield from _absent(settings)


def _rate(series: str, window: str, *matchers: str) -> str:
    return f"sum by ({_BY}) (rate({selector(series, *matchers)}[{window}]))"


def _bound(seconds: float) -> str:
    # Pushed by OTLP a whole bound is written 1, scraped 1.0.
    text = number(seconds)
    return f'le=~"{text}|{text}\\\\.0"' if "." not in text else f"le={quoted(text)}"


def _burning(
    settings: Settings,
    share: Callable[[str, str], str],
    *,
    name: str,
    signal: str,
    budget: float,
    summary: str,
    description: str,
    series: dict[tuple[str, str], str],
) -> Iterator[Alert]:
    critical = Critical(settings.config)

    def burns(pairs: tuple[tuple[int, float], ...]) -> Callable[[str], str]:
        def expr(matchers: str) -> str:
            return "\nor\n".join(
                f"{share(matchers, long)} > {limit} and {share(matchers, short)} > {limit}"
                for long, short, limit in (
                    (
                        duration_text(settings.period / part),
                        duration_text(settings.period / part / _SHORTER),
                        number(round(burn * budget, 9)),
                    )
                    for part, burn in pairs
                )
            )

        return expr

    fast = critical.of_models(burns(_FAST))
    slow = burns(_SLOW)("")
    by_severity: dict[Severity, str] = {"ticket": f"{fast['ticket']}\nor\n{slow}"}
    if "page" in fast:
        slow = f"(\n{slow}\n)\nunless (\n{fast['page']}\n)"
        by_severity = {"page": fast["page"], "ticket": f"{slow}\nor\n{fast['ticket']}"}
    for severity, expr in by_severity.items():
        model = critical.models[0] if severity == "page" else "another"
        yield Alert(
            name=name,
            severity=severity,
            signal=signal,
            expr=expr,
            summary=summary,
            description=description,
            example=_example(settings, model, series),
            monitors=tuple(_monitors(settings, signal, budget, critical.tags_of_models(severity))),
        )


def _example(settings: Settings, model: str, series: dict[tuple[str, str], str]) -> Example:
    """Return calls of which all fail, or none is as fast as it should be."""
    duration = metric_name(semconv.PREDICTION_DURATION, settings.naming)
    write = Series({"job": "shop", "instance": "a", "ml_model_name": model, **_CALL})
    ticks = max(20, round(settings.period / 720 / settings.beat) + 5)
    told = {}
    for (suffix, label), value in series.items():
        named = write(duration + suffix, **({label: value} if label else {}))
        told[named] = f"0x{ticks}" if label == "le" else f"0+60x{ticks}"
    return Example(series=told, at=(ticks - 1) * settings.beat, labels={"job": "shop", "ml_model_name": model})


def _monitors(settings: Settings, signal: str, budget: float, tags: str) -> Iterator[Monitor]:
    """Yield the fast burn over its long window: a monitor cannot look at two windows at once."""
    part, burn = _FAST[0]
    share, over = round(burn * budget, 9), settings.period / part
    if signal == "errors":
        name = f"count:{semconv.PREDICTION_DURATION.name}"
        failed = f"{semconv.ERROR_TYPE}:*" + ("" if tags == "*" else f" AND {tags}")
        query = f"{space(name, failed, by=_MODEL, count=True)} / {space(name, tags, by=_MODEL, count=True)}"
        yield Monitor(query=query, aggregate="sum", over=over, compare=">", threshold=share)
    elif share < 1:
        # More than a tenth of the calls take more than a second just where the 90th percentile is above a second.
        percentile = f"p{round(100 * (1 - share), 2):g}:{semconv.PREDICTION_DURATION.name}"
        query = space(percentile, tags, by=_MODEL)
        yield Monitor(query=query, aggregate="percentile", over=over, compare=">", threshold=settings.latency)


def _silent(settings: Settings) -> Iterator[Alert]:
    critical = Critical(settings.config)
    rows = metric_name(semconv.PREDICTION_ROWS, settings.naming)
    window = max(settings.config.window, 10 * settings.tick)
    by = "sum by (job, ml_model_name)"

    def expr(matchers: str) -> str:
        chosen = selector(rows, matchers)
        before = f"{by} (increase({chosen}[{duration_text(settings.look_back)}])) > 0"
        return f"{before} unless {by} (increase({chosen}[{duration_text(window)}])) > 0"

    for severity, found in critical.of_models(expr).items():
        model = critical.models[0] if severity == "page" else "another"
        write = Series({"job": "shop", "instance": "a", "ml_model_name": model, **_CALL})
        ticks = round(window / settings.beat) + 10
        yield Alert(
            name="ModelSilent",
            severity=severity,
            signal="silence",
            expr=found,
            summary="{{ $labels.ml_model_name }} predicts no more",
            description=(
                f"There were predictions within {duration_text(settings.look_back)}, and none in the last "
                f"{duration_text(window)}: the service is gone, is not asked, or is not watched any more."
            ),
            example=Example(
                series={write(rows): f"0+60x9 540x{ticks}"},
                at=(ticks + 8) * settings.beat,
                labels={"job": "shop", "ml_model_name": model},
            ),
            monitors=(
                _no_rows(critical.tags_of_models(severity), by=(semconv.ML_MODEL_NAME,), over=window, labels={}),
            ),
        )


def _absent(settings: Settings) -> Iterator[Alert]:
    """Yield the alerts on models that the configuration names and nobody has heard of."""
    critical = Critical(settings.config)
    rows = metric_name(semconv.PREDICTION_ROWS, settings.naming)
    look_back = duration_text(settings.look_back)
    by_severity: dict[Severity, list[str]] = {}
    for name in critical.named:
        by_severity.setdefault("page" if name in critical.models else "ticket", []).append(name)
    for severity, names in by_severity.items():
        absent = [f"absent_over_time({selector(rows, f'ml_model_name={quoted(name)}')}[{look_back}])" for name in names]
        yield Alert(
            name="ModelAbsent",
            severity=severity,
            signal="silence",
            expr="\nor\n".join(absent),
            hold=settings.config.window,
            summary="{{ $labels.ml_model_name }} is configured, and predicts nowhere",
            description=f"The configuration names this model, and in {look_back} there was no prediction of it.",
            example=Example(
                series={},
                at=settings.config.window + 2 * settings.beat,
                labels={"ml_model_name": names[0]},
            ),
            # A group that was never seen is none, so each model has a monitor of its own, which is not grouped.
            monitors=tuple(
                _no_rows(
                    f"{semconv.ML_MODEL_NAME}:{tag_value(name)}",
                    by=(),
                    over=settings.look_back,
                    labels={label_name(semconv.ML_MODEL_NAME): name},
                )
                for name in names
            ),
        )


def _no_rows(tags: str, *, by: tuple[str, ...], over: float, labels: dict[str, str]) -> Monitor:
    """Return the monitor of nothing that is predicted: a sum of 0, or no sum at all."""
    return Monitor(
        query=space(f"sum:{semconv.PREDICTION_ROWS.name}", tags, by=by, count=True),
        aggregate="sum",
        over=over,
        compare="<=",
        threshold=0,
        tell_missing=True,
        labels=labels,
        about=", ".join(labels.values()),
    )
