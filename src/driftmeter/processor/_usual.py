"""What bad values are usual: as many as the baseline has, varying as they do between its blocks and past windows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from driftmeter import stats
from driftmeter.baseline import Baseline
from driftmeter.processor._finding import Finding
from driftmeter.processor._tally import CHECKS, Tally, known_values, place_of, place_of_all, tally
from driftmeter.schema import Column
from driftmeter.sketches import CategoricalSketch, Sketch, pack_counts, unpack_counts
from driftmeter.typing import Float64Array, Int64Array

PAST_WINDOWS: Final = 64
"""How many past windows to learn from."""


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
        self.tally = tally(snapshot, self.known)
        self.tally.counts[:, place_of("unseen_category")] += [
            _seen_once(sketch) for sketch in snapshot.columns.values()
        ]
        self._place = {column: at for at, column in enumerate(self.tally.columns)}
        blocks = [tally(block, self.known).on(self.tally.columns) for block in baseline.blocks]
        self._blocks = _Stretches.of(blocks if len(blocks) > 1 else [])
        self._past = _Stretches()

    def learn(self, window: Tally, violated: Collection[tuple[Column | None, str]]) -> None:
        """Learn from a window how rates vary, but not from checks that were violated.

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

    def p_values(self, findings: Sequence[Finding]) -> Float64Array:
        """Return how likely so many bad values are by chance, shape (findings,); NaN where the baseline has no rows."""
        bad, rows, bad0, rows0 = np.array(
            [(found.bad, found.rows, found.baseline_bad, found.baseline_rows) for found in findings], dtype=np.float64
        ).T
        known = rows0 > 0
        p_values = np.full(len(findings), np.nan)
        p_values[known] = stats.excess_p_value(bad[known], rows[known], bad0[known], rows0[known])
        varied = [at for at, found in enumerate(findings) if self._blocks.number and known[at] and self._varies(found)]
        if varied:
            block_k, block_n = self._rates(self._blocks, [findings[at] for at in varied])
            history_k, history_n = self._rates(self._past, [findings[at] for at in varied])
            p_values[varied] = stats.excess_among_blocks_p_value(
                bad[varied],
                rows[varied],
                block_k=block_k,
                block_n=block_n,
                history_k=np.minimum(history_k, history_n),
                history_n=history_n,
            )
        return p_values

    def _varies(self, found: Finding) -> bool:
        """Whether the blocks tell how the check's rate varies; of most checks there is never any bad value."""
        # The blocks' categories are all among the baseline's, so they do not tell how many are new in a block.
        return found.check in CHECKS and found.check != "unseen_category" and found.column in self._place

    def _rates(self, stretches: _Stretches, findings: Sequence[Finding]) -> tuple[Int64Array, Int64Array]:
        """Return bad values and what they are a share of, both of shape (stretches, findings)."""
        at = [self._place[found.column] for found in findings if found.column is not None]
        bad = [place_of(found.check) for found in findings]
        of = [place_of_all(found.check) for found in findings]
        counts = stretches.counts(self.tally.counts.shape)
        return counts[:, at, bad], counts[:, at, of]


def _seen_once(sketch: Sketch) -> int:
    """Return how many rows to expect in categories that are new, of as many rows: as many as were seen once.

    Source: Good (1953), doi:10.1093/biomet/40.3-4.237.
    """
    return sum(count == 1 for count in sketch.counts.values()) if isinstance(sketch, CategoricalSketch) else 0
