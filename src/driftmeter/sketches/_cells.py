"""Cells: how a window of one column's buckets is found from the bits of a float64, without a logarithm.

The top bits of a positive float64 (exponent and ``scale + 1`` bits of mantissa) are its cell. A cell is narrower
than any bucket, so it holds at most one bucket boundary, and one threshold a cell decides on which side of it a
value lies. Adding ``2 ** shift - threshold`` carries exactly the values from the threshold on into the next cell::

    scale 1, base = sqrt(2): two mantissa bits a cell, cells at 1, 1.25, 1.5, 1.75; boundaries at 1, 1.41421...

    cell     0 [1, 1.25)     1 [1.25, 1.5)      2 [1.5, 1.75)    3 [1.75, 2)
             |               |      :           |                |
    value                    1.41 --:           |
    slot                     1      : 2         2                3
                                 1.4142...

    1.41 is in cell 1 and below the threshold: slot 1, the bucket of 1.25. 1.42 is carried into slot 2, the bucket
    of 1.5. So each slot lies in one bucket, and adding up the slots of a bucket counts it.

The SDK's mapping computes ``floor(log(v) * factor)``, and its rounding decides for the values within a few hundred
units in the last place of a boundary. Thresholds therefore lie ``_GUARD`` units below the boundaries, and the
values carried by less than twice that are left for `map_to_index` to decide: one value in 250,000 at scale 20, in
a billion at scale 10. Powers of two are boundaries that real data is full of; they belong to the bucket below,
exactly, and their guarded zone leaves out the power itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from driftmeter.sketches._mapping import map_to_index

if TYPE_CHECKING:
    from driftmeter.sketches._buckets import Buckets
    from driftmeter.typing import Int64Array

UInt64Array: TypeAlias = npt.NDArray[np.uint64]

MAX_CELLS: Final = 2048
"""The widest window of a column; what lies outside is counted apart."""

GUARDED: Final = 1 << 13
"""Values carried by less than this many units in the last place are decided by the mapping itself."""

_GUARD: Final = GUARDED // 2
"""2**-53 * 2**12 = 2**-41, relative: four times what the roundings of log and factor can amount to (2**-43 each)."""

_MANTISSA_BITS: Final = 52
_EXPONENT_BIAS: Final = 1023
_FIRST_NORMAL: Final = 1 << _MANTISSA_BITS
_INFINITY: Final = 0x7FF << _MANTISSA_BITS
_LEAST_MARGIN: Final = 32
_ANYWHERE: Final = 0.6180339887
"""Where the threshold of a cell without a boundary lies, in cells: any place that no round number has."""


@dataclass(frozen=True, slots=True)
class Window:
    """Cells ``first`` to ``first + width`` (exclusive) of one column, at a scale."""

    scale: int
    first: int = _INFINITY
    width: int = 0

    @property
    def shift(self) -> int:
        """The number of low bits within a cell."""
        return _MANTISSA_BITS - self.scale - 1

    @property
    def base(self) -> int:
        """The bits of the window's lowest value."""
        return self.first << self.shift if self.width else _INFINITY


def window_around(buckets: Buckets, scale: int) -> Window:
    """Return the window that holds the most counts of the buckets (of absolute values), with a margin."""
    normal = buckets.indexes >= (1 - _EXPONENT_BIAS) << scale
    indexes, counts = buckets.indexes[normal], buckets.counts[normal]
    if not len(indexes):
        return Window(scale)
    shift = Window(scale).shift
    lower = _boundary_bits(indexes, scale) >> shift
    upper = (_boundary_bits(indexes + 1, scale) >> shift) + 1
    sums = np.concatenate(([0], np.cumsum(counts)))
    ends = np.searchsorted(upper, lower + MAX_CELLS - 2 * _LEAST_MARGIN, side="right")
    start = int(np.argmax(sums[ends] - sums[:-1]))
    first, last = int(lower[start]), int(upper[ends[start] - 1])
    margin = min(max((last - first) // 4, _LEAST_MARGIN), (MAX_CELLS - (last - first)) // 2)
    first = max(first - margin, _FIRST_NORMAL >> shift)
    return Window(scale, first, min(last + margin, _INFINITY >> shift) - first)


def _boundary_bits(indexes: Int64Array, scale: int) -> Int64Array:
    """Return the bits of the lower boundary of each bucket, right but for a few units in the last place."""
    part = np.exp2((indexes & ((1 << scale) - 1)) / (1 << scale)).view(np.int64)
    return part + ((indexes >> scale) << _MANTISSA_BITS)


def cell_tables(window: Window) -> tuple[UInt64Array, Int64Array, Int64Array]:
    """Return what counts in a window: carries, and which slots make a bucket.

    Returns:
        The carry of each cell, shape (width + 2,): of the window's cells; of the one after, which is carried into a
        slot that no other reaches; and an unused one.
        The first slot of each bucket (0 is the window's first cell) and its index, both of shape (buckets,).
    """
    boundaries, bits = _boundaries(window)
    power = boundaries & ((1 << window.scale) - 1) == 0
    start = bits - np.where(power, GUARDED, _GUARD) - window.base
    size = 1 << window.shift
    cell = start >> window.shift
    spilled = (start + GUARDED) >> window.shift
    threshold = np.full(window.width, int(size * _ANYWHERE), dtype=np.int64)
    # A guarded zone that reaches over the end of its cell makes the next cell's zone start with the cell. (The
    # next boundary is at least 1.38 cells away, so that cell has no other.) 2**k itself stays below: from 1 on.
    inside = (cell >= 0) & (cell < window.width)
    threshold[cell[inside]] = (start & (size - 1))[inside]
    into_next = (spilled > cell) & (spilled >= 0) & (spilled < window.width)
    threshold[spilled[into_next]] = power[into_next]
    entered = np.where(power, (bits - window.base) >> window.shift, cell) + 1
    first_slots = np.clip(entered, 0, window.width + 1)
    used = np.append(first_slots[1:] > first_slots[:-1], first_slots[-1:] <= window.width)
    carries = np.append(size - threshold, (size, 0)).astype(np.uint64)
    return carries, first_slots[used], boundaries[used]


def _boundaries(window: Window) -> tuple[Int64Array, Int64Array]:
    """Return the boundaries in a window and one or two beside it: the indexes above them, and their bits."""
    if not window.width:
        return np.zeros(1, dtype=np.int64), np.full(1, _INFINITY, dtype=np.int64)
    ends = np.array([window.base, window.base + (window.width << window.shift) - 1], dtype=np.int64)
    low, high = map_to_index(ends.view(np.float64), window.scale)
    boundaries = np.arange(low - 1, high + 2)
    return boundaries, _boundary_bits(boundaries, window.scale)
