"""Windows: where the bulk of each column lies, in cells (see `_cells`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from driftmeter.sketches._stack import Stack
from driftmeter.typing import Int64Array

MAX_CELLS: Final = 2048
"""The widest window of a column; what lies outside is counted apart."""

MANTISSA_BITS: Final = 52
INFINITY: Final = 0x7FF << MANTISSA_BITS
_EXPONENT_BIAS: Final = 1023
_FIRST_NORMAL: Final = 1 << MANTISSA_BITS
_UPPER_HALF: Final = 1 << (MANTISSA_BITS - 1)
_LEAST_WIDE_SCALE: Final = 4
"""At scale 3 the slots of a whole table would not fit into the bits above wide cells."""

_MARGIN: Final = 32
_LEAST_MARGIN: Final = 16
"""A window is wider by one part in so many, at each end, than what was seen, and by so many cells."""

_TAIL: Final = 1024
"""One value in so many may be left out at each end of a window, where that makes it narrower."""


@dataclass(frozen=True, slots=True)
class Window:
    """Cells ``first`` to ``first + width`` (exclusive) of one column, each of ``2 ** shift`` float64 values."""

    scale: int
    shift: int
    first: int
    width: int

    @property
    def base(self) -> int:
        """The bits of the window's lowest value."""
        return self.first << self.shift if self.width else INFINITY


def windows_around(stack: Stack) -> list[Window]:
    """Return for each column the window that holds the most counts, regardless of sign, with a margin."""
    magnitudes = stack.magnitudes()
    owner, indexes = magnitudes.columns(), magnitudes.indexes()
    scales = stack.scales[owner]
    normal = indexes >= np.left_shift(1 - _EXPONENT_BIAS, scales)
    owner, indexes, scales, counts = (part[normal] for part in (owner, indexes, scales, magnitudes.counts))
    lower, upper = boundary_bits(indexes, scales), boundary_bits(indexes + 1, scales)
    ends = np.cumsum(np.bincount(owner, minlength=len(stack.scales))).tolist()
    return [
        _window_around(lower[start:end], upper[start:end], counts[start:end], scale)
        for scale, start, end in zip(stack.scales.tolist(), [0, *ends], ends, strict=False)
    ]


def _window_around(lower: Int64Array, upper: Int64Array, counts: Int64Array, scale: int) -> Window:
    """Return the window for buckets from lower to upper, in bits of float64."""
    shift = MANTISSA_BITS - scale - 1
    if not len(lower):
        return Window(scale, shift, 0, 0)
    sums = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=sums[1:])
    start, end = 0, len(lower)
    if upper[-1] - lower[0] > (widest := MAX_CELLS - 2 * _LEAST_MARGIN << shift):
        ends = np.searchsorted(upper, lower + widest, side="right")
        start = int(np.argmax(sums[ends] - sums[:-1]))
        end = int(ends[start])
    tail = (sums[end] - sums[start]) // _TAIL
    if tail:
        start, end = (
            int(np.searchsorted(sums, sums[start] + tail, side="right")) - 1,
            int(np.searchsorted(sums, sums[end] - tail, side="left")),
        )
    return _with_margin(int(lower[start]), int(upper[end - 1]), scale, shift)


def _with_margin(lower: int, upper: int, scale: int, shift: int) -> Window:
    """Return the window around the bits from lower to upper, with a margin; of wide cells if they do."""
    span = upper - lower >> shift
    margin = min(max(span // _MARGIN, _LEAST_MARGIN), (MAX_CELLS - 3 - span) // 2) << shift
    first, last = max(lower - margin, _FIRST_NORMAL), min(upper + margin, INFINITY - 1)
    in_one_half = first >> (MANTISSA_BITS - 1) == last >> (MANTISSA_BITS - 1)
    if in_one_half and first & _UPPER_HALF and scale >= _LEAST_WIDE_SCALE:
        shift += 1
    return Window(scale, shift, first >> shift, (last >> shift) - (first >> shift) + 1)


def boundary_bits(indexes: Int64Array, scale: Int64Array) -> Int64Array:
    """Return the bits of the lower boundary of each bucket, right but for a few units in the last place."""
    one = np.left_shift(1, scale)
    part: Int64Array = np.exp2((indexes & (one - 1)) / one).view(np.int64)
    return part + ((indexes >> scale) << MANTISSA_BITS)
