"""One JSON object a window, for scripts."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import click

from driftmeter.demo._windows import Window


class JsonView:
    """Standard output carries the windows and nothing else; words go to standard error."""

    def say(self, line: str) -> None:
        """Tell a step."""
        click.echo(line, err=True)

    def show(self, windows: Sequence[Window], *, total: int) -> None:  # noqa: ARG002 - every view is told the total
        """Write the newest window."""
        click.echo(json.dumps(as_json(windows[-1]), allow_nan=False))

    def finish(self, summary: Sequence[str]) -> None:
        """Write the summary."""
        for line in summary:
            click.echo(line, err=True)

    def close(self) -> None:
        """Do nothing."""


def as_json(window: Window) -> dict[str, Any]:
    """Return a window as plain values.

    ``columns`` holds those with a verdict, worst first; ``share`` is null while none has one.
    """
    return {
        "window": window.label,
        "rows": window.signals.rows,
        "columns": [
            {
                "name": column.name,
                "method": column.method,
                "distance": _finite(column.distance),
                "p_value": _finite(column.p_value),
                "detected": column.detected,
            }
            for column in window.worst_first
        ],
        "share": _finite(window.signals.share),
    }


def _finite(value: float | None) -> float | None:
    # JSON has no infinity; a distance can be infinite where a bin is empty on one side.
    return value if value is not None and math.isfinite(value) else None
