"""Quality: bad values by check, their ratio in a window and whether it exceeds the baseline's by more than chance."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np

from driftmeter import stats
from driftmeter.processor._comparison import Verdict
from driftmeter.processor._volume import Volume
from driftmeter.schema import Column
from driftmeter.sketches import CategoricalSketch, NumericSketch, Sketch, Snapshot, key_edges
from driftmeter.typing import Int64Array

CONSTANT_ROWS: Final = 50
"""Rows that count towards how unlikely it is that all hold one value; more of them may well be alike."""
RANGE_MARGIN: Final = 0.1
"""How far beyond the baseline's range a value may lie, as a share of the range."""

Tally: TypeAlias = dict[Column, Int64Array]
"""By column: rows seen, values that are neither missing nor invalid, and bad values by check; tallies add up."""

_CHECKS: Final = ("missing", "type_mismatch", "non_finite", "out_of_range", "unseen_category")
_OF_ROWS: Final = frozenset({"missing", "type_mismatch", "non_finite"})
_ROWS, _VALUES, _FIRST_CHECK = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One check of one column: ``bad`` of ``rows``, where the baseline had ``baseline_bad`` of ``baseline_rows``.

    Of ``volume``, which is about the whole window and has no column, ``rows`` are the usual ones.
    """

    column: Column | None
    check: str
    bad: int
    rows: int
    baseline_bad: int
    baseline_rows: int
    violated: bool = False
    critical: bool = False

    @property
    def ratio(self) -> float:
        """The share of bad values in the window."""
        return self.bad / self.rows

    @property
    def baseline_ratio(self) -> float:
        """The share of bad values in the baseline."""
        return self.baseline_bad / self.baseline_rows if self.baseline_rows else 0.0


@dataclass(frozen=True, slots=True)
class QualityRules:
    """When a check is violated: improbable by chance, over the floor, and from enough rows.

    Attributes:
        alpha: False discovery rate.
        share: The share of alpha that this look may spend, see `alpha_share`.
        floor: By how much the ratio must exceed the baseline's.
        min_rows: Fewer rows give no verdict.
        standing: What is violated so far, which stays so while improbable at the full rate.
    """

    alpha: float
    floor: float
    min_rows: int
    share: float = 1.0
    standing: Collection[tuple[Column | None, str]] = ()


def tally(snapshot: Snapshot, baseline: Snapshot | None) -> Tally:
    """Count a stretch of traffic's bad values; what is out of range or unseen depends on the baseline."""
    known = baseline.columns if baseline is not None else {}
    return {column: _tally_column(sketch, known.get(column)) for column, sketch in snapshot.columns.items()}


def _tally_column(live: Sketch, known: Sketch | None) -> Int64Array:
    non_finite = outside = unseen = 0
    if isinstance(live, NumericSketch):
        non_finite = live.non_finite
        if isinstance(known, NumericSketch) and known.count:
            outside = _out_of_range(live, known)
    elif isinstance(known, CategoricalSketch):
        unseen = live.other + sum(count for name, count in live.counts.items() if name not in known.counts)
    return np.array(
        [live.total, live.count, live.missing, live.mismatched, non_finite, outside, unseen], dtype=np.int64
    )


def _out_of_range(live: NumericSketch, known: NumericSketch) -> int:
    margin = RANGE_MARGIN * (known.max - known.min)
    if not (live.min < known.min - margin or live.max > known.max + margin):
        return 0
    keys, counts = live.keys()
    lower, upper = key_edges(keys, live.scale)
    # Only what lies outside for certain: a bucket that reaches into the range counts as inside.
    outside = (np.minimum(upper, live.max) < known.min - margin) | (np.maximum(lower, live.min) > known.max + margin)
    return int(counts[outside].sum())


def add(a: Tally, b: Tally) -> Tally:
    """Return the tally of both stretches; neither argument changes."""
    total = dict(a)
    for column, counts in b.items():
        total[column] = total[column] + counts if column in total else counts
    return total


def subtract(a: Tally, b: Tally) -> Tally:
    """Return the tally of a stretch without a part of it; columns without rows go. Neither argument changes."""
    left = a | {column: a[column] - counts for column, counts in b.items()}
    return {column: counts for column, counts in left.items() if counts[_ROWS]}


