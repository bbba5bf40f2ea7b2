"""What the demo knows of one window: the signals that arrived, and the flights they speak of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class ColumnSignal:
    """A column's window against the baseline. None: the signal did not arrive."""

    name: str
    role: str
    method: str
    distance: float
    p_value: float | None
    detected: bool


@dataclass(frozen=True, slots=True)
class QualitySignal:
    """One quality check of one column: the share of its values that fail, and the verdict."""

    column: str
    check: str
    ratio: float | None
    violated: bool


@dataclass(frozen=True, slots=True)
class Signals:
    """All signals of one model's window, as one collection carries them.

    Attributes:
        end: When the window ended, in Unix seconds; it identifies the window.
        rows: Rows predicted within it.
        share: Share of the features with a verdict of 1; None without any verdict.
    """

    model: str
    version: str
    end: float
    rows: int
    share: float | None
    columns: tuple[ColumnSignal, ...]
    quality: tuple[QualitySignal, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """A verdict that turned, in words."""

    name: str
    column: str
    check: str
    body: str
    time: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """A week's flights, or some of them, sent within one window of time, ``start`` to ``end`` in Unix seconds.

    Attributes:
        first: The week's first day.
        last: The week's last day.
        rows: Flights that were certainly predicted within the window.
    """

    start: float
    end: float
    first: date
    last: date
    rows: int

    @property
    def seconds(self) -> float:
        """The window's length."""
        return self.end - self.start

    @property
    def label(self) -> str:
        """The week, ``'2013-03-01/2013-03-07'``."""
        return f"{self.first}/{self.last}"


@dataclass(frozen=True, slots=True)
class Window:
    """Signals and the flights they speak of.

    Attributes:
        p50: Half of the model's calls took at most this many seconds; None without a span.
        p99: 99 of 100 calls took at most this many seconds.
        events: The verdicts that turned when the window was evaluated.
    """

    stretch: Stretch
    signals: Signals
    p50: float | None = None
    p99: float | None = None
    events: tuple[Event, ...] = ()

    @property
    def label(self) -> str:
        """The week."""
        return self.stretch.label

    @property
    def worst_first(self) -> list[ColumnSignal]:
        """The columns, those with a verdict of 1 first, far before near."""
        return sorted(self.signals.columns, key=lambda column: (not column.detected, -column.distance, column.name))

    @property
    def features(self) -> list[ColumnSignal]:
        """The features that have a verdict."""
        return [column for column in self.signals.columns if column.role == "feature"]

    @property
    def violated(self) -> list[QualitySignal]:
        """The quality checks that are violated."""
        return [check for check in self.signals.quality if check.violated]


def week_number(windows: Sequence[Window]) -> int:
    """Return which week, counted from the first window's, the newest window is of; a week may have several windows."""
    return (windows[-1].stretch.first - windows[0].stretch.first).days // 7 + 1
