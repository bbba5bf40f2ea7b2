"""Quality: bad values by check, their ratio in a window and whether it exceeds the baseline's by more than chance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from driftmeter import stats
from driftmeter.schema import Column
from driftmeter.sketches import CategoricalSketch, NumericSketch, Sketch, Snapshot, key_values

RANGE_MARGIN = 0.1
"""How far beyond the baseline's range a value may lie, as a share of the range."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check of one column: ``bad`` of ``rows``, where the baseline had ``baseline_bad`` of ``baseline_rows``."""

    column: Column
    check: str
    bad: int
    rows: int
    baseline_bad: int
    baseline_rows: int
    violated: bool = False

    @property
    def ratio(self) -> float:
        """The share of bad values in the window."""
        return self.bad / self.rows

    @property
    def baseline_ratio(self) -> float:
        """The share of bad values in the baseline."""
        return self.baseline_bad / self.baseline_rows if self.baseline_rows else 0.0


def check(window: Snapshot, baseline: Snapshot | None, *, alpha: float, floor: float, min_rows: int) -> list[Finding]:
    """Return the findings of all checks that could be made, with their verdicts."""
    findings = [finding for finding in _findings(window, baseline) if finding.rows]
    if not findings:
        return []
    bad, rows, bad0, rows0 = np.array(
        [(f.bad, f.rows, f.baseline_bad, f.baseline_rows) for f in findings], dtype=np.float64
    ).T
    # Without a baseline nothing says what is usual, and no verdict is given.
    known = rows0 > 0
    p_values = np.full(len(findings), np.nan)
    p_values[known] = stats.excess_p_value(bad[known], rows[known], bad0[known], rows0[known])
    adjusted = stats.benjamini_hochberg(p_values)
    excess = bad / rows - np.divide(bad0, rows0, out=np.zeros_like(bad0), where=known)
    violated = known & (adjusted <= alpha) & (excess >= floor) & (rows >= min_rows)
    return [
        Finding(f.column, f.check, f.bad, f.rows, f.baseline_bad, f.baseline_rows, bool(verdict))
        for f, verdict in zip(findings, violated, strict=True)
    ]


def _findings(window: Snapshot, baseline: Snapshot | None) -> Iterator[Finding]:
    known = baseline.columns if baseline is not None else {}
    for column, live in window.columns.items():
        yield from _column(column, live, known.get(column))
    if baseline is None:
        return
    rows = window.rows
    live_features = {column for column in window.columns if column.role == "feature"}
    baseline_features = {column for column in known if column.role == "feature"}
    for column in sorted(baseline_features):
        seen = window.columns[column].total if column in live_features else 0
        yield Finding(column, "missing_column", max(0, rows - seen), rows, 0, known[column].total)
    for column in sorted(live_features - baseline_features):
        yield Finding(column, "unexpected_column", window.columns[column].total, rows, 0, baseline.rows)


def _column(column: Column, live: Sketch, known: Sketch | None) -> Iterator[Finding]:
    total, total0 = live.total, known.total if known is not None else 0
    yield Finding(column, "missing", live.missing, total, known.missing if known is not None else 0, total0)
    yield Finding(column, "type_mismatch", live.mismatched, total, known.mismatched if known is not None else 0, total0)
    if isinstance(live, NumericSketch):
        of_kind = known if isinstance(known, NumericSketch) else None
        non_finite = of_kind.non_finite if of_kind is not None else 0
        yield Finding(column, "non_finite", live.non_finite, total, non_finite, total0)
        if of_kind is not None and of_kind.count:
            yield Finding(column, "out_of_range", _out_of_range(live, of_kind), live.count, 0, of_kind.count)
    elif isinstance(known, CategoricalSketch):
        unseen = live.other + sum(count for name, count in live.counts.items() if name not in known.counts)
        yield Finding(column, "unseen_category", unseen, live.count, known.other, known.count)


def _out_of_range(live: NumericSketch, known: NumericSketch) -> int:
    margin = RANGE_MARGIN * (known.max - known.min)
    keys, counts = live.keys()
    values = np.clip(key_values(keys, live.scale), live.min, live.max)
    outside = (values < known.min - margin) | (values > known.max + margin)
    return int(counts[outside].sum())
