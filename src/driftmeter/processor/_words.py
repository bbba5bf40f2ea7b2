"""What moved, in words, from the bins: which value ranges or categories gained and lost share."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from driftmeter.processor._binned import Binned
from driftmeter.processor._comparison import Verdict
from driftmeter.processor._number_words import (
    category_words,
    decimals,
    p_value_words,
    percent,
    percents,
    range_words,
)
from driftmeter.sketches import OTHER
from driftmeter.typing import Float64Array

_LEAST_MOVE: Final = 0.005
_SMALL: Final = 0.05
_TELLING: Final = 1 / 3
"""The share of the rows that moved which the greatest gain or loss must have, to be told as what happened: of a small
one, which would not explain the verdict, twice that."""
_INNER_BINS: Final = 4
_METHOD_NAMES: Final = {
    "psi": "PSI",
    "jensen_shannon": "Jensen-Shannon",
    "kolmogorov_smirnov": "KS",
    "wasserstein": "Wasserstein",
    "hellinger": "Hellinger",
    "total_variation": "total variation",
    "l_infinity": "L-infinity",
    "chi_square": "chi-square",
}


def describe(verdict: Verdict) -> str:
    """Return, say, 'temp: 71-103 went from 2 % to 38 % of rows, 12-33 from 44 % to 0 %; PSI 4.1, p < 1e-12, ...'."""
    return f"{verdict.column.name}: {_what_moved(verdict)}; {_figures(verdict)}"


def describe_resolved(verdict: Verdict) -> str:
    """Return the sentence for a verdict that turned back."""
    return f"{verdict.column.name}: quiet again; {percent(verdict.effect)} of rows moved, {_figures(verdict)}"


def describe_not_judged(column: str) -> str:
    """Return the sentence for a verdict of 1 that a window does not speak of."""
    return f"{column}: not judged any more; too few values, or no part of the baseline"


def _figures(verdict: Verdict) -> str:
    """Return the distance, what speaks against chance, and the rows."""
    distance = f"{_METHOD_NAMES[verdict.method]} {verdict.distance:.2g}"
    rows = f"{verdict.binned.rows:,} rows"
    if verdict.threshold is not None:
        return f"{distance} {'over' if verdict.detected else 'below'} its threshold of {verdict.threshold:g}, {rows}"
    twice = " in the second window running" if verdict.repeated else ""
    return f"{distance}, {p_value_words(verdict.p_value)}{twice}, {rows}"


def _what_moved(verdict: Verdict) -> str:
    runs = _told_runs(verdict.binned)
    greatest = abs(runs[0].change) if runs else 0.0
    small = greatest < _SMALL
    many = not runs or greatest < _TELLING * (1 + small) * verdict.effect
    moves = ", ".join(_move(verdict.binned, run, brief=many or i > 0) for i, run in enumerate(runs))
    if not many:
        return moves
    if verdict.effect < _LEAST_MOVE:
        return "no range or category moved much"
    what, most = "many small moves" if small else "many moves", f", most {moves}" if moves else ""
    return f"{what}, {percent(verdict.effect)} of rows in all{most}"


def _move(binned: Binned, run: _Run, *, brief: bool) -> str:
    first, last = percents(run.before, run.after)
    went, rows = ("", "") if brief else ("went ", " of rows")
    return f"{_name(binned, run)} {went}from {first} to {last}{rows}"


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


def _told_runs(binned: Binned) -> list[_Run]:
    """Return the greatest gain and the greatest loss that are worth telling, the greater first."""
    before, after = binned.baseline / binned.baseline_rows, binned.live / binned.rows
    runs = _runs(before, after) if not binned.labels else _singles(before, after)
    gains = sorted((run for run in runs if run.change >= _LEAST_MOVE), key=lambda run: -run.change)
    losses = sorted((run for run in runs if run.change <= -_LEAST_MOVE), key=lambda run: run.change)
    return sorted(gains[:1] + losses[:1], key=lambda run: -abs(run.change))


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
        return "other categories" if label == OTHER else category_words(label)
    lower, upper = binned.edges
    digits = decimals(_span(lower.tolist(), upper.tolist()))
    return range_words(float(lower[run.first]), float(upper[run.last]), digits)


def _span(lower: list[float], upper: list[float]) -> float:
    """Return how far most values lie apart: without the outermost bins, where one stray value may be far off."""
    inner = upper[-2] - lower[1] if len(lower) >= _INNER_BINS else 0.0
    return inner if inner > 0 else upper[-1] - lower[0]
