"""A stretch of traffic counted on a baseline's grids, and its bins joined to those of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from driftmeter.typing import AnyArray, Float64Array, Int64Array

Groups: TypeAlias = tuple[Int64Array, ...]
"""For each column, which of the joined bins each of its bins belongs to."""


@dataclass(frozen=True, slots=True)
class Counts:
    """A stretch of traffic counted on a baseline's grids; stretches add up.

    Attributes:
        bins: Rows by bin, all columns one after the other; of any integer type.
        low: The least value of each column, infinite where there is none.
        high: The greatest value of each column, likewise.
        sums: The sum of each numeric column's values, those cut off that lie far out; 0 for categories.
    """

    bins: AnyArray
    low: Float64Array
    high: Float64Array
    sums: Float64Array

    def __add__(self, other: Counts) -> Counts:
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        return Counts(np.add(self.bins, other.bins, dtype=np.int64), low, high, self.sums + other.sums)

    def __sub__(self, other: Counts) -> Counts:
        """Take a stretch away again; the least and the greatest value and the sums stay, see `within`."""
        return replace(self, bins=np.subtract(self.bins, other.bins, dtype=np.int64))

    def within(self, parts: Sequence[Counts]) -> Counts:
        """Return the counts with the least and the greatest values of the parts, and with their sums."""
        if not parts:
            return self
        low = np.minimum.reduce([part.low for part in parts])
        high = np.maximum.reduce([part.high for part in parts])
        # Added anew each time: sums that steps are taken from again and again would drift.
        return Counts(self.bins, low, high, np.add.reduce([part.sums for part in parts]))

    def packed(self) -> Counts:
        """Return the same with bins in the smallest type that holds them: many stretches are kept."""
        return replace(self, bins=self.bins.astype(np.min_scalar_type(int(self.bins.max(initial=0)))))


def join(bins: AnyArray, group: Int64Array) -> Int64Array:
    """Return one column's rows by joined bin."""
    return np.bincount(group, bins, minlength=int(group.max()) + 1).astype(np.int64)


def joined(bins: AnyArray, slices: Sequence[slice], chosen: Sequence[int], groups: Groups) -> Float64Array:
    """Return some columns' rows by joined bin, shape (columns, bins), padded with zeros."""
    return padded([join(bins[slices[at]], group) for at, group in zip(chosen, groups, strict=True)])


def padded(rows: Sequence[AnyArray]) -> Float64Array:
    """Return rows of several lengths as one matrix."""
    matrix = np.zeros((len(rows), max(map(len, rows))))
    for at, row in enumerate(rows):
        matrix[at, : len(row)] = row
    return matrix
