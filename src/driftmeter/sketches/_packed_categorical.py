"""Categorical sketches at rest: their names in one text, and their counts."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from driftmeter.sketches._categorical import CategoricalSketch
from driftmeter.sketches._packing import pack_counts, unpack_counts


@dataclass(frozen=True, slots=True)
class PackedCategorical:
    """Categorical sketches, all of a snapshot's.

    Attributes:
        number: How many they are.
        numbers: Other, missing, mismatched, 1 more than the error (0 where it is unknown) and names of each.
        lengths: Each name's length.
        names: The names one after the other, deflated.
        counts: Each name's count.
    """

    number: int
    numbers: bytes
    lengths: bytes
    names: bytes
    counts: bytes

    @classmethod
    def of(cls, sketches: Sequence[CategoricalSketch]) -> PackedCategorical:
        """Pack sketches."""
        names = [name for sketch in sketches for name in sketch.counts]
        numbers = [
            (one.other, one.missing, one.mismatched, 0 if one.error is None else one.error + 1, len(one.counts))
            for one in sketches
        ]
        return cls(
            len(sketches),
            pack_counts(np.array(numbers, dtype=np.int64).reshape(-1, 5).T),
            pack_counts(np.array([len(name) for name in names], dtype=np.int64)),
            zlib.compress("".join(names).encode(), 1),
            pack_counts(np.array([count for one in sketches for count in one.counts.values()], dtype=np.int64)),
        )

    def unpacked(self) -> list[CategoricalSketch]:
        """Return the sketches."""
        numbers = unpack_counts(self.numbers, (5, self.number))
        sizes = numbers[4]
        ends = [0, *unpack_counts(self.lengths, int(sizes.sum())).cumsum().tolist()]
        text = zlib.decompress(self.names).decode()
        names = [text[start:end] for start, end in pairwise(ends)]
        counts = unpack_counts(self.counts, len(names)).tolist()
        bounds = [0, *sizes.cumsum().tolist()]
        return [
            CategoricalSketch(
                dict(zip(names[start:end], counts[start:end], strict=True)),
                other=other,
                missing=missing,
                mismatched=mismatched,
                error=error - 1 if error else None,
            )
            for (start, end), (other, missing, mismatched, error, _) in zip(
                pairwise(bounds), numbers.T.tolist(), strict=True
            )
        ]
