"""The bins of one column, made from its baseline once, on which every window is counted.

Numeric bins are unions of the baseline's buckets, about equally likely under the baseline. Buckets nest, so a live
sketch is counted on them exactly::

    baseline buckets    1 1 | 3 | 2 1 1 | 4       |: the edges of bins
    live buckets          2 | 2 | 0 9   | 1   7   what lies beyond the last bucket falls into the last bin

The buckets are the coarsest that tell the baseline's values apart (`bin_scale`), so that a live sketch that had to go
down in scale is still exact; one that is coarser even than those is counted by the middles of its buckets. A grid has
up to `MAX_BINS` bins; a comparison joins neighbours to as many as the rows of the window bear.

Categories have a bin each, and those that have none share some by a hash of their names. A comparison leaves frequent
ones alone and joins the others: in one bin, or by the hash, which does not depend on what chance made frequent::

    bins       a 300 | b 7 | c 6 | d 7 | e 5 |  hash 0: 0 | hash 1: 2
    joined     a 300 | hash 0: b + d + 0     |  hash 1: c + e + 2
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, TypeAlias
from zlib import crc32

import numpy as np

from driftmeter import stats
from driftmeter.schema import Column
from driftmeter.sketches import (
    OTHER,
    ZERO_KEY_OFFSET,
    CategoricalSketch,
    NumericSketch,
    Sketch,
    coarser_keys,
    key_values,
    map_to_index,
)
from driftmeter.typing import Float64Array, Int64Array

MAX_BINS: Final = 50
MAX_BUCKETS: Final = 128

Grain: TypeAlias = tuple[int, int]
"""How many joined bins there are to be, of a categorical column those of categories that stand alone; and over how many
the other categories are spread, 0 in a numeric column."""


@dataclass(frozen=True, slots=True)
class NumericGrid:
    """Bins of a numeric column.

    Attributes:
        column: The column.
        baseline: Rows of the baseline, shape (bins,).
        scale: The scale of the buckets that the bins are made of.
        last_keys: The last bucket of each bin.
        lower: Lower edges, the baseline's minimum at the first.
        upper: Upper edges, the baseline's maximum at the last.
        positions: The mean of the baseline's values in each bin.
        spread: The baseline's standard deviation.
        limits: Where values are cut off before they are added up, so that a stray one does not move a mean.
    """

    column: Column
    baseline: Int64Array
    scale: int
    last_keys: Int64Array
    lower: Float64Array
    upper: Float64Array
    positions: Float64Array
    spread: float
    limits: tuple[float, float]

    def sum(self, sketch: NumericSketch) -> float:
        """Return the sum of a sketch's values, cut off at the limits; within the sketch's accuracy."""
        keys, counts = sketch.keys()
        values = np.clip(key_values(keys, sketch.scale), sketch.min, sketch.max)
        return float(np.clip(values, *self.limits) @ counts)

    def count(self, sketch: NumericSketch) -> Int64Array:
        """Return a sketch's rows by bin, shape (bins,)."""
        return count_keys(sketch, self.scale, self.last_keys[:-1], bins=len(self.baseline))

    def groups(self, rows: int) -> Int64Array:
        """Return, for each bin, which of the joined bins it belongs to when a window has so many rows."""
        bins = stats.bin_count(rows, int(self.baseline.sum()), max_bins=MAX_BINS)
        return stats.equal_mass_groups(self.baseline, bins).astype(np.int64)


