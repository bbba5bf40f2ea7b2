"""Drift in plain PromQL: recording rules that compute the processor's distances inside of Prometheus.

ml_column_value          ->  window, all replicas  ->  shares by bin  \
    ml_column_bins_bucket    ->  likewise              ->  likewise        ->  distances
ml_column_categories     ->  likewise              ->  likewise       /
the baseline    ->  shares by bin /
"""

from __future__ import annotations

from typing import Any

from driftmeter import semconv
from driftmeter.alerts._recording_categorical import CategoricalColumn, category_rules
from driftmeter.alerts._recording_numeric import NumericColumn, histogram_rules
from driftmeter.alerts._recording_settings import (
    BASELINE_ROWS,
    BASELINE_SHARE,
    BINS,
    CATEGORIES,
    DISTANCE,
    LABELS,
    ROWS,
    SHARE,
    VALUE,
    Recording,
    Rule,
)
from driftmeter.alerts._text import duration_text
from driftmeter.alerts._yaml import to_yaml
from driftmeter.exceptions import BaselineError
from driftmeter.processor import NumericGrid, make_grids
from driftmeter.prometheus_names import label_name


def columns_of(recording: Recording) -> tuple[list[NumericColumn], list[CategoricalColumn]]:
    """Return the columns that windows are compared on: those with values in the baseline, and not to be ignored."""
    numeric, categorical = [], []
    for column, grid in make_grids(recording.baseline.snapshot).items():
        ignored = recording.own.of_column(column.name).ignore
        if ignored or column.role == "label":
            continue
        if isinstance(grid, NumericGrid):
            numeric.append(NumericColumn(grid, recording))
        else:
            categorical.append(CategoricalColumn(grid, recording))
    if not numeric and not categorical:
        raise BaselineError(f"baseline must have a column with values; {recording.baseline.model.name} has none")
    return numeric, categorical


def promql_rules(recording: Recording) -> str:
    """Return the rule file.

    Raises:
        BaselineError: There is no column to compare.
    """
    numeric, categorical = columns_of(recording)
    rules = [*histogram_rules(numeric, recording), *category_rules(categorical, recording), _rows(recording)]
    for column in numeric:
        rules += column.rules()
    for categories in categorical:
        rules += categories.rules()
    rules += _distances(recording)
    name = f"driftmeter {recording.baseline.model.name} {recording.baseline.kind}"
    interval = duration_text(max(1.0, min(recording.config.step, 60.0)))
    return to_yaml(
        {"groups": [{"name": name, "interval": interval, "rules": [_written(rule, recording) for rule in rules]}]}
    )


def _written(rule: Rule, recording: Recording) -> dict[str, Any]:
    return {"record": rule.record, "expr": rule.expr, "labels": {**recording.labels, **rule.labels}}


def _rows(recording: Recording) -> Rule:
    """Return the rule of how many values each column's window has."""
    native = f"histogram_count({recording.of_all(VALUE)})"
    explicit = f"max by ({LABELS}) ({recording.of_all(BINS)})"
    categorical = f"sum by ({LABELS}) ({recording.of_all(CATEGORIES)})"
    return Rule(ROWS, f"round({native} or {explicit} or {categorical})")


def _distances(recording: Recording) -> list[Rule]:
    """Return the rules of distances, each of all columns at once.

    As in `driftmeter.stats`, a side that has nothing in a bin counts as half a row for PSI, though never as more than
    the other side's share. A live share of less than half a row is rounding.
    """
    live, baseline = recording.of_all(SHARE), recording.of_all(BASELINE_SHARE)
    joined = f"on ({LABELS}) group_left ()"
    half, half_baseline = f"(0.5 / {recording.of_all(ROWS)})", f"(0.5 / {recording.of_all(BASELINE_ROWS)})"
    p = f"({live} >= {joined} {half} or ({baseline} * 0 + {joined} {half} <= {baseline}) or {baseline})"
    q = f"({baseline} > 0 or ({live} * 0 + {joined} {half_baseline} <= {live}) or {live})"
    psi = f"sum by ({LABELS}) (\n({p}\n - {q})\n * ln({p}\n / {q} > 0)\n)"
    mean = f"({live} + {baseline})"
    from_live = f"sum by ({LABELS}) (({live} > 0) * log2(2 * {live} / {mean}))"
    from_baseline = f"sum by ({LABELS}) (({baseline} > 0) * log2(2 * {baseline} / {mean}))"
    jensen_shannon = f"sqrt(clamp(({from_live}\n + {from_baseline}) / 2, 0, 1))"
    method = label_name(semconv.ML_DISTANCE_METHOD)
    return [
        Rule(DISTANCE, psi, {method: "psi"}),
        Rule(DISTANCE, jensen_shannon, {method: "jensen_shannon"}),
    ]
