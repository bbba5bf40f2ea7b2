"""The categorical sketch: exact counts of the known categories and of a bounded number of others.

Guarantee: known categories (a baseline's, say) are counted exactly, and so are all others while there are few. Of
more, the most frequent are named; what is not counted under a name is in ``other``, so that no value is lost, and no
category's count is short by more than ``error_bound``. A counter of ``m`` candidates keeps its own part in that
below ``n / m``, for n values of other categories, so that it never overlooks one more frequent than that.

Merging is commutative and loses no value. It is associative too while all names fit into the merged sketch; when
they do not, two groupings may name and count differently, within the ``error_bound`` of each.

Memory: the known names, `MAX_OTHERS` further ones in a sketch, five times as many in a counter. A name has 128
characters at most.

Source: Metwally, Agrawal, El Abbadi, "Efficient computation of frequent and top-k elements in data streams"
("Space-Saving"), ICDT 2005; Agarwal et al., "Mergeable summaries", PODS 2012.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import nsmallest
from itertools import zip_longest
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from driftmeter.sketches._category_names import are_own_names, category_name, is_hashable, is_missing
from driftmeter.typing import Int64Array

MAX_OTHERS: Final = 100

MAX_MERGED: Final = 1000
"""Other names in a merged sketch: more than in one, lest rare known categories of replicas be crowded out."""

_CANDIDATES: Final = 5
"""A counter watches so many times the names that it reports."""

_PIECE: Final = 1 << 16
"""Values counted at once: bounds what a block of nothing but different values takes for a moment."""


@dataclass(frozen=True, slots=True)
class CategoricalSketch:
    """A categorical column's values, counted; ``other`` holds the ones whose names are not kept.

    ``error`` is what any category's count may be short by, None if the sketch came on a way that does not carry it.
    It takes no part in equality.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    other: int = 0
    missing: int = 0
    mismatched: int = 0
    error: int | None = field(default=None, compare=False)

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

    @property
    def error_bound(self) -> int:
        """What any category's count, 0 for one without a name, is short by at most; 0 if all are exact."""
        return self.other if self.error is None else min(self.error, self.other)

    def renamed(self, stands_for: Callable[[str], str]) -> CategoricalSketch:
        """Return the sketch with what stands for each name; names that are one thing by then are counted together."""
        counts: dict[str, int] = {}
        for name, count in self.counts.items():
            told = stands_for(name)
            counts[told] = counts.get(told, 0) + count
        return replace(self, counts=counts)

    def merge(
        self, other: CategoricalSketch, *, known: Collection[str] = (), max_others: int = MAX_MERGED
    ) -> CategoricalSketch:
        """Return the sketch of both columns' values; neither argument changes."""
        return CategoricalSketch.merge_all((self, other), known=known, max_others=max_others)

    def running_total(self, more: CategoricalSketch) -> CategoricalSketch:
        """Return the sketch of both columns' values, where no count falls: a name stays once it is there.

        The first `MAX_MERGED` names are kept; what comes later is among the others for good.
        """
        return self.merge(more, known=self.counts, max_others=max(0, MAX_MERGED - len(self.counts)))

    @classmethod
    def merge_all(
        cls, sketches: Sequence[CategoricalSketch], *, known: Collection[str] = (), max_others: int = MAX_MERGED
    ) -> CategoricalSketch:
        """Return the sketch of all columns' values, in whatever order; no argument changes."""
        counts: dict[str, int] = {}
        for sketch in sketches:
            for name, count in sketch.counts.items():
                counts[name] = counts.get(name, 0) + count
        kept, rest, greatest = _most_frequent(counts, known, max_others)
        return cls(
            counts=kept,
            other=sum(sketch.other for sketch in sketches) + rest,
            missing=sum(sketch.missing for sketch in sketches),
            mismatched=sum(sketch.mismatched for sketch in sketches),
            error=sum(sketch.error_bound for sketch in sketches) + greatest,
        )


