"""What one check of one window found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from driftmeter.schema import Column


@dataclass(frozen=True, slots=True)
class Beyond:
    """The baseline's range, and how far out values lie: below it no further than ``low``, above it than ``high``.

    Infinity where none lie on that side.
    """

    usual: tuple[float, float]
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class NewCategories:
    """The most frequent of the categories that the baseline does not know, and how often each came."""

    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class OnlyValue:
    """What all values are."""

    value: float | str


Evidence: TypeAlias = Beyond | NewCategories | OnlyValue


@dataclass(frozen=True, slots=True)
class Finding:
    """One check of one column: ``bad`` of ``rows``, where the baseline had ``baseline_bad`` of ``baseline_rows``.

    Of ``volume``, which is about the whole window and has no column, ``rows`` are the usual ones. The evidence is there
    where a check is violated that was not in the window before.
    """

    column: Column | None
    check: str
    bad: int
    rows: int
    baseline_bad: int
    baseline_rows: int
    violated: bool = False
    critical: bool = False
    evidence: Evidence | None = None

    @property
    def ratio(self) -> float:
        """The share of bad values in the window."""
        return self.bad / self.rows

    @property
    def baseline_ratio(self) -> float:
        """The share of bad values in the baseline."""
        return self.baseline_bad / self.baseline_rows if self.baseline_rows else 0.0
