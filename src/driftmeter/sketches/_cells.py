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

Between two powers of two buckets become wider and cells do not. Where all of a window lies in the upper half of them,
from 1.5 on say, a bucket is wider than even a cell of one bit less, and half as many cells do.

The SDK's mapping computes ``floor(log(v) * factor)``, and its rounding decides for the values within a few hundred
units in the last place of a boundary. Thresholds therefore lie ``_GUARD`` units below the boundaries, and the
values carried by less than twice that are left for `map_to_index` to decide: one value in 250,000 at scale 20, in
a billion at scale 10. Powers of two are boundaries that real data is full of; they belong to the bucket below,
exactly, and their guarded zone leaves out the power itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from driftmeter.sketches._windows import INFINITY, Window, boundary_bits
from driftmeter.typing import Int64Array

UInt64Array: TypeAlias = npt.NDArray[np.uint64]


GUARDED: Final = 1 << 13
"""Values carried by less than this many units in the last place are decided by the mapping itself."""

_GUARD: Final = GUARDED // 2
"""2**-53 * 2**12 = 2**-41, relative: four times what the roundings of log and factor can amount to (2**-43 each)."""


_ANYWHERE: Final = 0.6180339887
"""Where the threshold of a cell without a boundary lies, in cells: any place that no round number has."""


class CellTables(NamedTuple):
    """What counts in windows side by side, each with two more slots than it has cells.

    The slot after a window's cells is what the last one is carried to; the next one is for what is outside.
    """

    carries: UInt64Array
    """The carry of each cell, shape (slots,)."""
    first_slots: Int64Array
    """The first slot of each bucket, counted from its window's first cell, shape (buckets,)."""
    first_indexes: Int64Array
    """The index of each window's first bucket; the others follow without a gap."""
    buckets: Int64Array
    """The number of buckets of each window."""


def cell_tables(windows: Sequence[Window]) -> CellTables:
    """Return what counts in windows, all of them at once."""
    scale, shift, base, width = (
        np.array([getattr(window, name) for window in windows], dtype=np.int64)
        for name in ("scale", "shift", "base", "width")
    )
    owner, boundaries = _boundaries(scale, base, width << shift)
    bits = boundary_bits(boundaries, scale[owner])
    offsets = np.cumsum(width + 2) - width - 2
    size, shifts, widths = (np.left_shift(1, shift))[owner], shift[owner], width[owner]
    power = boundaries & (np.left_shift(1, scale) - 1)[owner] == 0
    start = bits - np.where(power, GUARDED, _GUARD) - base[owner]
    cell = start >> shifts
    spilled = (start + GUARDED) >> shifts
    sizes = np.repeat(np.left_shift(1, shift), width + 2)
    threshold = (sizes * _ANYWHERE).astype(np.int64)
    # A guarded zone that reaches over the end of its cell makes the next cell's zone start with the cell. (The
    # next boundary is more than a cell away, so that cell has no other.) 2**k itself stays below: from 1 on.
    inside = (cell >= 0) & (cell < widths)
    threshold[(offsets[owner] + cell)[inside]] = (start & (size - 1))[inside]
    into_next = (spilled > cell) & (spilled >= 0) & (spilled < widths)
    threshold[(offsets[owner] + spilled)[into_next]] = power[into_next]
    carries = sizes - threshold
    after = offsets + width
    carries[after] = sizes[after] * 3 // 2  # from its beginning, where `CellTable` puts it, into the slot for outside
    entered = np.where(power, (bits - base[owner]) >> shifts, cell) + 1
    first_slots = np.clip(entered, 0, widths + 1)
    ends = np.append(first_slots[1:], 0)
    ends[np.append(owner[1:] != owner[:-1], True)] = width + 1
    used = ends > first_slots
    buckets = np.bincount(owner[used], minlength=len(windows))
    first_indexes = boundaries[used][np.cumsum(buckets) - buckets]
    return CellTables(carries.astype(np.uint64), first_slots[used], first_indexes, buckets)


def _boundaries(scale: Int64Array, base: Int64Array, size: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Return the boundaries in windows and one or two beside each: its window, and the index above it."""
    lowest, highest = (
        np.floor(np.log2(np.minimum(bits, INFINITY - 1).view(np.float64)) * np.left_shift(1, scale)).astype(np.int64)
        for bits in (base, base + size)
    )
    number = highest - lowest + 4
    owner = np.repeat(np.arange(len(scale)), number)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(number) - number, number)
    return owner, lowest[owner] - 1 + within
