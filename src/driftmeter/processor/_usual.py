"""What bad values are usual: as many as the baseline has, varying as they do between its blocks and past windows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from driftmeter import stats
from driftmeter.baseline import Baseline
from driftmeter.processor._flat import Flat
from driftmeter.processor._tally import CHECKS, Tally, known_values, place_of, place_of_all, tally
from driftmeter.schema import Column
from driftmeter.sketches import CategoricalSketch, Sketch, pack_counts, unpack_counts
from driftmeter.typing import Float64Array, Int64Array

PAST_WINDOWS: Final = 64
"""How many past windows to learn from."""

_VARIED: Final = tuple(check for check in CHECKS if check != "unseen_category")
"""The blocks' categories are all among the baseline's, so they do not tell how many are new in a block."""

Checked: TypeAlias = tuple["Column | None", str]
"""A column, None for the window as a whole, and the name of a check."""


@dataclass(frozen=True, slots=True)
class _Stretches:
    """Tallies of stretches at rest, all of the same columns."""

    number: int = 0
    packed: bytes = b""

    @classmethod
    def of(cls, counts: Sequence[Int64Array]) -> _Stretches:
        """Pack the counts of stretches, each of shape (columns, 7)."""
        # Check by check: most never find a bad value.
        return cls(len(counts), pack_counts(np.array(counts).transpose(2, 0, 1))) if counts else cls()

    def counts(self, shape: tuple[int, int]) -> Int64Array:
        """Return the counts, shape (stretches, columns, 7), where ``shape`` is that of one stretch."""
        columns, places = shape
        return unpack_counts(self.packed, (places, self.number, columns)).transpose(1, 2, 0)


class Usual:
    """What is usual by one baseline."""

    def __init__(self, baseline: Baseline) -> None:
        snapshot = baseline.snapshot
        self.baseline = baseline.provenance
        self.rows = snapshot.rows
        self.known = known_values(snapshot)
        # Counted against itself it has no outliers, and as unseen categories those alone that it did not keep.
        self.tally = tally(Flat.of(snapshot), self.known)
        self.tally.counts[:, place_of("unseen_category")] += [
            _expected_new(sketch) for sketch in snapshot.columns.values()
        ]
        self._place = {column: at for at, column in enumerate(self.tally.columns)}
        blocks = [tally(Flat.of(block), self.known).on(self.tally.columns) for block in baseline.blocks]
        self._blocks = _Stretches.of(blocks if len(blocks) > 1 else [])
        self._past = _Stretches()
        self._forget()

    def renew(self) -> None:
        """Let what was learned count from now on."""
        if self._learned:
            self._forget()

    def _forget(self) -> None:
        """Work out anew, when it is next needed, how rates vary."""
        self._learned = False
        self._rates: tuple[dict[Checked, int], stats.BlockRates] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_rates"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()

    def learn(self, window: Tally, violated: Collection[Checked]) -> None:
        """Learn from a window how rates vary, but not from checks that were violated. It counts from `renew` on.

        Windows must not overlap and come in the order of time.
        """
        if not self._blocks.number:
            return
        counts = window.on(self.tally.columns)
        for column, check in violated:
            if column in self._place and check in CHECKS:
                # No rows, so nothing to learn from.
                counts[self._place[column], place_of_all(check)] = 0
                counts[self._place[column], place_of(check)] = 0
        past = [*self._past.counts(counts.shape), counts]
        self._past = _Stretches.of(past[-PAST_WINDOWS:])
        self._learned = True

    def of(self, column: Column, check: str) -> tuple[int, int]:
        """Return how many bad values the baseline has, and of how many."""
        if check not in CHECKS:
            return 0, self.known[column].rows if check == "missing_column" else self.rows
        at = self._place.get(column)
        if at is None:
            return 0, 0
        counts = self.tally.counts[at]
        return int(counts[place_of(check)]), int(counts[place_of_all(check)])

    def p_values(self, checked: Sequence[tuple[Column, str]], bad: Int64Array, rows: Int64Array) -> Float64Array:
        """Return how likely so many bad values are by chance, shape (checks,); NaN where the baseline has no rows.

        Args:
            checked: The checks.
            bad: Their bad values, shape (checks,).
            rows: What these are a share of, likewise.
        """
        bad0, rows0 = np.array([self.of(*one) for one in checked], dtype=np.int64).reshape(-1, 2).T
        p_values = stats.excess_p_value(bad, rows, bad0, rows0)
        places, rates = self._known_rates()
        varied = [at for at, one in enumerate(checked) if one in places]
        if varied:
            known = rates.take(np.array([places[checked[at]] for at in varied]))
            p_values[varied] = known.p_values(bad[varied].astype(np.float64), rows[varied].astype(np.float64))
        return p_values

    def _known_rates(self) -> tuple[dict[Checked, int], stats.BlockRates]:
        """Return how the rates vary of what was ever bad, and the place of each."""
        if self._rates is None:
            block_k, block_n = self._rates_of(self._blocks)
            history_k, history_n = self._rates_of(self._past)
            ever = np.flatnonzero(block_k.any(axis=0) | history_k.any(axis=0))
            rates = stats.BlockRates.of(
                block_k[:, ever],
                block_n[:, ever],
                history_k=np.minimum(history_k, history_n)[:, ever],
                history_n=history_n[:, ever],
            )
            checked = [(column, check) for column in self.tally.columns for check in _VARIED]
            self._rates = {checked[at]: place for place, at in enumerate(ever.tolist())}, rates
        return self._rates

    def _rates_of(self, stretches: _Stretches) -> tuple[Int64Array, Int64Array]:
        """Return bad values and what they are a share of, column by column and check by check, by stretch."""
        counts = stretches.counts(self.tally.counts.shape)
        shape = stretches.number, len(self.tally.columns) * len(_VARIED)
        bad, of = [place_of(check) for check in _VARIED], [place_of_all(check) for check in _VARIED]
        return counts[:, :, bad].reshape(shape), counts[:, :, of].reshape(shape)


def _expected_new(sketch: Sketch) -> int:
    """Return how many rows more than the unnamed ones to expect, of as many rows, in categories without a name.

    In new categories as many as were seen once. Where only the most frequent names were kept, chance has favoured
    these: all that have the count ``t`` or more get as many rows as those had that have ``t + 1`` or more. Not all of
    count ``t`` were kept, so it is said of those above it.

    Source: Good (1953), doi:10.1093/biomet/40.3-4.237.
    """
    if not isinstance(sketch, CategoricalSketch) or not sketch.counts:
        return 0
    line = min(sketch.counts.values()) + 1 if sketch.other else 1
    return sum(count for count in sketch.counts.values() if count <= line)
