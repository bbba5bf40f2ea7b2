"""A numeric sketch cut for the wire.

OTLP's buckets are dense, so occupied buckets far apart travel in separate data points of the same metric, all at
one scale. A year column with a sentinel::

    occupied   . . . 2013-2024 . . . . . . . . (thousands of empty buckets) . . . . . . . . 3.4e38
    octaves          2^10                                                                   2^127
    parts            main                                                                   1.70141e+38

A part is a stretch of whole octaves (from one power of two to the next) of one sign; no bucket of any scale lies
across the end of one. The main part has the fullest stretch of either sign, and the zeros; every other is named by
the power of two that it began at. Ordinary columns have the main part alone: one is cut only where that makes it
`MIN_GAIN` scales finer, and fewer values fall together. What is left too long goes down in scale, exactly.

A `Layout` keeps the stretches of a running total. They grow, and others are added, but no value ever changes its part:
so no series loses counts, whatever is added, and however far the scale falls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np

from driftmeter.sketches import MIN_SCALE, Buckets, NumericSketch
from driftmeter.typing import Int64Array

MAX_PARTS: Final = 3
"""Parts beside the main one."""
MIN_GAIN: Final = 3
"""Scales that more parts must save: a resolution eight times as fine."""
FINE: Final = 8
"""From this scale on, buckets of 0.3 %, more parts are of no use where no two values fall together."""
MAX_BYTES: Final = 2200
"""What a column's buckets may take before compression, `_PART_BYTES` of each further data point included."""
_PART_BYTES: Final = 200


@dataclass(frozen=True, slots=True)
class Part:
    """What one data point holds, at the sketch's own scale; ``name`` is empty for the main part."""

    name: str
    positive: Buckets
    negative: Buckets


@dataclass(slots=True)
class _Stretch:
    """The octaves ``low`` to ``high``, both included; octave k holds the magnitudes above 2**k and up to 2**(k + 1)."""

    name: str
    low: int
    high: int


@dataclass(slots=True)
class Layout:
    """The parts that a column's running total is sent in; the main one is the first of its sign."""

    positive: list[_Stretch] = field(default_factory=list)
    negative: list[_Stretch] = field(default_factory=list)


_NO_BUCKETS: Final = NumericSketch().positive


class _Side:
    """The buckets of one sign, and where they are and may be cut: before which places of ``indexes``."""

    def __init__(self, buckets: Buckets, scale: int, stretches: list[_Stretch]) -> None:
        self.buckets = buckets
        self._scale = scale
        self._stretches = stretches
        self.forced: list[int] = []
        self.free: list[tuple[int, int]] = []

    def find_cuts(self) -> None:
        """Find where stretches make cuts, and where the widest others may be, as (width, place)."""
        self._octaves = self.buckets.indexes >> self._scale
        self._widths = np.diff(self.buckets.indexes)
        self._joining = np.sort(self.buckets.joining_scales())
        between = np.flatnonzero(self._octaves[1:] != self._octaves[:-1])
        for stretch in self._stretches:  # a stretch is never cut
            low, high = self._octaves[between], self._octaves[between + 1]
            between = between[(low < stretch.low) | (high > stretch.high)]
        self.forced = self._between_stretches(between)
        widest = between[np.argsort(-self._widths[between], kind="stable")].tolist()
        free = [at for at in widest if at + 1 not in self.forced][:MAX_PARTS]
        self.free = [(int(self._widths[at]), at + 1) for at in free]

    def _between_stretches(self, between: Int64Array) -> list[int]:
        cuts = []
        ordered = sorted(self._stretches, key=lambda stretch: stretch.low)
        for below, above in pairwise(ordered):
            low, high = self._octaves[between], self._octaves[between + 1]
            candidates = between[(low >= below.high) & (high <= above.low)]
            cuts.append(int(candidates[self._widths[candidates].argmax()]) + 1)
        return cuts

    def bytes_at(self, by: Int64Array, cuts: Sequence[int]) -> Int64Array:
        """Return the buckets' size ``by`` scales further down: a byte a bucket, and one more for an occupied one."""
        indexes = self.buckets.indexes
        if not len(indexes):
            return np.zeros_like(by)
        places = np.array(sorted(cuts), dtype=np.int64)
        first = indexes[np.concatenate(([0], places))]
        last = indexes[np.concatenate((places - 1, [-1]))]
        down = by[:, None]
        spans: Int64Array = ((last >> down) - (first >> down) + 1).sum(axis=1)
        return spans + self.occupied_at(by)

    def occupied_at(self, by: Int64Array) -> Int64Array:
        """Return how many buckets are occupied ``by`` scales further down."""
        return len(self.buckets) - np.searchsorted(self._joining, by, side="right")

    def parts(self, cuts: Sequence[int], sign: str) -> dict[str, Buckets]:
        """Return the parts by name, and let the stretches grow to hold them."""
        if not cuts:
            return {self._stretch(self.buckets, sign).name: self.buckets} if len(self.buckets) else {}
        indexes, counts = self.buckets.indexes, self.buckets.counts
        places = [0, *sorted(cuts), len(self.buckets)]
        parts = [Buckets(indexes[start:end], counts[start:end]) for start, end in pairwise(places) if end > start]
        # The fullest comes first, so that it is the main one.
        parts.sort(key=lambda part: -part.total)
        return {self._stretch(part, sign).name: part for part in parts}

    def _stretch(self, part: Buckets, sign: str) -> _Stretch:
        low, high = int(part.indexes[0]) >> self._scale, int(part.indexes[-1]) >> self._scale
        for stretch in self._stretches:
            if stretch.low <= high and low <= stretch.high:
                stretch.low, stretch.high = min(stretch.low, low), max(stretch.high, high)
                return stretch
        stretch = _Stretch(f"{sign}{2.0**low:.6g}" if self._stretches else "", low, high)
        self._stretches.append(stretch)
        return stretch


