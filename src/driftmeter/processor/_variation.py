"""How a baseline's columns vary from window to window when nothing is wrong: its blocks, and past windows."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from typing import Final

import numpy as np

from driftmeter import stats
from driftmeter.processor._counts import Counts, Groups, joined
from driftmeter.schema import Column
from driftmeter.typing import BoolArray, Float64Array

PAST_WINDOWS: Final = 64
"""How many past windows to learn from."""


class Variation:
    """What is known of the variation of one baseline's columns; nothing, where it has no blocks.

    Args:
        columns: The columns of the baseline's grids.
        slices: Where each column's bins are in `Counts.bins`.
        blocks: The baseline's blocks, in the order of time.
    """

    def __init__(self, columns: Sequence[Column], slices: Sequence[slice], blocks: Sequence[Counts]) -> None:
        self._columns = columns
        self._slices = slices
        self._blocks = [block.packed() for block in blocks] if len(blocks) > 1 else []
        self._past: deque[tuple[Counts, BoolArray]] = deque(maxlen=PAST_WINDOWS)
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
        self._past.append((window.packed(), self._among(quiet)))
        self._learned += 1

    def _among(self, columns: Collection[Column]) -> BoolArray:
        return np.array([column in columns for column in self._columns])

    def design_effect(self, chosen: Sequence[int], groups: Groups, ordered: BoolArray) -> stats.DesignEffect | None:
        """Return how the columns at the places ``chosen`` vary, on just these bins; they rarely change in between."""
        if not self._blocks:
            return None
        key = (tuple(chosen), tuple(group.tobytes() for group in groups), self._learned)
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
        mean, rows = self._means(window, chosen)
        blocks = [self._means(block, chosen) for block in self._blocks]
        past = [self._means(counts, chosen, learned) for counts, learned in self._past]
        p_values: Float64Array = stats.block_mean_p_values(
            mean,
            np.array([means for means, _ in blocks]),
            live_rows=rows,
            block_rows=np.array([counted for _, counted in blocks]),
            history=np.array([means for means, _ in past]) if past else None,
            history_rows=np.array([counted for _, counted in past]) if past else None,
        )
        return p_values

    def _means(
        self, counts: Counts, chosen: Sequence[int], learned: BoolArray | None = None
    ) -> tuple[Float64Array, Float64Array]:
        at = list(chosen)
        rows = np.array([counts.bins[self._slices[i]].sum() for i in at], dtype=np.float64)
        if learned is not None:
            rows *= learned[at]
        return counts.sums[at] / np.maximum(rows, 1.0), rows
