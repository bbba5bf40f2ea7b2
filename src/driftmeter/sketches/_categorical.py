"""The categorical sketch: exact counts of the known categories and of a bounded number of others.

Memory: the known categories (a baseline's, say) plus ``max_others`` further ones; what comes beyond is counted
in ``other``. Names are cut to a bounded length, invalid Unicode is escaped.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

OTHER: Final = "__other__"
MAX_OTHERS: Final = 100
MAX_NAME_LENGTH: Final = 128


@dataclass(frozen=True, slots=True)
class CategoricalSketch:
    """A categorical column's values, counted; ``other`` holds the ones whose names are not kept."""

    counts: Mapping[str, int] = field(default_factory=dict)
    other: int = 0
    missing: int = 0
    mismatched: int = 0

    @classmethod
    def from_values(
        cls, values: Iterable[object], *, known: Collection[str] = (), max_others: int = MAX_OTHERS
    ) -> CategoricalSketch:
        """Sketch values; None, NaN and NA count as missing."""
        counter = CategoryCounter(known, max_others=max_others)
        counter.add(values)
        return counter.take()

    @property
    def count(self) -> int:
        """The number of values that are not missing."""
        return sum(self.counts.values()) + self.other

    @property
    def total(self) -> int:
        """The number of rows seen."""
        return self.count + self.missing + self.mismatched

    def merge(
        self, other: CategoricalSketch, *, known: Collection[str] = (), max_others: int = MAX_OTHERS
    ) -> CategoricalSketch:
        """Return the sketch of both columns' values; neither argument changes."""
        counts: Counter[str] = Counter(self.counts)
        counts.update(other.counts)
        kept, rest = _bounded(counts, known, max_others)
        return CategoricalSketch(
            counts=kept,
            other=self.other + other.other + rest,
            missing=self.missing + other.missing,
            mismatched=self.mismatched + other.mismatched,
        )


class CategoryCounter:
    """Counts the categories of one column; not thread-safe."""

    def __init__(self, known: Collection[str] = (), *, max_others: int = MAX_OTHERS) -> None:
        self._known = frozenset(known)
        self._max_others = max_others
        self._counts: Counter[str] = Counter()
        self._other = 0
        self._missing = 0

    def add(self, values: Iterable[object]) -> None:
        """Count the values; None, NaN and NA count as missing."""
        for value, count in _tally(values).items():
            if is_missing(value):
                self._missing += count
                continue
            name = category_name(value)
            if name in self._counts or name in self._known or len(self._counts) < self._limit:
                self._counts[name] += count
            else:
                self._other += count

    @property
    def _limit(self) -> int:
        return len(self._known) + self._max_others

    def take(self) -> CategoricalSketch:
        """Return the sketch and start anew."""
        kept, rest = _bounded(self._counts, self._known, self._max_others)
        taken = CategoricalSketch(counts=kept, other=self._other + rest, missing=self._missing)
        self._counts, self._other, self._missing = Counter(), 0, 0
        return taken


def _tally(values: Iterable[object]) -> Mapping[object, int]:
    values = values if isinstance(values, list) else list(values)
    try:
        return Counter(values)
    except TypeError:  # unhashable values: lists, dicts
        return Counter(map(repr, values))


def _bounded(counts: Counter[str], known: Collection[str], max_others: int) -> tuple[dict[str, int], int]:
    others = [name for name in counts if name not in known]
    if len(others) <= max_others:
        return dict(counts), 0
    # The most frequent are kept, ties in the order of their names, so that merging commutes.
    dropped = sorted(others, key=lambda name: (-counts[name], name))[max_others:]
    kept = dict(counts)
    return kept, sum(kept.pop(name) for name in dropped)


def is_missing(value: object) -> bool:
    """Whether a value is a null: None, NaN, NaT or NA."""
    if value is None:
        return True
    try:
        return bool(value != value)  # noqa: PLR0124  # NaN and NaT differ from themselves
    except TypeError:  # pandas.NA has no truth value
        return True


def category_name(value: object) -> str:
    """Return the name under which a value is counted: 3, 3.0 and '3' are one category."""
    if isinstance(value, str):
        name = value
    elif isinstance(value, float) and value.is_integer():
        name = str(int(value))
    else:
        name = str(value)
    if not name.isascii():
        name = name.encode("utf-8", "backslashreplace").decode("utf-8")
    if len(name) > MAX_NAME_LENGTH:
        digest = hashlib.blake2b(name.encode(), digest_size=6).hexdigest()
        name = f"{name[: MAX_NAME_LENGTH - 13]}~{digest}"
    return name
