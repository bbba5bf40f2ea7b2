"""What becomes of points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from driftmeter import otlp
from driftmeter.gateway.streams._identity import ShardKey

PASSED: Final = ("counted", "overlapping", "extended", "reset", "duplicate", "old", "undecided", "first")
COUNTED, OVERLAPPING, EXTENDED, RESET, DUPLICATE, OLD, UNDECIDED, FIRST = range(len(PASSED))
REFUSED: Final = ("future", "models", "columns", "streams", "open_columns", "overflow")
FUTURE, MODELS, COLUMNS, STREAMS, OPEN_COLUMNS, OVERFLOW = range(len(PASSED), len(PASSED) + len(REFUSED))
WITHOUT_VALUE: Final = "without_value"
RESOURCE, POINTS, NAMES, BASELINE = UNREAD = ("resource", "points", "names", "baseline")
"""Why points are refused before anybody asks what their streams had."""
ALL: Final = (*PASSED, WITHOUT_VALUE, *REFUSED, *UNREAD, *otlp.POINT_RULES[1:])
"""All that can become of a point."""
NONE: Final = -1
"""Of a point that is not looked at: it was refused before, or is skipped."""

COUNTS: Final = np.isin(np.arange(len(PASSED) + len(REFUSED) + 1), (COUNTED, OVERLAPPING, EXTENDED, RESET))
"""Whether points of an outcome count, whole or in part; `NONE`, -1, is the last one."""

Codes = npt.NDArray[np.int8]
"""For each point one of the above."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of a request's points of ours.

    Attributes:
        passed: How many were taken, by what they were: ``counted``; ``overlapping``, counted although another interval
            of the same writer overlaps theirs (most often two processes that go by one identity); ``extended``, a delta
            that goes on from a shorter one of the same start, and counts by what it is more; ``reset``, counted whole
            since a running total fell; ``duplicate``, counted before; ``old``, older than what was counted;
            ``undecided``, a delta that holds something that was counted, nobody knows how much, and is not counted;
            ``first``, a running total that began too long ago to be counted; ``without_value``.
        refused: How many were refused, by reason.
        shards: The parts of the state that changed.
    """

    passed: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    shards: frozenset[ShardKey] = frozenset()

    @property
    def rejected(self) -> int:
        """How many points were refused, for OTLP's partial success."""
        return sum(self.refused.values())

    @property
    def message(self) -> str:
        """Why, for OTLP's partial success; empty if none was."""
        return ", ".join(f"{count} points refused: {reason}" for reason, count in sorted(self.refused.items()))


def tally(codes: Codes) -> tuple[dict[str, int], dict[str, int]]:
    """Return how many points passed and how many were refused, by outcome."""
    counts = np.bincount(codes[codes != NONE], minlength=len(PASSED) + len(REFUSED)).tolist()
    named = {name: count for name, count in zip((*PASSED, *REFUSED), counts, strict=True) if count}
    return (
        {name: count for name, count in named.items() if name in PASSED},
        {name: count for name, count in named.items() if name in REFUSED},
    )