@dataclass(frozen=True, slots=True)
class CategoricalGrid:
    """Bins of a categorical column.

    Attributes:
        column: The column.
        baseline: Rows of the baseline, shape (bins,): one bin a name, and one of all others; or, if these can be told
            by a hash, as many as a power of two of those with a name, and one of those that have lost it.
        names: The categories that have a bin.
    """

    column: Column
    baseline: Int64Array
    names: tuple[str, ...]

    @property
    def buckets(self) -> int:
        """How many bins the categories without one share by a hash of their names; 1 if they are not told apart."""
        return max(len(self.baseline) - len(self.names) - 1, 1)

    def count(self, sketch: Sketch | None) -> list[int]:
        """Return a sketch's rows by bin, one a category and those of all others."""
        if not isinstance(sketch, CategoricalSketch):
            return [0] * len(self.baseline)
        known = [sketch.counts.get(name, 0) for name in self.names]
        unknown = sketch.count - sum(known)
        if self.buckets == 1:
            return [*known, unknown]
        by_hash = bucket_counts(sketch, set(self.names), self.buckets) if unknown else [0] * self.buckets
        return [*known, *by_hash, sketch.other]

    def cuts(self) -> stats.CategoryCuts:
        """Return how many categories may stand alone, by the rows that there are."""
        return stats.CategoryCuts(self._named, unnamed=self._unnamed)

    def grain(self, rows: int, cuts: stats.CategoryCuts, *, named: bool) -> Grain:
        """Return how many categories stand alone when a window has so many rows, and over how many bins the rest is.

        Args:
            rows: The window's rows, or the baseline's if these are fewer.
            cuts: What `cuts` returned.
            named: Whether all of the window's rows have names: those without would be missing from the hash's bins.
        """
        alone = cuts.alone(rows)
        most = self.buckets if named else 1
        return alone, 1 if most == 1 else cuts.buckets(rows, alone=alone, most=most)

    def groups(self, rows: int) -> Int64Array:
        """Return, for each bin, which of the joined bins it belongs to; what is rare joins the last one."""
        groups = self._alone(rows)
        rest = int(groups.max(initial=-1)) + 1 if self._stand_alone(groups) else int(groups.max(initial=0))
        return np.append(groups, np.full(len(self.baseline) - len(self.names), rest))

    def hashed_groups(self, rows: int, grain: Grain) -> Int64Array:
        """Return the same where what is rare is spread over some bins by the hash of the names."""
        alone, buckets = grain
        groups = self._alone(rows)
        by_hash = np.array([bucket_of(name, buckets) for name in self.names], dtype=np.int64)
        others = np.append(np.arange(self.buckets) % buckets, 0)
        return alone + np.append(np.where(groups < alone, groups - alone, by_hash), others)

    def finest_groups(self, rows: int, grain: Grain) -> Int64Array:
        """Return the same for as many bins as there can be, however sparse."""
        if self.cuts().all_alone(min(rows, int(self.baseline.sum()))):
            return self.named_groups
        return self.hashed_groups(rows, (grain[0], self.buckets))

    def _alone(self, rows: int) -> Int64Array:
        """Return which bin each category has that stands alone, and after them that of the others."""
        smaller = min(rows, int(self.baseline.sum()))
        return stats.category_groups(self._named, smaller, unnamed=self._unnamed).astype(np.int64)

    @property
    def named_groups(self) -> Int64Array:
        """For each bin, which of those it belongs to that tell all categories with a bin apart from all others."""
        return np.minimum(np.arange(len(self.baseline)), len(self.names))

    @property
    def _named(self) -> Int64Array:
        return self.baseline[: len(self.names)]

    @property
    def _unnamed(self) -> float:
        return float(self.baseline[len(self.names) :].sum())

    @staticmethod
    def _stand_alone(groups: Int64Array) -> bool:
        # Without a rest bin among the known categories, the unknown ones need a bin of their own.
        return bool(len(np.unique(groups)) == len(groups))


Grid = NumericGrid | CategoricalGrid


def bucket_of(name: str, buckets: int) -> int:
    """Return which of so many bins, a power of two, a category without one belongs to."""
    return crc32(name.encode(errors="surrogatepass")) & (buckets - 1)


def bucket_counts(sketch: CategoricalSketch, known: Collection[str], buckets: int) -> list[int]:
    """Return a sketch's rows of categories that are not known, by bucket."""
    counts = [0] * buckets
    for name, rows in sketch.counts.items():
        if name not in known:
            counts[bucket_of(name, buckets)] += rows
    return counts


def count_keys(sketch: NumericSketch, scale: int, last_keys: Int64Array, *, bins: int) -> Int64Array:
    """Return a sketch's values by bin, shape (bins,).

    Args:
        sketch: The sketch.
        scale: The scale of the keys.
        last_keys: The last key of each bin but the last one, which is open.
        bins: How many bins there are: one more than keys.
    """
    if not sketch.count:
        return np.zeros(bins, dtype=np.int64)
    keys, counts = _keys_at(sketch, scale)
    return np.bincount(np.searchsorted(last_keys, keys), counts, minlength=bins).astype(np.int64)


def _keys_at(sketch: NumericSketch, scale: int) -> tuple[Int64Array, Int64Array]:
    """Return the keys and counts of a sketch at a scale, in ascending order; keys may repeat."""
    keys, counts = sketch.keys()
    if sketch.scale > scale:
        coarse = coarser_keys(keys, sketch.scale - scale)
        first = np.flatnonzero(np.r_[True, coarse[1:] != coarse[:-1]])
        return coarse[first], np.add.reduceat(counts, first)
    if sketch.scale < scale:
        return _middle_keys(keys, sketch.scale, scale), counts
    return keys, counts


def _middle_keys(keys: Int64Array, coarse: int, fine: int) -> Int64Array:
    """Return, for each bucket of a coarse scale, the key of the bucket of a finer one that its middle lies in."""
    found = np.zeros_like(keys)
    values = key_values(keys, coarse)
    positive, negative = keys > 0, keys < 0
    found[positive] = map_to_index(values[positive], fine) + ZERO_KEY_OFFSET
    found[negative] = -(map_to_index(-values[negative], fine) + ZERO_KEY_OFFSET)
    return found


def joined_labels(grid: CategoricalGrid, groups: Int64Array) -> tuple[str, ...]:
    """Return the names of joined bins: a category that stands alone has its own, the rest is `__other__`."""
    labels = [OTHER] * (int(groups.max()) + 1)
    sizes = np.bincount(groups)
    for name, group in zip(grid.names, groups.tolist(), strict=False):
        if sizes[group] == 1:
            labels[group] = name
    return tuple(labels)
