"""What evaluations say as signals: numbers under their names, with attributes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from driftmeter import otlp, semconv
from driftmeter.baseline import Provenance
from driftmeter.processor._evaluation import Comparison, Evaluation
from driftmeter.processor._finding import Finding
from driftmeter.schema import Column, Model

_SECOND: Final = 1_000_000_000

Attributes: TypeAlias = dict[str, Any]
Signals: TypeAlias = Mapping[semconv.Metric, Iterable[tuple[Attributes, float]]]
Values: TypeAlias = defaultdict[semconv.Metric, list[tuple[Attributes, float]]]


def add_evaluation(values: Values, evaluation: Evaluation) -> None:
    """Add what one window of one model says."""
    model = otlp.model_attributes(evaluation.model)
    values[semconv.WINDOW_ROWS].append((model, evaluation.rows))
    values[semconv.WINDOW_END].append((model, evaluation.end / _SECOND))
    for comparison in evaluation.comparisons:
        _add_comparison(values, evaluation.model, comparison)
    for finding in evaluation.findings:
        _add_finding(values, evaluation.model, finding)


def _add_comparison(values: Values, model: Model, comparison: Comparison) -> None:
    metrics = (
        (semconv.SKEW_DISTANCE, semconv.SKEW_P_VALUE, semconv.SKEW_DETECTED, semconv.SKEW_SHARE)
        if comparison.word == "skew"
        else (semconv.DRIFT_DISTANCE, semconv.DRIFT_P_VALUE, semconv.DRIFT_DETECTED, semconv.DRIFT_SHARE)
    )
    distance, p_value, detected, share = metrics
    for verdict in comparison.verdicts:
        attributes = comparison_attributes(model, verdict.column, comparison.baseline)
        values[distance].append(({**attributes, semconv.ML_DISTANCE_METHOD: verdict.method}, verdict.distance))
        values[p_value].append((attributes, verdict.p_value))
        values[detected].append((attributes, int(verdict.detected)))
    attributes = {**otlp.model_attributes(model), **_baseline_attributes(comparison.baseline)}
    if comparison.share is not None:
        values[share].append((attributes, comparison.share))
    created = comparison.baseline.created_at
    # A segment's baseline is a part of its model's.
    if created is not None and model.segment is None:
        values[semconv.BASELINE_TIME].append((attributes, created))


def _add_finding(values: Values, model: Model, finding: Finding) -> None:
    attributes = finding_attributes(model, finding)
    values[semconv.QUALITY_RATIO].append((attributes, finding.ratio))
    if finding.baseline_rows:
        values[semconv.QUALITY_VIOLATED].append((attributes, int(finding.violated)))


def comparison_attributes(model: Model, column: Column, baseline: Provenance) -> Attributes:
    """Return the attributes of what is said of one column against one baseline."""
    return {**otlp.column_attributes(model, column), **_baseline_attributes(baseline)}


def _baseline_attributes(baseline: Provenance) -> Attributes:
    # The previous window has no id: it is another one each time, and each would make a new series.
    identity = {semconv.ML_BASELINE_ID: baseline.id} if baseline.id else {}
    return {semconv.ML_BASELINE_KIND: baseline.kind, **identity}


def finding_attributes(model: Model, finding: Finding) -> Attributes:
    """Return the attributes of what a check says."""
    about = otlp.model_attributes(model) if finding.column is None else otlp.column_attributes(model, finding.column)
    return {**about, semconv.ML_QUALITY_CHECK: finding.check}
