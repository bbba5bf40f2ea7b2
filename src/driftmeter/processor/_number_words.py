"""Numbers and names in words: rounded for reading, and still told apart."""

from __future__ import annotations

import math
from typing import Final

_MOST_DIGITS: Final = 15
_NEAR: Final = 0.02
"""Shares so near to each other need a decimal: rounded to whole percents, 1.4 points may look like 1 or like 2."""
_GROUPED_FROM: Final = 10_000
"""From here on an edge has separators. Below, 1990-2003 are years and 1250-3400 are prices: both read well without."""


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
    """Return two shares as percentages, with as many decimals as it takes to tell them apart, and by how much."""
    words = percent(before), percent(after)
    for decimals in (1, 2, 3):
        near = decimals == 1 and min(before, after) >= 0.1 and abs(after - before) < _NEAR
        if before == after or (words[0] != words[1] and not near):
            break
        words = f"{100 * before:.{decimals}f} %", f"{100 * after:.{decimals}f} %"
    return words


def category_words(name: str) -> str:
    """Return a category's name, in quotes if it would not be seen for one: empty, with blanks around it or controls."""
    return name if name and name == name.strip() and name.isprintable() else repr(name)


def decimals(span: float) -> int:
    """Decimals that tell some hundred values of a span apart; negative ones round to tens and hundreds."""
    return 2 - math.floor(math.log10(span)) if span > 0 and math.isfinite(span) else 6


def number_words(value: float, digits: int) -> str:
    """Return a number with so many decimals: 71.1, 1990, 12,500."""
    if value and not 1e-4 <= abs(value) < 1e7:
        whole = math.floor(math.log10(abs(value))) + 1
        if whole > _MOST_DIGITS:
            return f"{value:.3g}"
        if not 0 <= digits < whole:
            # As many digits as the decimals are, so that edges far from zero and near to each other can be told apart.
            return f"{value:.{min(max(3, whole + digits), 17)}g}"
    rounded = round(value, digits)
    words = f"{rounded:{',' if abs(rounded) >= _GROUPED_FROM else ''}.{max(0, digits)}f}"
    return words.rstrip("0").rstrip(".") if digits > 0 else words


def range_words(low: float, high: float, digits: int) -> str:
    """Return a range of numbers with so many decimals: 71-103, -9.9 to 21.2, 1990-2003, 9500-12,000."""
    first, last = number_words(low, digits), number_words(high, digits)
    if first == last:
        return first
    return f"{first} to {last}" if first.startswith("-") or last.startswith("-") else f"{first}-{last}"
