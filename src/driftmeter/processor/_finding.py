"""What one check of one window found."""

from __future__ import annotations

from dataclasses import dataclass

from driftmeter.schema import Column


@dataclass(frozen=True, slots=True)
class Finding:
    """One check of one column: ``bad`` of ``rows``, where the baseline had ``baseline_bad`` of ``baseline_rows``.

    Of ``volume``, which is about the whole window and has no column, ``rows`` are the usual ones.
    """

    column: Column | None
    check: str
    bad: int
    rows: int
    baseline_bad: int
    baseline_rows: int
    violated: bool = False
    critical: bool = False

    @property
    def ratio(self) -> float:
        """The share of bad values in the window."""
        return self.bad / self.rows

    @property
    def baseline_ratio(self) -> float:
        """The share of bad values in the baseline."""
        return self.baseline_bad / self.baseline_rows if self.baseline_rows else 0.0
