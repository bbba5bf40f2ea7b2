"""A stretch of traffic counted on a baseline's grids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from driftmeter.sketches import pack_counts, unpack_counts
from driftmeter.typing import AnyArray, Float64Array, Int64Array


@dataclass(frozen=True, slots=True)
class Extremes:
    """What the counts of a stretch's bins do not tell; all arrays are of shape (columns,).

    Attributes:
        low: The least value of each column where it lies below the baseline's; else infinity.
        high: The greatest value where it lies above the baseline's; else minus infinity.
        only: The value of a numeric column that has no other one; NaN where it has several, infinity where it has none.
    """

    low: Float64Array
    high: Float64Array
    only: Float64Array

    def __add__(self, other: Extremes) -> Extremes:
        only = np.where(self.only == other.only, self.only, np.nan)
        only = np.where(np.isinf(self.only), other.only, np.where(np.isinf(other.only), self.only, only))
        return Extremes(np.minimum(self.low, other.low), np.maximum(self.high, other.high), only)


@dataclass(frozen=True, slots=True)
class Counts:
    """A stretch of traffic counted on a baseline's grids; stretches add up.

    Attributes:
        bins: Rows by bin, all columns one after the other.
        extremes: What lies beyond the baseline's values, and what is the only value.
        sums: The sum of each numeric column's values, those cut off that lie far out; 0 for categories.
    """

    bins: Int64Array
    extremes: Extremes
    sums: Float64Array

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.bins + other.bins, self.extremes + other.extremes, self.sums + other.sums)

    def __sub__(self, other: Counts) -> Counts:
        """Take a stretch away again; the extremes and the sums stay, see `within`."""
        return replace(self, bins=self.bins - other.bins)

    def within(self, parts: Sequence[PackedCounts]) -> Counts:
        """Return the counts with the extremes and the sums of the parts, of which there are some."""
        # Added anew each time: sums that steps are taken from again and again would drift.
        sums = np.add.reduce([part.sums for part in parts])
        return Counts(self.bins, _extremes_of(parts), sums)

    def packed(self) -> PackedCounts:
        """Return the same as few bytes: many stretches are kept."""
        low, high, only = self.extremes.low, self.extremes.high, self.extremes.only
        apart = np.flatnonzero(np.isfinite(low) | np.isfinite(high) | ~np.isnan(only))
        values = np.array((low[apart], high[apart], only[apart]))
        places = apart.astype(np.min_scalar_type(len(low)))
        return PackedCounts(len(self.bins), pack_counts(self.bins), places, values, self.sums)


@dataclass(frozen=True, slots=True)
class PackedCounts:
    """Counts at rest: of the extremes only those of columns that have any, at the places ``apart``."""

    size: int
    bins: bytes
    apart: AnyArray
    values: Float64Array
    sums: Float64Array

    def unpacked(self) -> Counts:
        """Return the counts."""
        return Counts(unpack_counts(self.bins, self.size), _extremes_of([self]), self.sums)


def _extremes_of(parts: Sequence[PackedCounts]) -> Extremes:
    columns = len(parts[0].sums)
    apart = np.concatenate([part.apart for part in parts])
    below, above, only = np.concatenate([part.values for part in parts], axis=1)
    low, high = np.full(columns, np.inf), np.full(columns, -np.inf)
    np.minimum.at(low, apart, below)
    np.maximum.at(high, apart, above)
    # A column has an only value if each part has one, or none, and those are the same.
    single = ~np.isnan(only)
    least, greatest = np.full(columns, np.inf), np.full(columns, -np.inf)
    np.minimum.at(least, apart[single], only[single])
    finite = np.isfinite(only)
    np.maximum.at(greatest, apart[finite], only[finite])
    alike = (np.bincount(apart[single], minlength=columns) == len(parts)) & (greatest <= least)
    return Extremes(low, high, np.where(alike, least, np.nan))
