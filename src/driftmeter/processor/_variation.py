"""How a baseline's columns vary from window to window when nothing is wrong: its blocks, and past windows."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from driftmeter import stats
from driftmeter.processor._counts import Counts
from driftmeter.processor._grid import Grain
from driftmeter.processor._layout import Joining, Layout
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

    What the blocks and past windows say takes a hundred times as long to work out as a verdict, so it is kept: what
    past windows add counts from the next `renew` on.

    Args:
        layout: The baseline's bins.
        blocks: The baseline's blocks, in the order of time.
    """

    def __init__(self, layout: Layout, blocks: Iterable[Counts]) -> None:
        self._layout = layout
        kept = [self._kept(block) for block in blocks]
        self._blocks = kept if len(kept) > 1 else []
        self._past: deque[tuple[_Kept, BoolArray]] = deque(maxlen=PAST_WINDOWS)
        self._forget()

    def renew(self) -> None:
        """Let what was learned count from now on."""
        if self._learned:
            self._forget()

    def _forget(self) -> None:
        """Work out anew, when it is next needed, how columns vary."""
        self._learned = False
        self._means: stats.BlockMeans | None = None
        self._effects: dict[tuple[int, Grain], tuple[stats.DesignEffect, int]] = {}
        self._effect: tuple[Joining, stats.DesignEffect] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in {"_means", "_effects", "_effect"}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()

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
        self._learned = True

    def _among(self, columns: Collection[Column]) -> BoolArray:
        return np.array([column in columns for column in self._layout.columns])

    def design_effect(self, joining: Joining) -> stats.DesignEffect | None:
        """Return how the columns of a joining vary, on just these bins; None where that is not known."""
        if not self._blocks:
            return None
        if self._effect is None or self._effect[0] is not joining:
            keys = list(zip(joining.chosen.tolist(), joining.grain, strict=True))
            new = [row for row, key in enumerate(keys) if key not in self._effects]
            if new:
                self._estimate(joining, new)
            self._effect = joining, _gathered([self._effects[key] for key in keys], bins=joining.width)
        return self._effect[1]

    def _estimate(self, joining: Joining, rows: Sequence[int]) -> None:
        """Estimate the design effects of some of a joining's columns."""
        chosen = joining.chosen[rows]
        blocks = np.array([joining.join(block.bins)[rows] for block in self._blocks])
        past = [joining.join(counts.bins)[rows] * learned[chosen, None] for counts, learned in self._past]
        effect = stats.estimate_design_effect(
            blocks, ordered=self._layout.numeric[chosen], history=np.array(past) if past else None
        )
        for at, row in enumerate(rows):
            self._effects[int(joining.chosen[row]), joining.grain[row]] = effect, at

    def mean_p_values(self, window: Counts, joining: Joining) -> Float64Array | None:
        """Return the p-values of the columns' means among those of the blocks; None where these are not known."""
        if not self._blocks:
            return None
        if self._means is None:
            past = list(self._past)
            self._means = stats.BlockMeans.of(
                np.array([block.means for block in self._blocks]),
                block_rows=np.array([block.rows for block in self._blocks]),
                history=np.array([kept.means for kept, _ in past]) if past else None,
                history_rows=np.array([kept.rows * learned for kept, learned in past]) if past else None,
            )
        rows, means = self._means_of(window)
        return self._means.take(joining.chosen).p_values(means[joining.chosen], rows[joining.chosen])

    def _means_of(self, counts: Counts) -> tuple[Float64Array, Float64Array]:
        """Return each column's rows and mean."""
        rows = self._layout.rows(counts.bins).astype(np.float64)
        return rows, counts.sums / np.maximum(rows, 1.0)

    def _kept(self, counts: Counts) -> _Kept:
        return _Kept(len(counts.bins), pack_counts(counts.bins), *self._means_of(counts))


def _gathered(places: Sequence[tuple[stats.DesignEffect, int]], *, bins: int) -> stats.DesignEffect:
    """Return one design effect from the columns of several."""
    parts: list[tuple[stats.DesignEffect, list[int]]] = []
    for effect, row in places:
        if not parts or parts[-1][0] is not effect:
            parts.append((effect, []))
        parts[-1][1].append(row)
    return stats.DesignEffect.gathered([(effect, np.array(rows)) for effect, rows in parts], bins=bins)