def cut(sketch: NumericSketch, layout: Layout | None = None) -> tuple[int, list[Part]]:
    """Return by how many scales the sketch goes down and its parts, the main one first.

    Args:
        sketch: The sketch; of a running total, what earlier ones held included.
        layout: The parts of the running total so far, which are brought up to date.
    """
    fits = _size(sketch.positive) + _size(sketch.negative) <= MAX_BYTES
    if fits and layout is None:
        return 0, [Part("", sketch.positive, sketch.negative)]
    layout = Layout() if layout is None else layout
    positive = _Side(sketch.positive, sketch.scale, layout.positive)
    negative = _Side(sketch.negative, sketch.scale, layout.negative)
    whole = fits and max(len(layout.positive), len(layout.negative)) <= 1
    by, cuts = (0, ([], [])) if whole else _choose((positive, negative), sketch.scale)
    above, below = positive.parts(cuts[0], ""), negative.parts(cuts[1], "-")
    names = dict.fromkeys(("", *above, *below))
    return by, [Part(name, above.get(name, _NO_BUCKETS), below.get(name, _NO_BUCKETS)) for name in names]


def _size(buckets: Buckets) -> int:
    """Return the buckets' size at their own scale, uncut: a byte a bucket, and one more for an occupied one."""
    indexes = buckets.indexes
    return indexes.item(-1) - indexes.item(0) + 1 + len(indexes) if len(indexes) else 0


def _choose(sides: tuple[_Side, _Side], scale: int) -> tuple[int, tuple[list[int], list[int]]]:
    """Return how many scales to go down, and where to cut the two sides."""
    for side in sides:
        side.find_cuts()
    by = np.arange(scale - MIN_SCALE + 1)
    forced = sides[0].forced, sides[1].forced
    down = _scales_down(sides, forced, by)
    if scale - down >= FINE and all(side.occupied_at(by)[down] == len(side.buckets) for side in sides):
        return down, forced
    best, cuts, most = (down - MIN_GAIN + 1, forced), forced, MAX_PARTS - len(forced[0]) - len(forced[1])
    free = sorted(((width, which, at) for which, side in enumerate(sides) for width, at in side.free), reverse=True)
    for _, which, at in free[: max(0, most)]:
        cuts = ([*cuts[0], at], cuts[1]) if which == 0 else (cuts[0], [*cuts[1], at])
        further = _scales_down(sides, cuts, by)
        if further < best[0]:
            best = further, cuts
    return best if best[1] is not forced else (down, forced)


def _scales_down(sides: tuple[_Side, _Side], cuts: tuple[list[int], list[int]], by: Int64Array) -> int:
    room = MAX_BYTES - _PART_BYTES * (len(cuts[0]) + len(cuts[1]))
    fits = sides[0].bytes_at(by, cuts[0]) + sides[1].bytes_at(by, cuts[1]) <= room
    return int(fits.argmax()) if fits.any() else len(by) - 1
