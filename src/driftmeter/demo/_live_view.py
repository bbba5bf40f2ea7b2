"""The live table in a terminal."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from driftmeter.demo._windows import ColumnSignal, Event, Window, week_number
from driftmeter.demo._wording import check, headline, p_value, shift, verdict

BARS: Final = "▁▂▃▄▅▆▇█"
NEWS: Final = 4
"""Verdicts that turned, shown below the table."""

_OTHER_COLUMNS_WIDTH: Final = 52
_SHIFT_WIDTH: Final = 50
"""Where the terminal has this much room beside the history, the table says what moved."""


class LiveView:
    """One table that is overwritten with each window; the last one stays, and the summary follows."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._news: deque[Event] = deque(maxlen=NEWS)
        self._shifts: dict[str, str] = {}

    def say(self, line: str) -> None:
        """Tell a step."""
        self._console.print(line, highlight=False, markup=False)

    def show(self, windows: Sequence[Window], *, total: int) -> None:
        """Draw the newest window."""
        if self._live is None:
            self._console.print()
            self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="crop")
            self._live.start()
        self._remember(windows[-1])
        self._live.update(self._picture(windows, total=total), refresh=True)

    def finish(self, summary: Sequence[str]) -> None:
        """Write the summary below the table."""
        self.close()
        self._console.print()
        for line in summary:
            indent = len(line) - len(line.lstrip())
            # Padding, unlike leading spaces, also indents the lines that a long one is wrapped to.
            # Together, as a line may end between the two.
            text = Text(line.strip().replace(" %", "%"))
            self._console.print(Padding(text, (0, 0, 0, indent)), highlight=False)

    def close(self) -> None:
        """Stop drawing; the terminal's cursor is shown again."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _remember(self, window: Window) -> None:
        self._news.extend(window.events)
        for event in window.events:
            if event.name.endswith("skew.detected"):
                self._shifts[event.column] = shift(event)

    def _picture(self, windows: Sequence[Window], *, total: int) -> RenderableType:
        window = windows[-1]
        model = f"{window.signals.model} {window.signals.version}".strip()
        title = Text.assemble((model, "bold"), f"  week {window.label}  ({week_number(windows)} of {total})")
        below = self._below(window)
        # Three lines of title, one of the table's head, two that stay free: a picture as high as the terminal scrolls.
        room = max(3, self._console.height - len(below) - 6)
        parts: list[RenderableType] = [title, Text(headline(window)), "", self._table(windows, rows=room), *below]
        return Group(*parts)

    def _below(self, window: Window) -> list[RenderableType]:
        lines = []
        if window.violated:
            found = ", ".join(check(quality) for quality in window.violated)
            lines.append(Text(f"quality: {found}", style="yellow", no_wrap=True, overflow="ellipsis"))
        for event in self._news:
            style = "dim" if event.name.endswith("resolved") else ""
            text = f"{event.name}  {event.column}: {shift(event)}"
            lines.append(Text(text, style=style, no_wrap=True, overflow="ellipsis"))
        return list(lines)

    def _table(self, windows: Sequence[Window], *, rows: int) -> Table:
        columns = windows[-1].worst_first
        shown = columns if len(columns) <= rows else columns[: rows - 1]
        room = self._console.width - _OTHER_COLUMNS_WIDTH
        history = min(len(windows), max(8, room)) if self._has_bars() else 0
        shift_width = room - max(history, len("history")) - 2
        tells = shift_width >= _SHIFT_WIDTH
        table = Table(box=None, pad_edge=False, header_style="dim")
        for heading in ("column", "distance", "p-value", "verdict", *(["history"] if history else [])):
            table.add_column(heading, justify="right" if heading in {"distance", "p-value"} else "left", no_wrap=True)
        if tells:
            # With its width given, the other columns keep theirs.
            table.add_column("moved, at first", no_wrap=True, overflow="ellipsis", width=shift_width)
        for column in shown:
            cells = self._cells(column)
            if history:
                cells.append(sparkline(windows[-history:], column.name))
            if tells:
                cells.append(Text(self._shifts.get(column.name, "") if column.detected else "", style="dim"))
            table.add_row(*cells)
        if len(shown) < len(columns):
            table.add_row(Text(f"... and {len(columns) - len(shown)} more", style="dim"))
        return table

    def _cells(self, column: ColumnSignal) -> list[Text]:
        style = "bold red" if column.detected else "green"
        return [
            Text(column.name, style="bold" if column.detected else ""),
            Text(f"{column.method} {column.distance:.3f}"),
            Text(p_value(column.p_value)),
            Text(verdict(column), style=style),
        ]

    def _has_bars(self) -> bool:
        return self._console.encoding.lower().startswith("utf")


def sparkline(windows: Sequence[Window], name: str) -> Text:
    """Draw a column's distance over windows, one character each, red where the verdict was 1.

    Heights are on a scale of square roots up to the column's largest distance, at least 1, so that a small but certain
    shift is seen beside a large one. A window without a verdict is a space.
    """
    found = [next((column for column in window.signals.columns if column.name == name), None) for window in windows]
    top = max([1.0, *(column.distance for column in found if column and math.isfinite(column.distance))])
    drawn = Text()
    for column in found:
        if column is None:
            drawn.append(" ")
        else:
            height = math.sqrt(min(column.distance, top) / top) * (len(BARS) - 1)
            drawn.append(BARS[round(height)], style="red" if column.detected else "green")
    return drawn