class CategoryCounter:
    """Counts the categories of one column; not thread-safe.

    Space-Saving by whole blocks. A category that is dropped leaves its count in ``other``, and a later one takes its
    place with that as a head start: what it, for all that is known, may have had. ``floor`` is the greatest
    count dropped, head start included::

        candidates 2, floor 0    a: 9     b: 2
        a block with c, c, c     a: 9     b: 2    c: 3 (+ 0)      b is dropped:   floor 2, other 2
        a block with d           a: 9     c: 3    d: 1 (+ 2)      d, 1 + 2, goes: floor 3, other 3
    """

    def __init__(self, known: Collection[str] = (), *, max_others: int = MAX_OTHERS) -> None:
        self._known = frozenset(known)
        self._max_others = max_others
        self._reset()

    def _reset(self) -> None:
        self._known_counts: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        self._head_starts: dict[str, int] = {}
        self._floor = 0
        self._other = 0
        self._missing = 0
        self._coded_names: list[object] = []
        self._coded_counts: Int64Array = np.zeros(1, dtype=np.int64)

    def add(self, values: Iterable[object]) -> None:
        """Count the values; None, NaN and NA count as missing."""
        if isinstance(values, np.ndarray):
            values = values.tolist()
        if not isinstance(values, list):
            values = list(values)
        if len(values) <= _PIECE:
            self._add_tally(_tally(values))
            return
        for start in range(0, len(values), _PIECE):
            self._add_tally(_tally(values[start : start + _PIECE]))

    def add_codes(self, codes: npt.ArrayLike, names: Sequence[object]) -> None:
        """Count values by their codes, as pandas and Arrow hold categories.

        Args:
            codes: Integers of shape (n,): places in ``names``, or -1 for missing values.
            names: The categories.

        Raises:
            ValueError: If a code is not from -1 to ``len(names) - 1``.
        """
        places = np.asarray(codes).astype(np.intp) + 1
        if not len(places):
            return
        # Read as unsigned, negative numbers are huge: one look for both ends.
        if places.view(np.uintp).max() > len(names):
            raise ValueError(f"codes must be from -1 to {len(names) - 1}; got {places.min() - 1} to {places.max() - 1}")
        names = list(names)
        if not _are_same(names, self._coded_names):
            self._name_codes()
            self._coded_names = names
            self._coded_counts = np.zeros(len(names) + 1, dtype=np.int64)
        self._coded_counts += np.bincount(places, minlength=len(names) + 1)
        if len(names) > _CANDIDATES * self._max_others:
            self._name_codes()

    def _name_codes(self) -> None:
        """Count by name what was counted by code: once for many small blocks of the same names."""
        missing, *counts = self._coded_counts.tolist()
        self._missing += missing
        self._add_tally({name: count for name, count in zip(self._coded_names, counts, strict=True) if count})
        self._coded_names = []
        self._coded_counts = np.zeros(1, dtype=np.int64)

    def _add_tally(self, tally: Mapping[object, int]) -> None:
        if len(tally) > 2 * _CANDIDATES * self._max_others:
            tally, floor = self._without_rare(tally)
        else:
            floor = 0
        known, counts = self._known_counts, self._counts
        new: dict[str, int] = {}
        for value, count in tally.items():
            # What is a name already needs none made: columns of strings spend their time here.
            if type(value) is str and value in counts:
                counts[value] += count
            elif type(value) is str and value in known:
                known[value] += count
            elif is_missing(value):
                self._missing += count
            else:
                name = category_name(value)
                if name in counts:
                    counts[name] += count
                elif name in self._known:
                    known[name] = known.get(name, 0) + count
                else:
                    new[name] = new.get(name, 0) + count
        if self._floor:
            self._head_starts.update(dict.fromkeys(new, self._floor))
        counts.update(new)
        if len(counts) > _CANDIDATES * self._max_others:
            self._drop_least_frequent()
        self._floor = max(self._floor, floor)

    def _without_rare(self, tally: Mapping[Any, int]) -> tuple[Mapping[Any, int], int]:
        """Leave out new names that are rarer than as many others as are watched: they would be dropped in any case.

        Most values of a column of great cardinality are such, and need no further look. Returns what is left, and the
        greatest estimate that was dropped.
        """
        if not are_own_names(tally):
            return tally, 0
        watched = _CANDIDATES * self._max_others
        seen = {name: tally[name] for name in (*(self._counts.keys() & tally), *(self._known & tally.keys()))}
        if len(tally) <= len(seen) + watched:
            return tally, 0
        counts = sorted(tally.values(), reverse=True)
        least = counts[watched + len(seen) - 1]  # at least as many new names as are watched have as much
        frequent = {name: count for name, count in tally.items() if count > least}
        # As in `_most_frequent`, the first in alphabetical order of those that tie.
        ties = nsmallest(watched, [name for name, count in tally.items() if count == least])
        kept = {**frequent, **dict.fromkeys(ties, least), **seen}
        left = zip_longest(counts, sorted(kept.values(), reverse=True), fillvalue=0)
        greatest = next((count for count, kept_count in left if count != kept_count), 0)
        self._other += sum(counts) - sum(kept.values())
        return kept, greatest + self._floor if greatest else 0

    def _drop_least_frequent(self) -> None:
        head_start = self._head_starts.get
        estimates = {name: count + head_start(name, 0) for name, count in self._counts.items()}
        kept, _, self._floor = _most_frequent(estimates, (), _CANDIDATES * self._max_others)
        before = sum(self._counts.values())
        self._counts = {name: count for name, count in self._counts.items() if name in kept}
        self._head_starts = {name: start for name, start in self._head_starts.items() if name in kept}
        self._other += before - sum(self._counts.values())

    def take(self) -> CategoricalSketch:
        """Return the sketch and start anew."""
        self._name_codes()
        kept, rest, _ = _most_frequent(self._counts, (), self._max_others)
        head_start = self._head_starts.get
        unnamed = (count + head_start(name, 0) for name, count in self._counts.items() if name not in kept)
        taken = CategoricalSketch(
            counts={**self._known_counts, **kept},
            other=self._other + rest,
            missing=self._missing,
            error=max(self._floor, *unnamed, *map(head_start, kept, [0] * len(kept)), 0),
        )
        self._reset()
        return taken


