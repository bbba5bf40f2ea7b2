"""One block of lines a window: for a file, a pipe, a log."""

from __future__ import annotations

from collections.abc import Sequence

import click

from driftmeter.demo._windows import Window, week_number
from driftmeter.demo._wording import check, headline, p_value, shift


class PlainView:
    """Plain text on standard output; nothing is overwritten."""

    def say(self, line: str) -> None:
        """Tell a step."""
        click.echo(line)

    def show(self, windows: Sequence[Window], *, total: int) -> None:
        """Write the newest window's block."""
        for line in block(windows[-1], number=week_number(windows), total=total):
            click.echo(line)

    def finish(self, summary: Sequence[str]) -> None:
        """Write the summary."""
        for line in ("", *summary):
            click.echo(line)

    def close(self) -> None:
        """Do nothing."""


def block(window: Window, *, number: int, total: int) -> list[str]:
    """Return a window's lines: the moved columns worst first, the quiet ones by name, quality, what turned."""
    lines = ["", f"{window.label}  ({number} of {total})  {headline(window)}"]
    width = max((len(column.name) for column in window.signals.columns), default=0)
    lines += [
        f"  {column.name:<{width}}  {column.method} {column.distance:6.3f}  p {p_value(column.p_value):>7}  moved"
        for column in window.worst_first
        if column.detected
    ]
    quiet = [column.name for column in window.worst_first if not column.detected]
    if quiet:
        lines.append(f"  quiet: {', '.join(quiet)}")
    if window.violated:
        lines.append(f"  quality: {', '.join(check(quality) for quality in window.violated)}")
    lines += [f"  {event.name}  {event.column}: {shift(event)}" for event in window.events]
    return lines
