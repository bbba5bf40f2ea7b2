"""Quality: bad values by check, their ratio in a window and whether it exceeds the baseline's by more than chance."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from driftmeter import stats
from driftmeter.processor._binned import Binned
from driftmeter.processor._comparison import STANDING_FLOOR, Verdict
from driftmeter.processor._finding import Finding
from driftmeter.processor._tally import CHECKS, ROWS, Known, Tally, place_of, place_of_all
from driftmeter.processor._usual import Usual
from driftmeter.processor._volume import Volume
from driftmeter.schema import Column

CONSTANT_ROWS: Final = 50
"""Rows that count towards how unlikely it is that all hold one value; more of them may well be alike."""


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


def check(window: Tally, usual: Usual | None, rules: QualityRules) -> list[Finding]:
    """Return the findings of all checks that could be made, with their verdicts.

    Without a baseline nothing says what is usual, and no verdict is given.
    """
    findings = [finding for finding in _findings(window, usual) if finding.rows]
    if not findings or usual is None:
        return findings
    stands = np.array([(found.column, found.check) in rules.standing for found in findings])
    rates = np.where(stands, rules.alpha, rules.alpha * rules.share)
    excess = np.array([found.ratio - found.baseline_ratio for found in findings])
    rows = np.array([found.rows for found in findings])
    # NaN, where the baseline has no rows, is no violation.
    floors = np.where(stands, STANDING_FLOOR * rules.floor, rules.floor)
    violated = (stats.benjamini_hochberg(usual.p_values(findings)) <= rates) & (excess >= floors)
    violated &= rows >= rules.min_rows
    return [replace(found, violated=bool(verdict)) for found, verdict in zip(findings, violated, strict=True)]


def _findings(window: Tally, usual: Usual | None) -> Iterator[Finding]:
    columns: Mapping[Column, Known] = usual.known if usual is not None else {}
    known = usual.tally.on(window.columns) if usual is not None else np.zeros_like(window.counts)
    for column, live, before in zip(window.columns, window.counts.tolist(), known.tolist(), strict=True):
        for name in CHECKS:
            if _applies(name, column, columns):
                bad, of = place_of(name), place_of_all(name)
                yield Finding(column, name, live[bad], live[of], before[bad], before[of])
    if usual is not None:
        yield from _columns(window, usual)


def _applies(name: str, column: Column, known: Mapping[Column, Known]) -> bool:
    if name == "unseen_category":
        # Where no category has a name, all are as good as new.
        return column in known and bool(known[column].names)
    if name == "out_of_range":
        return column.kind == "numeric" and column in known and known[column].values > 0
    return name != "non_finite" or column.kind == "numeric"


def _columns(window: Tally, usual: Usual) -> Iterator[Finding]:
    seen = dict(zip(window.columns, window.counts[:, ROWS].tolist(), strict=True))
    rows = max(seen.values(), default=0)
    live = {column for column in seen if column.role == "feature"}
    expected = {column for column in usual.known if column.role == "feature"}
    for column in sorted(expected):
        bad = max(0, rows - seen.get(column, 0))
        yield Finding(column, "missing_column", bad, rows, 0, usual.known[column].rows)
    for column in sorted(live - expected):
        yield Finding(column, "unexpected_column", seen[column], rows, 0, usual.rows)


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
        rows, rows0 = binned.rows, binned.baseline_rows
        bad = rows if binned.one_value else 0
        violated = binned.one_value and _share(binned) ** min(rows, CONSTANT_ROWS) <= rules.alpha
        findings.append(Finding(verdict.column, "constant", bad, rows, 0, rows0, violated))
    return findings


def _share(binned: Binned) -> float:
    """Return the share of the baseline's rows that are in the bin that the window's rows are in."""
    return float(binned.baseline[int(binned.live.argmax())]) / binned.baseline_rows