def _tally(values: list[object]) -> Mapping[object, int]:
    try:
        tally = Counter(values)
    except TypeError:  # unhashable values, lists say: they count by what they look like
        return _tally([value if is_hashable(value) else str(value) for value in values])
    if (0 in tally or 1 in tally) and {bool, np.bool_} & (types := set(map(type, values))) and len(types) > 1:
        # True == 1, but they are two categories.
        return Counter(str(value) if isinstance(value, (bool, np.bool_)) else value for value in values)
    return tally


def _are_same(names: list[object], others: list[object]) -> bool:
    try:
        return names == others
    except (TypeError, ValueError):  # pandas.NA, arrays and their like do not compare
        return False


def _most_frequent(
    counts: Mapping[str, int], known: Collection[str], max_others: int
) -> tuple[dict[str, int], int, int]:
    """Return the counts of the known and of the most frequent other names, the sum of the rest, and its greatest."""
    others = [count for name, count in counts.items() if name not in known] if known else list(counts.values())
    if len(others) <= max_others:
        return dict(counts), 0, 0
    others.sort(reverse=True)
    greatest = others[max_others]
    kept = {name: count for name, count in counts.items() if count > greatest or name in known}
    # Of those that tie for the last places the first in alphabetical order are kept, so that merging commutes.
    ties = sorted([name for name, count in counts.items() if count == greatest and name not in known])
    for name in ties[: max_others - others.index(greatest)]:
        kept[name] = greatest
    return kept, sum(counts.values()) - sum(kept.values()), greatest
