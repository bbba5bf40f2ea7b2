"""How a baseline's columns vary from window to window when nothing is wrong: its blocks, and past windows."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np

from driftmeter import stats
from driftmeter.processor._counts import Counts, Groups, joined
from driftmeter.schema import Column
from driftmeter.sketches import pack_counts, unpack_counts
from driftmeter.typing import BoolArray, Float64Array, Int64Array

PAST_WINDOWS: Final = 64
"""How many past windows to learn from."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is kept of a stretch: its bins at rest, and each column's rows and mean."""

    size: int
    packed: bytes
    rows: Float64Array
    means: Float64Array

    @property
    def bins(self) -> Int64Array:
        """Rows by bin."""
        return unpack_counts(self.packed, self.size)


class Variation:
    """What is known of the variation of one baseline's columns; nothing, where it has no blocks.

    Args:
        columns: The columns of the baseline's grids.
        slices: Where each column's bins are in `Counts.bins`.
        blocks: The baseline's blocks, in the order of time.
    """

    def __init__(self, columns: Sequence[Column], slices: Sequence[slice], blocks: Iterable[Counts]) -> None:
        self._columns = columns
        self._slices = slices
        self._starts = np.array([part.start for part in slices], dtype=np.int64)
        kept = [self._kept(block) for block in blocks]
        self._blocks = kept if len(kept) > 1 else []
        self._past: deque[tuple[_Kept, BoolArray]] = deque(maxlen=PAST_WINDOWS)
        self._learned = 0
        self._estimated: tuple[object, stats.DesignEffect | None] = (None, None)

    def learn(self, window: Counts, *, quiet: Collection[Column], borne_out: Collection[Column]) -> None:
        """Learn from a window, see `Comparer.learn`.

        Args:
            window: The window's counts.
            quiet: The columns to learn from.
            borne_out: The columns that are not to be learned from in the last window either.
        """
        if not self._blocks:
            return
        if self._past and borne_out:
            counts, learned = self._past[-1]
            self._past[-1] = counts, learned & ~self._among(borne_out)
        self._past.append((self._kept(window), self._among(quiet)))
        self._learned += 1

    def _among(self, columns: Collection[Column]) -> BoolArray:
        return np.array([column in columns for column in self._columns])

    def design_effect(self, chosen: Sequence[int], groups: Groups, ordered: BoolArray) -> stats.DesignEffect | None:
        """Return how the columns at the places ``chosen`` vary, on just these bins; they rarely change in between."""
        if not self._blocks:
            return None
        told = blake2b(b"".join((np.array(chosen).tobytes(), *(group.tobytes() for group in groups))), digest_size=16)
        key = (told.digest(), self._learned)
        if self._estimated[0] != key:
            blocks = np.array([joined(block.bins, self._slices, chosen, groups) for block in self._blocks])
            past = [
                joined(counts.bins, self._slices, chosen, groups) * learned[list(chosen), None]
                for counts, learned in self._past
            ]
            history = np.array(past) if past else None
            self._estimated = (key, stats.estimate_design_effect(blocks, ordered=ordered, history=history))
        return self._estimated[1]

    def mean_p_values(self, window: Counts, chosen: Sequence[int]) -> Float64Array | None:
        """Return the p-values of the columns' means among those of the blocks."""
        if not self._blocks:
            return None
        at = list(chosen)
        rows, means = self._means(window)
        past = list(self._past)
        p_values: Float64Array = stats.block_mean_p_values(
            means[at],
            np.array([block.means[at] for block in self._blocks]),
            live_rows=rows[at],
            block_rows=np.array([block.rows[at] for block in self._blocks]),
            history=np.array([kept.means[at] for kept, _ in past]) if past else None,
            history_rows=np.array([kept.rows[at] * learned[at] for kept, learned in past]) if past else None,
        )
        return p_values

    def _means(self, counts: Counts) -> tuple[Float64Array, Float64Array]:
        """Return each column's rows and mean."""
        if not len(self._starts):
            return counts.sums, counts.sums
        rows = np.add.reduceat(counts.bins, self._starts).astype(np.float64)
        return rows, counts.sums / np.maximum(rows, 1.0)

    def _kept(self, counts: Counts) -> _Kept:
        return _Kept(len(counts.bins), pack_counts(counts.bins), *self._means(counts))
