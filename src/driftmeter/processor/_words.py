"""What moved, in words, from the bins: which value ranges or categories gained and lost share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from driftmeter.processor._binned import Binned
from driftmeter.processor._comparison import Verdict
from driftmeter.processor._finding import Finding
from driftmeter.sketches import OTHER
from driftmeter.typing import Float64Array

_LEAST_MOVE = 0.005
_INNER_BINS = 4
_MOST_DIGITS = 15
_METHOD_NAMES = {
    "psi": "PSI",
    "jensen_shannon": "Jensen-Shannon",
    "kolmogorov_smirnov": "KS",
    "wasserstein": "Wasserstein",
    "hellinger": "Hellinger",
    "total_variation": "total variation",
    "l_infinity": "L-infinity",
    "chi_square": "chi-square",
}
_CHECK_WORDS = {
    "missing": "missing",
    "non_finite": "infinite",
    "type_mismatch": "of the wrong type",
    "out_of_range": "outside the baseline's range",
    "unseen_category": "in categories that the baseline does not know",
    "constant": "one and the same",
    "missing_column": "without this column",
    "unexpected_column": "with this column, which the baseline does not have",
}


def describe(verdict: Verdict) -> str:
    """Return, say, 'temp: 71-103 went from 2 % to 38 % of rows, 12-33 from 44 % to 0 %; PSI 4.1, p < 1e-12, ...'."""
    moves = moved(verdict.binned)
    what = ", ".join(moves) if moves else "no single range or category moved much"
    return f"{verdict.column.name}: {what}; {_figures(verdict)}"


def describe_resolved(verdict: Verdict) -> str:
    """Return the sentence for a verdict that turned back."""
    return f"{verdict.column.name}: quiet again; {percent(verdict.effect)} of rows moved, {_figures(verdict)}"


def describe_not_judged(column: str) -> str:
    """Return the sentence for a verdict of 1 that a window does not speak of."""
    return f"{column}: not judged any more; too few values, or no part of the baseline"


def _figures(verdict: Verdict) -> str:
    rows = verdict.binned.rows
    return f"{_METHOD_NAMES[verdict.method]} {verdict.distance:.2g}, {p_value_words(verdict.p_value)}, {rows:,} rows"


def describe_finding(finding: Finding) -> str:
    """Return, say, 'temp: 12 % of 5,812 values are missing, 0.1 % in the baseline'."""
    if finding.column is None:
        return f"volume: {finding.bad:,} rows, {percent(finding.ratio)} of the {finding.rows:,} that are usual now"
    words = _CHECK_WORDS[finding.check]
    unit = "rows" if finding.check.endswith("_column") else "values"
    usual = "" if finding.check.endswith("_column") else f", {percent(finding.baseline_ratio)} in the baseline"
    return f"{finding.column.name}: {percent(finding.ratio)} of {finding.rows:,} {unit} are {words}{usual}"


def describe_gone(finding: Finding) -> str:
    """Return the sentence for a check that was violated and has nothing to check any more."""
    return f"{finding.column.name if finding.column else finding.check}: nothing to check in this window"


def p_value_words(p: float) -> str:
    """Return 'p < 1e-12' below that, else 'p = ' and two digits."""
    return "p < 1e-12" if p < 1e-12 else f"p = {p:.2g}"


def percent(share: float) -> str:
    """Return a share as a rounded percentage: 38 %, 2.1 %, 0.3 %."""
    value = 100 * share
    if 0 < value < 0.1:
        return "< 0.1 %"
    return f"{value:.0f} %" if value >= 10 or value == round(value) else f"{value:.1f} %"


def percents(before: float, after: float) -> tuple[str, str]:
    """Return two shares as percentages, with as many decimals as it takes to tell them apart."""
    words = percent(before), percent(after)
    for decimals in (1, 2, 3):
        if words[0] != words[1] or before == after:
            break
        words = f"{100 * before:.{decimals}f} %", f"{100 * after:.{decimals}f} %"
    return words


def moved(binned: Binned) -> list[str]:
    """Return the greatest gain and the greatest loss, the greater first."""
    before = binned.baseline / binned.baseline_rows
    after = binned.live / binned.rows
    runs = _runs(before, after) if not binned.labels else _singles(before, after)
    gains = sorted((run for run in runs if run.change >= _LEAST_MOVE), key=lambda run: -run.change)
    losses = sorted((run for run in runs if run.change <= -_LEAST_MOVE), key=lambda run: run.change)
    chosen = sorted(gains[:1] + losses[:1], key=lambda run: -abs(run.change))
    sentences: list[str] = []
    for i, run in enumerate(chosen):
        first, last = percents(run.before, run.after)
        went, rows = ("", "") if i else ("went ", " of rows")
        sentences.append(f"{_name(binned, run)} {went}from {first} to {last}{rows}")
    return sentences


@dataclass(frozen=True, slots=True)
class _Run:
    """Neighbouring bins, from ``first`` to ``last``, and their share before and after."""

    first: int
    last: int
    before: float
    after: float

    @property
    def change(self) -> float:
        return self.after - self.before


def _runs(before: Float64Array, after: Float64Array) -> list[_Run]:
    gained = after > before
    starts = [0, *(int(i) + 1 for i in np.flatnonzero(gained[1:] != gained[:-1])), len(before)]
    return [
        _Run(first, end - 1, float(before[first:end].sum()), float(after[first:end].sum()))
        for first, end in pairwise(starts)
    ]


def _singles(before: Float64Array, after: Float64Array) -> list[_Run]:
    return [_Run(i, i, float(before[i]), float(after[i])) for i in range(len(before))]


def _name(binned: Binned, run: _Run) -> str:
    if binned.labels:
        label = binned.labels[run.first]
        return "other categories" if label == OTHER else _category(label)
    lower, upper = binned.edges
    digits = _decimals(_span(lower.tolist(), upper.tolist()))
    low, high = _rounded(float(lower[run.first]), digits), _rounded(float(upper[run.last]), digits)
    if low == high:
        return low
    return f"{low} to {high}" if low.startswith("-") or high.startswith("-") else f"{low}-{high}"


def _category(name: str) -> str:
    """Return a category's name, in quotes if it would not be seen for one: empty, with blanks around it or controls."""
    return name if name and name == name.strip() and name.isprintable() else repr(name)


def _span(lower: list[float], upper: list[float]) -> float:
    """Return how far most values lie apart: without the outermost bins, where one stray value may be far off."""
    inner = upper[-2] - lower[1] if len(lower) >= _INNER_BINS else 0.0
    return inner if inner > 0 else upper[-1] - lower[0]


def _decimals(span: float) -> int:
    """Decimals that tell some hundred values of the span apart; negative ones round to tens and hundreds."""
    return 2 - math.floor(math.log10(span)) if span > 0 and math.isfinite(span) else 6


def _rounded(value: float, digits: int) -> str:
    if value and not 1e-4 <= abs(value) < 1e7:
        whole = math.floor(math.log10(abs(value))) + 1
        if whole > _MOST_DIGITS:
            return f"{value:.3g}"
        if not 0 <= digits < whole:
            # As many digits as the decimals are, so that edges far from zero and near to each other can be told apart.
            return f"{value:.{min(max(3, whole + digits), 17)}g}"
    rounded = round(value, digits)
    return f"{rounded:,.{max(0, digits)}f}".rstrip("0").rstrip(".") if digits > 0 else f"{rounded:,.0f}"
