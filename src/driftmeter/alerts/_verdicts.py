"""Alerts on what the processor has judged already: skew, drift, quality. A verdict of 1 is the condition."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from driftmeter import semconv
from driftmeter.alerts._alert import IT, Alert, Example, Monitor, Series, Severity, if_there, space
from driftmeter.alerts._critical import Critical
from driftmeter.alerts._settings import Settings
from driftmeter.alerts._text import APART, selector, tag_value
from driftmeter.prometheus_names import label_name, metric_name

_COLUMN: Final = (semconv.ML_MODEL_NAME, semconv.ML_MODEL_VERSION, semconv.ML_COLUMN_NAME)
_MODEL_AND_COLUMN: Final = "{{ $labels.ml_model_name }}: {{ $labels.ml_column_name }}"
# The volume has no column.
_MODEL_AND_PERHAPS_COLUMN: Final = "{{ $labels.ml_model_name }}" + if_there("ml_column_name", f": {IT}")
_WHAT: Final = (
    (
        "ModelSkew",
        "skew",
        semconv.SKEW_DETECTED,
        "is not as in the {{ $labels.ml_baseline_kind }} data",
        (
            "The distribution of this column differs from that of the data that the model was built with, by more than "
            "chance (a false discovery rate of {alpha:g}) and by at least {floor:.3g} of the rows. The log event "
            "ml.skew.detected says which values gained and lost."
        ),
    ),
    (
        "ModelDrift",
        "drift",
        semconv.DRIFT_DETECTED,
        "is not as before ({{ $labels.ml_baseline_kind }} {{ $labels.ml_baseline_id }})",
        (
            "The distribution of this column differs from that of earlier traffic, or of another model's, by more than "
            "chance (a false discovery rate of {alpha:g}) and by at least {floor:.3g} of the rows. The log event "
            "ml.drift.detected says which values gained and lost."
        ),
    ),
)


def verdict_alerts(settings: Settings) -> Iterator[Alert]:
    """Yield the alerts on columns that moved, and on bad values."""
    config = settings.config
    for name, signal, metric, says, meaning in _WHAT:
        yield from _of(
            settings,
            metric,
            name=name,
            signal=signal,
            summary=f"{_MODEL_AND_COLUMN} {says}",
            description=meaning.format(alpha=config.alpha, floor=config.effect_floor),
            by=(*_COLUMN, semconv.ML_BASELINE_KIND, semconv.ML_BASELINE_ID),
            labels={"ml_baseline_kind": "training" if signal == "skew" else "previous_window"},
        )
    yield from _of(
        settings,
        semconv.QUALITY_VIOLATED,
        name="ModelQuality",
        signal="quality",
        summary=f"{_MODEL_AND_PERHAPS_COLUMN} fails the check {{{{ $labels.ml_quality_check }}}}",
        description=(
            f"More values fail this check than in the baseline, by more than chance (at {config.alpha:g}) and by at "
            f"least {config.quality_floor:.3g} of the values; of volume, the window's rows are further from the usual "
            f"than {config.volume_floor:.3g} of it. The log event ml.quality.violated says how many."
        ),
        by=(*_COLUMN, semconv.ML_QUALITY_CHECK),
        labels={"ml_quality_check": "missing"},
    )


def _of(
    settings: Settings,
    metric: semconv.Metric,
    *,
    name: str,
    signal: str,
    summary: str,
    description: str,
    by: tuple[str, ...],
    labels: dict[str, str],
) -> Iterator[Alert]:
    critical = Critical(settings.config)
    series = metric_name(metric, settings.naming)

    def expr(matchers: str) -> str:
        return f"max {APART} ({selector(series, matchers)}) == 1"

    for severity, found in critical.of_columns(expr).items():
        cause = {**_cause(settings, severity), **labels}
        yield Alert(
            name=name,
            severity=severity,
            signal=signal,
            expr=found,
            hold=settings.hold,
            linger=settings.linger,
            summary=summary + _of_which_segment(settings),
            description=description,
            example=Example(
                series={
                    Series({"job": "shop", "instance": at})(series, **cause): f"0 1x{9 + round(settings.hold)}"
                    for at in ("a", "b")
                },
                at=5 * settings.beat + settings.hold,
                labels={"job": "shop", **cause},
            ),
            monitors=tuple(_monitors(settings, metric, critical.tags_of_columns(severity), by=by)),
        )


def _of_which_segment(settings: Settings) -> str:
    """Return what a summary says of the segment that moved, where it is one."""
    return "".join(
        if_there(label_name(segment), f" ({segment.removeprefix(semconv.ML_SEGMENT)} {IT})")
        for segment in settings.segments
    )


def _monitors(settings: Settings, metric: semconv.Metric, tags: str, *, by: tuple[str, ...]) -> Iterator[Monitor]:
    """Yield a monitor of whole models, and one for each attribute that segments are told by."""
    segments = [tag_value(segment) for segment in settings.segments]
    chosen = [] if tags == "*" else [f"({tags})"] if " " in tags and segments else [tags]
    scopes = [("", [f"NOT {segment}:*" for segment in segments], by)]
    scopes += [(f"by {segment}", [f"{segment}:*"], (*by, segment)) for segment in segments]
    for about, filters, groups in scopes:
        yield Monitor(
            query=space(f"max:{metric.name}", " AND ".join([*chosen, *filters]) or "*", by=groups),
            # The least value of that time: a single look that is taken back does not alert.
            aggregate="min",
            over=max(settings.hold, 300.0),
            compare=">=",
            threshold=1,
            about=about,
        )


def _cause(settings: Settings, severity: Severity) -> dict[str, str]:
    """Return the labels of a column of a severity, for an example."""
    for name, model in settings.config.models.items():
        for column, own in model.columns.items():
            if severity == "page" and (bool(model.critical) if own.critical is None else own.critical):
                return {"ml_model_name": name, "ml_column_name": column}
        if severity == "page" and model.critical:
            return {"ml_model_name": name, "ml_column_name": "any"}
    return {"ml_model_name": "another", "ml_column_name": "amount"}
