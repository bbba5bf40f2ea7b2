"""The end of the demo, in words: what moved, when, from where to where."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from driftmeter import semconv
from driftmeter.demo._windows import ColumnSignal, Event, Window
from driftmeter.demo._wording import shift

_DETECTED: Final = semconv.SKEW_TURNED[0].name
_VIOLATED: Final = semconv.QUALITY_TURNED[0].name


def summarize(
    windows: Sequence[Window],
    events: Sequence[Event],
    *,
    shuffled: bool,
    lost: int = 0,
    tell: Callable[[str, Window], str] | None = None,
) -> list[str]:
    """Return the summary's lines.

    Args:
        windows: All windows, in time order.
        events: All events, in time order; the first of a column says from which range to which it moved at first.
        shuffled: The flights were shuffled, so that nothing should have moved.
        lost: Windows that were sent and of which no signals came.
        tell: Says from which range to which a column had moved in a window.
    """
    lines: list[str] = []
    if windows:
        rows = sum(window.signals.rows for window in windows)
        period = f"{windows[0].stretch.first} to {windows[-1].stretch.last}"
        lines += [f"{rows:,} flights in {len(windows)} {_plural('window', len(windows))}, {period}.", ""]
        lines += _columns(windows, events, shuffled=shuffled, tell=tell)
        lines += _quality(windows, events)
    else:
        lines.append("No window was complete, so there is nothing to tell.")
    if lost:
        lines.append(
            f"Of {lost} more {_plural('window', lost)} no signals came: the machine was too busy to send them."
        )
    return lines


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def _columns(
    windows: Sequence[Window],
    events: Sequence[Event],
    *,
    shuffled: bool,
    tell: Callable[[str, Window], str] | None,
) -> Iterator[str]:
    judged: dict[str, list[tuple[Window, ColumnSignal]]] = {}
    for window in windows:
        for column in window.signals.columns:
            judged.setdefault(column.name, []).append((window, column))
    if not judged:
        yield "No verdict: a window needs more rows for one."
        return
    moved = {name: [seen for seen in all_seen if seen[1].detected] for name, all_seen in judged.items()}
    moved = {name: seen for name, seen in moved.items() if seen}
    yield from _verdict(
        verdicts=sum(map(len, judged.values())),
        columns=len(judged),
        alarms=sum(map(len, moved.values())),
        shuffled=shuffled,
    )
    yield ""
    for name in sorted(moved, key=lambda name: (-_furthest(moved[name])[1].distance, name)):
        yield from _one_column(name, moved[name], of=len(judged[name]), events=events, tell=tell)
    quiet = sorted(judged.keys() - moved.keys())
    if quiet and moved:
        yield from ("", f"Quiet throughout: {', '.join(quiet)}.")
    if moved:
        yield ""


def _verdict(*, verdicts: int, columns: int, alarms: int, shuffled: bool) -> Iterator[str]:
    if not alarms:
        yield f"Nothing moved: {verdicts:,} verdicts on {columns} columns, none of them 'moved'."
    elif shuffled:
        yield f"Nothing can have moved, so these are false alarms: {alarms} of {verdicts:,} verdicts."
    else:
        yield "What moved, against the flights that the model was trained on, the furthest first:"


def _furthest(seen: Sequence[tuple[Window, ColumnSignal]]) -> tuple[Window, ColumnSignal]:
    return max(seen, key=lambda pair: pair[1].distance)


def _one_column(
    name: str,
    moved: Sequence[tuple[Window, ColumnSignal]],
    *,
    of: int,
    events: Sequence[Event],
    tell: Callable[[str, Window], str] | None,
) -> Iterator[str]:
    first, (furthest, signal) = moved[0][0], _furthest(moved)
    told = next((event.body for event in events if event.name == _DETECTED and event.column == name), "")
    at_first = _brief(name, told or (tell(name, first) if tell else ""))
    at_furthest = at_first if furthest is first else (_brief(name, tell(name, furthest)) if tell else "")
    yield f"  {name}: moved in {len(moved)} of {of} {_plural('window', of)}"
    if furthest is not first:
        yield f"    first {first.label}{_after_colon(at_first)}"
    both = "first and " if furthest is first else ""
    yield f"    {both}furthest {furthest.label}{_after_colon(at_furthest or f'{signal.method} {signal.distance:.2g}')}"


def _brief(column: str, text: str) -> str:
    """Leave out the column's name, and the p-value and the rows, which stand behind the distance."""
    what, _, figures = text.removeprefix(f"{column}: ").rpartition("; ")
    return f"{what}; {figures.split(', ')[0]}" if what else text


def _after_colon(text: str) -> str:
    return f": {text}" if text else ""


def _quality(windows: Sequence[Window], events: Sequence[Event]) -> Iterator[str]:
    violated: dict[tuple[str, str], list[Window]] = {}
    for window in windows:
        for quality in window.violated:
            violated.setdefault((quality.column, quality.check), []).append(window)
    if not violated:
        if any(window.signals.quality for window in windows):
            yield "Data quality: every check was kept."
        return
    yield "Data quality, where worse than in training:"
    yield ""
    # Columns that come from one source fail together: one line for those of the same check and windows.
    together: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (column, check), seen in violated.items():
        together.setdefault((check, tuple(window.label for window in seen)), []).append(column)
    for (check, labels), columns in sorted(together.items(), key=lambda item: (-len(item[0][1]), item[1])):
        when = f"in {len(labels)} of {len(windows)} {_plural('window', len(windows))}, first {labels[0]}"
        event = _first_finding(events, columns[0], check)
        yield f"  {', '.join(columns)}: {check.replace('_', ' ')} {when}"
        if event:
            yield f"    {columns[0] + ': ' if len(columns) > 1 else ''}{shift(event)}"


def _first_finding(events: Sequence[Event], column: str, check: str) -> Event | None:
    found = (event for event in events if event.name == _VIOLATED and (event.column, event.check) == (column, check))
    return next(found, None)
