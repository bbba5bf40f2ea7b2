"""How the demo writes numbers and verdicts."""

from __future__ import annotations

from typing import Final

from driftmeter.demo._windows import ColumnSignal, Event, QualitySignal, Window
from driftmeter.processor import percent

SMALLEST_P: Final = 1e-12
"""Below it a p-value says no more than 'certainly not chance'."""


def p_value(value: float | None) -> str:
    """Return ``'<1e-12'``, ``'3e-05'``, ``'0.42'``, or a dash without a value."""
    if value is None:
        return "-"
    if value < SMALLEST_P:
        return f"<{SMALLEST_P:.0e}"
    return f"{value:.0e}" if value < 0.001 else f"{value:.2g}"


def milliseconds(seconds: float | None) -> str:
    """Return ``'8.1 ms'``, or a dash without a value."""
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"


def verdict(column: ColumnSignal) -> str:
    """Return what the verdict says."""
    return "moved" if column.detected else "quiet"


def check(quality: QualitySignal) -> str:
    """Return ``'pressure missing 38 %'``."""
    ratio = "" if quality.ratio is None else f" {percent(quality.ratio)}"
    return f"{quality.column} {quality.check.replace('_', ' ')}{ratio}"


def shift(event: Event) -> str:
    """Return an event's words without the column's name in front."""
    return event.body.removeprefix(f"{event.column}: ")


def headline(window: Window) -> str:
    """Return a window's rows, latency and share in one line."""
    parts = [
        f"{window.signals.rows:,} rows",
        f"p50 {milliseconds(window.p50)}",
        f"p99 {milliseconds(window.p99)}",
    ]
    if window.features:
        moved = sum(column.detected for column in window.features)
        share = "" if window.signals.share is None else f" (share {window.signals.share:.0%})".replace("%", " %")
        parts.append(f"{moved} of {len(window.features)} features moved{share}")
    else:
        parts.append("too few rows for a verdict")
    return "  ".join(parts)
