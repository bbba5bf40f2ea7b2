"""What one window of one model says, against all of its baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from driftmeter.baseline import Provenance
from driftmeter.processor._comparison import Verdict
from driftmeter.processor._finding import Finding
from driftmeter.schema import Model

SKEW_KINDS: Final = ("training", "validation")
"""In this order one of them says what values are usual."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The verdicts of one window against one baseline."""

    baseline: Provenance
    verdicts: Sequence[Verdict]

    @property
    def word(self) -> str:
        """Skew or drift, by the baseline's kind."""
        return "skew" if self.baseline.kind in SKEW_KINDS else "drift"

    @property
    def share(self) -> float | None:
        """The share of features with a verdict of 1, or None when no feature has one."""
        features = [verdict.detected for verdict in self.verdicts if verdict.column.role == "feature"]
        return sum(features) / len(features) if features else None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All that one window of one model says; it ended at ``end``, Unix nanoseconds."""

    model: Model
    end: int
    rows: int
    comparisons: Sequence[Comparison] = ()
    findings: Sequence[Finding] = ()
