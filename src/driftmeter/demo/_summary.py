"""The end of the demo, in words: what moved, when, from where to where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from driftmeter import semconv

from ._windows import ColumnSignal, Event, QualitySignal, Window
from ._wording import shift

_DETECTED: Final = semconv.SKEW_TURNED[0].name
_VIOLATED: Final = semconv.QUALITY_TURNED[0].name


def summarize(windows: Sequence[Window], events: Sequence[Event], *, shuffled: bool, lost: int = 0) -> list[str]:
    """Return the summary's lines.

    Args:
        windows: All windows, in time order.
        events: All events, in time order; the first of a column says from which range to which it moved.
        shuffled: The flights were shuffled, so that nothing should have moved.
        lost: Windows that were sent and of which no signals came.
    """
    lines: list[str] = []
    if windows:
        rows = sum(window.signals.rows for window in windows)
        period = f"{windows[0].stretch.first} to {windows[-1].stretch.last}"
        lines += [f"{rows:,} flights in {len(windows)} {_plural('window', len(windows))}, {period}.", ""]
        lines += _columns(windows, events, shuffled=shuffled)
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


def _columns(windows: Sequence[Window], events: Sequence[Event], *, shuffled: bool) -> Iterator[str]:
    judged: dict[str, list[tuple[Window, ColumnSignal]]] = {}
    for window in windows:
        for column in window.signals.columns:
            judged.setdefault(column.name, []).append((window, column))
    if not judged:
        yield "No verdict: a window needs more rows for one."
        return
    moved = {name: [seen for seen in all_seen if seen[1].detected] for name, all_seen in judged.items()}
    moved = {name: seen for name, seen in moved.items() if seen}
    verdicts = sum(len(all_seen) for all_seen in judged.values())
    if not moved:
        yield f"Nothing moved: {verdicts:,} verdicts on {len(judged)} columns, none of them 'moved'."
    elif shuffled:
        false = sum(len(seen) for seen in moved.values())
        yield f"Nothing can have moved, so these are false alarms: {false} of {verdicts:,} verdicts."
    else:
        yield "What moved, against the flights that the model was trained on:"
    yield ""
    for name in sorted(moved, key=lambda name: (-len(moved[name]), name)):
        yield from _one_column(name, moved[name], of=len(judged[name]), events=events)
    quiet = sorted(judged.keys() - moved.keys())
    if quiet and moved:
        yield f"As in training throughout: {', '.join(quiet)}."
        yield ""


def _one_column(
    name: str, moved: Sequence[tuple[Window, ColumnSignal]], *, of: int, events: Sequence[Event]
) -> Iterator[str]:
    first = moved[0][0]
    far_window, far = max(moved, key=lambda seen: seen[1].distance)
    yield (
        f"  {name}: in {len(moved)} of {of} windows, first {first.label}, "
        f"furthest {far_window.label} ({far.method} {far.distance:.2f})"
    )
    told = next((event for event in events if event.name == _DETECTED and event.column == name), None)
    if told:
        yield f"      at first: {shift(told)}"


def _quality(windows: Sequence[Window], events: Sequence[Event]) -> Iterator[str]:
    violated: dict[tuple[str, str], list[tuple[Window, QualitySignal]]] = {}
    for window in windows:
        for quality in window.violated:
            violated.setdefault((quality.column, quality.check), []).append((window, quality))
    if not violated:
        if any(window.signals.quality for window in windows):
            yield "Data quality: every check was kept."
        return
    yield "Data quality:"
    yield ""
    for column, check in sorted(violated, key=lambda place: (-len(violated[place]), place)):
        seen = violated[column, check]
        yield (
            f"  {column}: {check.replace('_', ' ')} in {len(seen)} of {len(windows)} windows, first {seen[0][0].label}"
        )
        told = (event for event in events if event.name == _VIOLATED and (event.column, event.check) == (column, check))
        for event in list(told)[:1]:
            yield f"      at first: {shift(event)}"
