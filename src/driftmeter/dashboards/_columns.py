"""The panels of one column: its live distribution, beside its baseline, and the way to traces."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from driftmeter import semconv
from driftmeter.alerts import RECORDED_BASELINE_SHARE, RECORDED_ROWS, RECORDED_SHARE, quoted, selector
from driftmeter.dashboards._panel import SHARE, VALUES_PER_SECOND, Panel, Query, Section
from driftmeter.dashboards._scope import Ask, Scope, Tag

_COLUMN: Final = Tag(semconv.ML_COLUMN_NAME, "$column")
_FEW_ROWS: Final = "too few rows in the window"
_NO_RULES: Final = "needs rows, and the rules of driftmeter alerts promql"
_QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)


def column_section(signals: Scope, *, recorded: Scope) -> Section:
    """Return the panels of the column that is chosen.

    Args:
        signals: What is said of the model or of a segment.
        recorded: What recording rules say, which is of whole models.
    """
    return Section(
        "Column $column",
        (_values(signals), _beside_the_baseline(recorded), _quantiles(signals), _categories(signals)),
    )


def _histogram(signals: Scope) -> str:
    if signals.naming == "pull":  # it has no native histograms
        return signals.grows(semconv.COLUMN_BINS, _COLUMN, by=("le",), suffix="_bucket")
    return signals.grows(semconv.COLUMN_VALUE, _COLUMN)


def _values(signals: Scope) -> Panel:
    distribution = signals.tagged("histogram", semconv.COLUMN_VALUE, _COLUMN)
    return Panel(
        kind="heatmap",
        title="Values of $column",
        says="The live distribution.",
        marks="While the column is skewed or drifted, a few of the rows that are more frequent than they were are "
        "marked; each leads to the trace of its call.",
        queries=(Query(ask=Ask(_histogram(signals), (distribution,)), buckets=True, traces=True),),
        unit=VALUES_PER_SECOND,
        empty="not a numeric column",
    )


def _beside_the_baseline(recorded: Scope) -> Panel:
    """Return live and baseline shares by bin, which recording rules compute; their order is that of the bins.

    A bin is called ``17.1..19.4``, and sorts by the number at its end. The last one, ``60.3..``, has none and is given
    one that is large enough.
    """
    queries = []
    for series, title in ((RECORDED_SHARE, "live"), (RECORDED_BASELINE_SHARE, "baseline")):
        shares = f"max by (bin) ({selector(series, *recorded.matchers, _COLUMN.promql)})"
        ends = rf'label_replace({shares}, "upto", "$1", "bin", ".*\\.\\.(.+)")'
        expr = rf'label_replace({ends}, "upto", "1e308", "bin", ".*\\.\\.")'
        if series == RECORDED_BASELINE_SHARE:
            expr += _instead(recorded)
        queries.append(Query(ask=Ask(expr), legend=title, unit=SHARE))
    return Panel(
        kind="bars",
        title="$column beside its baseline",
        says="Shares of the last window's values and of the baseline's, by the bins that they are compared on. From "
        "the rules that `driftmeter alerts promql` writes; of all rows, not of a segment.",
        queries=tuple(queries),
        unit=SHARE,
        empty=_NO_RULES,
        labels={"bin": "Bin", "upto": "Up to"},
    )


def _instead(recorded: Scope) -> str:
    """Return what stands in the place of the bins, as the name of one, where there are none.

    Grafana's bar chart does not show what its panel says of no data, and an empty one does not say what is missing.
    """
    rows = f"max ({selector(RECORDED_ROWS, *recorded.matchers, _COLUMN.promql)}) * 0"
    named = (
        f'label_replace(label_replace({value}, "bin", {quoted(says)}, "", ""), "upto", "0", "", "")'
        for value, says in ((rows, _FEW_ROWS), ("vector(0)", _NO_RULES))
    )
    return "".join(f" or on() {one}" for one in named)


def _quantiles(signals: Scope) -> Panel:
    return Panel(
        kind="series",
        title="Quantiles of $column",
        queries=tuple(
            Query(
                ask=signals.quantile(q, semconv.COLUMN_VALUE, _COLUMN, histogram=_histogram(signals)),
                legend=f"{100 * q:g} %",
                traces=q == _QUANTILES[-1],
            )
            for q in _QUANTILES
        ),
        empty="not a numeric column",
    )


def _categories(signals: Scope) -> Panel:
    of_each = signals.rate(semconv.COLUMN_CATEGORIES, _COLUMN, by=(semconv.ML_CATEGORY,))
    of_all = signals.grows(semconv.COLUMN_CATEGORIES, _COLUMN)
    # Datadog does not divide what is grouped by what is not.
    ask = replace(of_each, promql=f"{of_each.promql} / scalar({of_all})", unit=VALUES_PER_SECOND)
    return Panel(
        kind="stacked",
        title="Categories of $column",
        queries=(Query(ask=ask, legend="{{ml_category}}"),),
        unit=SHARE,
        empty="not a categorical column",
    )
