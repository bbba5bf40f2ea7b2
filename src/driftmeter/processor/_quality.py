"""Quality: bad values by check, their ratio in a window and whether it exceeds the baseline's by more than chance.

Most checks of most columns never find anything: there is nothing to say of them until they do, and from then on always.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from driftmeter import stats
from driftmeter.processor._checks import Checks
from driftmeter.processor._comparison import STANDING_FLOOR, Verdict
from driftmeter.processor._finding import Beyond, Finding, NewCategories, OnlyValue
from driftmeter.processor._strange import Strange
from driftmeter.processor._tally import Tally
from driftmeter.processor._usual import Checked, Usual
from driftmeter.processor._volume import Volume
from driftmeter.schema import Column
from driftmeter.typing import BoolArray, Float64Array, Int64Array

CONSTANT_ROWS: Final = 50
"""Rows that count towards how unlikely it is that all hold one value; more of them may well be alike."""


@dataclass(frozen=True, slots=True)
class QualityRules:
    """When a check is violated: improbable by chance, over the floor, and from enough rows.

    Attributes:
        alpha: False discovery rate.
        floor: By how much the ratio must exceed the baseline's.
        min_rows: Fewer rows give no verdict.
        critical: Whether trouble with a column, or with the model where there is none, is an error.
        share: The share of alpha that this look may spend, see `alpha_share`.
    """

    alpha: float
    floor: float
    min_rows: int
    critical: Callable[[Column | None], bool]
    share: float = 1.0


class Quality:
    """The checks of one model, and what they found so far."""

    def __init__(self) -> None:
        self.violated: frozenset[Checked] = frozenset()
        """What was violated in the last window: it stays so while it is improbable at the full rate."""
        self._found: set[Checked] = set()
        self._forget()

    def _forget(self) -> None:
        self._laid_out: tuple[Usual | None, Checks] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_laid_out"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()

    def check(
        self,
        window: Tally,
        usual: Usual | None,
        verdicts: Sequence[Verdict],
        rules: QualityRules,
        *,
        strange: Callable[[], Mapping[Column, Strange]],
    ) -> list[Finding]:
        """Return what there is to say of a window.

        Args:
            window: The window's bad values.
            usual: The baseline's; without, nothing says what is usual, and nothing is violated.
            verdicts: Those of the comparison with that baseline.
            rules: When a check is violated.
            strange: Returns what lies behind the window's bad values.
        """
        checks = self._checks(window.columns, usual, rules)
        bad, rows = checks.count(window)
        if usual is None:
            violated = np.zeros(len(bad), dtype=np.bool_)
        else:
            violated = self._violated(checks, _p_values(checks, usual, bad, rows), bad, rows, rules)
        told = (bad > 0) | (checks.bad0 > 0) | checks.always | _places(checks, self._found)
        found = _findings(checks, told & (rows > 0), bad, rows, violated)
        if usual is not None:
            found = _with_evidence(found, usual, strange, before=self.violated)
        found += _constant(verdicts, self._found, rules)
        self._found.update((finding.column, finding.check) for finding in found if finding.bad)
        self.violated = frozenset((finding.column, finding.check) for finding in found if finding.violated)
        return found

    def _checks(self, columns: tuple[Column, ...], usual: Usual | None, rules: QualityRules) -> Checks:
        if self._laid_out is None or self._laid_out[0] is not usual or self._laid_out[1].columns != columns:
            self._laid_out = usual, Checks.against(usual, columns, critical=rules.critical)
        return self._laid_out[1]

    def _violated(
        self, checks: Checks, p_values: Float64Array, bad: Int64Array, rows: Int64Array, rules: QualityRules
    ) -> BoolArray:
        stands = _places(checks, self.violated)
        excess = bad / np.maximum(rows, 1) - checks.bad0 / np.maximum(checks.rows0, 1)
        rates = np.where(stands, rules.alpha, rules.alpha * rules.share)
        floors = np.where(stands, STANDING_FLOOR * rules.floor, rules.floor)
        # NaN, where the baseline has no rows, is no violation.
        return (stats.benjamini_hochberg(p_values) <= rates) & (excess >= floors) & (rows >= rules.min_rows)


def _p_values(checks: Checks, usual: Usual, bad: Int64Array, rows: Int64Array) -> Float64Array:
    """P-values of all checks; NaN where there is nothing to check, or no telling what is usual."""
    p_values = np.where((rows > 0) & (checks.rows0 > 0), 1.0, np.nan)
    some = np.flatnonzero((bad > 0) & (checks.rows0 > 0))
    if some.size:
        p_values[some] = usual.p_values([checks.checked[at] for at in some.tolist()], bad[some], rows[some])
    return p_values


def _places(checks: Checks, some: Collection[Checked]) -> BoolArray:
    """Whether each check is among some."""
    among = np.zeros(len(checks.checked), dtype=np.bool_)
    among[[checks.index[one] for one in some if one in checks.index]] = True
    return among


def _findings(checks: Checks, told: BoolArray, bad: Int64Array, rows: Int64Array, violated: BoolArray) -> list[Finding]:
    at = np.flatnonzero(told)
    numbers = (part[at].tolist() for part in (bad, rows, checks.bad0, checks.rows0, violated, checks.critical))
    chosen = [checks.checked[place] for place in at.tolist()]
    return [Finding(*one, *of_one) for one, of_one in zip(chosen, zip(*numbers, strict=True), strict=True)]


def _with_evidence(
    found: list[Finding],
    usual: Usual,
    strange: Callable[[], Mapping[Column, Strange]],
    *,
    before: Collection[Checked],
) -> list[Finding]:
    """Return findings with what lies behind those that were not violated ``before``: to put it together takes time."""
    turned = {one.column for one in found if one.violated and (one.column, one.check) not in before}
    behind = strange() if turned else {}
    told = behind.keys() & turned
    return [_explained(one, behind[one.column], usual) if one.column in told else one for one in found]


def _explained(finding: Finding, behind: Strange, usual: Usual) -> Finding:
    if finding.check == "unseen_category":
        return replace(finding, evidence=NewCategories(behind.names))
    if finding.check == "out_of_range" and finding.column is not None:
        known = usual.known[finding.column]
        return replace(finding, evidence=Beyond((known.low, known.high), behind.low, behind.high))
    return finding


def check_volume(volume: Volume, rules: QualityRules) -> Finding:
    """Return whether a window has far more or fewer rows than is usual at its hour; ``floor`` is a share of them."""
    usual = max(1, round(volume.usual))
    odd = abs(volume.ratio - 1.0) >= rules.floor and volume.p_value <= rules.alpha
    violated = odd and max(volume.rows, usual) >= rules.min_rows
    return Finding(None, "volume", volume.rows, usual, usual, usual, violated, rules.critical(None))


def _constant(verdicts: Sequence[Verdict], found: Collection[Checked], rules: QualityRules) -> list[Finding]:
    """Return which columns stopped varying, though they vary in the baseline, and of which that was found before.

    Violated when rows drawn from the baseline would not all be in the one bin that the window's rows are in. A flag
    that is nearly always 0 may be 0 all week.
    """
    before = {column for column, check in found if check == "constant"}
    findings: list[Finding] = []
    for binned in (verdict.binned for verdict in verdicts):
        only = binned.only
        is_one = only is not None
        if is_one or (before and binned.column in before):
            column, rows, rows0 = binned.column, binned.rows, binned.baseline_rows
            share = float(binned.baseline[int(binned.live.argmax())]) / rows0
            violated = is_one and share ** min(rows, CONSTANT_ROWS) <= rules.alpha
            bad = rows if is_one else 0
            critical, evidence = rules.critical(column), None if only is None else OnlyValue(only)
            findings.append(Finding(column, "constant", bad, rows, 0, rows0, violated, critical, evidence))
    return findings