def check(window: Tally, baseline: Snapshot | None, rules: QualityRules) -> list[Finding]:
    """Return the findings of all checks that could be made, with their verdicts."""
    findings = [finding for finding in _findings(window, baseline) if finding.rows]
    if not findings:
        return []
    bad, rows, bad0, rows0 = np.array(
        [(found.bad, found.rows, found.baseline_bad, found.baseline_rows) for found in findings], dtype=np.float64
    ).T
    # Without a baseline nothing says what is usual, and no verdict is given.
    known = rows0 > 0
    p_values = np.full(len(findings), np.nan)
    p_values[known] = stats.excess_p_value(bad[known], rows[known], bad0[known], rows0[known])
    excess = bad / rows - np.divide(bad0, rows0, out=np.zeros_like(bad0), where=known)
    stands = np.array([(found.column, found.check) in rules.standing for found in findings])
    rates = np.where(stands, rules.alpha, rules.alpha * rules.share)
    violated = known & (stats.benjamini_hochberg(p_values) <= rates) & (excess >= rules.floor)
    violated &= rows >= rules.min_rows
    return [replace(found, violated=bool(verdict)) for found, verdict in zip(findings, violated, strict=True)]


def _findings(window: Tally, baseline: Snapshot | None) -> Iterator[Finding]:
    known: Mapping[Column, Sketch] = baseline.columns if baseline is not None else {}
    for column, live in window.items():
        # Counted against itself the baseline has neither unseen categories, but those it did not keep, nor outliers.
        usual = _tally_column(known[column], known[column]) if column in known else np.zeros_like(live)
        for at, name in enumerate(_CHECKS, start=_FIRST_CHECK):
            if _applies(name, column, known):
                of = _ROWS if name in _OF_ROWS else _VALUES
                yield Finding(column, name, int(live[at]), int(live[of]), int(usual[at]), int(usual[of]))
    if baseline is not None:
        yield from _columns(window, baseline)


def _applies(name: str, column: Column, known: Mapping[Column, Sketch]) -> bool:
    if name == "unseen_category":
        return column.kind == "categorical" and column in known
    if name == "out_of_range":
        return column.kind == "numeric" and column in known and known[column].count > 0
    return name != "non_finite" or column.kind == "numeric"


def _columns(window: Tally, baseline: Snapshot) -> Iterator[Finding]:
    rows = max((int(counts[_ROWS]) for counts in window.values()), default=0)
    live = {column for column in window if column.role == "feature"}
    expected = {column for column in baseline.columns if column.role == "feature"}
    for column in sorted(expected):
        seen = int(window[column][_ROWS]) if column in live else 0
        yield Finding(column, "missing_column", max(0, rows - seen), rows, 0, baseline.columns[column].total)
    for column in sorted(live - expected):
        yield Finding(column, "unexpected_column", int(window[column][_ROWS]), rows, 0, baseline.rows)


def check_volume(volume: Volume, rules: QualityRules) -> Finding:
    """Return whether a window has far more or fewer rows than is usual at its hour; ``floor`` is a share of them."""
    usual = max(1, round(volume.usual))
    odd = abs(volume.ratio - 1.0) >= rules.floor and volume.p_value <= rules.alpha
    return Finding(None, "volume", volume.rows, usual, usual, usual, odd and max(volume.rows, usual) >= rules.min_rows)


def check_constant(verdicts: Sequence[Verdict], rules: QualityRules) -> list[Finding]:
    """Return a finding for each column: whether it stopped varying, though it varies in the baseline.

    Violated when rows drawn from the baseline would not all be in the one bin that the window's rows are in. A flag
    that is nearly always 0 may be 0 all week.
    """
    findings: list[Finding] = []
    for verdict in verdicts:
        binned = verdict.binned
        rows, rows0 = int(binned.live.sum()), int(binned.baseline.sum())
        share = float(binned.baseline[int(binned.live.argmax())]) / rows0
        unlikely = share ** min(rows, CONSTANT_ROWS) <= rules.alpha
        bad = rows if binned.one_value else 0
        findings.append(Finding(verdict.column, "constant", bad, rows, 0, rows0, binned.one_value and unlikely))
    return findings
