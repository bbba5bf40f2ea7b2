"""What a check of quality found, in words: how many values are bad, how many usually are, and which."""

from __future__ import annotations

import math
from typing import Final

from driftmeter.processor._finding import Beyond, Finding, NewCategories, OnlyValue
from driftmeter.processor._number_words import (
    category_words,
    decimals,
    number_words,
    percent,
    percents,
    range_words,
)
from driftmeter.schema import Column

_NAMED: Final = 3
"""New categories that are told by name."""
_EXACT: Final = 6
_UNUSUAL: Final = {
    "missing": "missing values",
    "non_finite": "infinite values",
    "unseen_category": "categories that the baseline does not know",
}
_OUTPUTS: Final = frozenset({"prediction", "score"})


def describe_finding(finding: Finding) -> str:
    """Return, say, 'temp: missing values went from 0.1 % to 12 % of 5,812 rows'; or how a check that is kept stands."""
    column = finding.column
    if column is None:
        return f"volume: {finding.bad:,} rows, {percent(finding.ratio)} of the {finding.rows:,} that are usual now"
    return f"{column.name}: {_violated(finding, column) if finding.violated else _kept(finding, column)}"


def describe_gone(finding: Finding) -> str:
    """Return the sentence for a check that was violated and has nothing to check any more."""
    if finding.check == "unexpected_column" and finding.column is not None:
        return f"{finding.column.name}: quiet again; the column, which the baseline does not have, is gone"
    return f"{finding.column.name if finding.column else finding.check}: nothing to check in this window"


def _violated(finding: Finding, column: Column) -> str:
    rows = f"all {finding.rows:,} rows" if finding.bad == finding.rows else f"{_share(finding)} rows"
    if finding.check == "missing_column":
        return f"no prediction or score in {rows}" if column.role in _OUTPUTS else f"the column is missing from {rows}"
    if finding.check == "unexpected_column":
        return f"a column that the baseline does not have, in {rows}"
    if isinstance(finding.evidence, OnlyValue):
        return f"all {finding.rows:,} values are {_value(finding.evidence)}; the baseline's vary"
    if finding.check == "out_of_range":
        return f"{_share(finding)} values lie {_outside(finding)}"
    first, last = percents(finding.baseline_ratio, finding.ratio)
    of = "values" if finding.check == "unseen_category" else "rows"
    return f"{_unusual(finding.check, column)} went from {first} to {last} of {finding.rows:,} {of}{_named(finding)}"


def _kept(finding: Finding, column: Column) -> str:
    if finding.check == "missing_column" and not finding.bad:
        return "quiet again; the column is back" if column.role not in _OUTPUTS else "quiet again; the model answers"
    if finding.check == "missing_column":
        return f"quiet again; missing from {_share(finding)} rows"
    if finding.check == "constant":
        return f"quiet again; the {finding.rows:,} values vary"
    usual = f"{percent(finding.baseline_ratio)} in the baseline"
    if finding.check == "out_of_range":
        return f"quiet again; {_share(finding)} values lie {_outside(finding)}, {usual}"
    of = "values" if finding.check == "unseen_category" else "rows"
    return f"quiet again; {_unusual(finding.check, column)} are {_share(finding)} {of}, {usual}"


def _share(finding: Finding) -> str:
    return f"{percent(finding.ratio)} of {finding.rows:,}"


def _unusual(check: str, column: Column) -> str:
    if check == "type_mismatch":
        return "values that are no numbers" if column.kind == "numeric" else "numbers in place of categories"
    return _UNUSUAL[check]


def _outside(finding: Finding) -> str:
    """Return 'outside the baseline's range of 0-130, up to 412'."""
    beyond = finding.evidence
    if not isinstance(beyond, Beyond):
        return "outside the baseline's range"
    low, high = beyond.usual
    digits = decimals(high - low)
    reach = [
        f"{word} {number_words(end, digits)}"
        for word, end in (("down to", beyond.low), ("up to", beyond.high))
        if math.isfinite(end)
    ]
    return ", ".join([f"outside the baseline's range of {range_words(low, high, digits)}", *reach])


def _named(finding: Finding) -> str:
    """Return ': LEX 0.4 %, SBN 0.1 %, others 0.1 %' of values in new categories, if any has a name."""
    if not isinstance(finding.evidence, NewCategories) or not finding.evidence.counts:
        return ""
    counts = [*finding.evidence.counts.items()][:_NAMED]
    told = [f"{category_words(name)} {percent(count / finding.rows)}" for name, count in counts]
    rest = finding.bad - sum(count for _, count in counts)
    if rest > 0:
        told.append(f"others {percent(rest / finding.rows)}")
    return f": {', '.join(told)}"


def _value(only: OnlyValue) -> str:
    return category_words(only.value) if isinstance(only.value, str) else number_words(only.value, _EXACT)
