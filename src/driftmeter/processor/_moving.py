"""Baselines that move with time: the window before, the same hour of another day, another model's window.

They are compared when a window of its own has ended, which shares no row with the one before it; between two such
windows, while a window slides, the last verdicts stand::

    windows    |  1  |  2  |  3  |  4  |  5  |
                               `---> 4 : previous_window
                   `---------------> 5 : seasonal, offset of three windows
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from driftmeter.config import Config
from driftmeter.schema import BaselineKind

EARLIER_WINDOWS: Final = 12
"""Windows kept beside the previous one, to know how windows differ when nothing is wrong."""
_SECOND: Final = 1_000_000_000
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


@dataclass(frozen=True, slots=True)
class Moving:
    """One moving baseline.

    Attributes:
        kind: previous_window, seasonal or model.
        id: Which one, where there can be several: the offset, the other model.
        offset: Nanoseconds that a seasonal one lies back.
    """

    kind: BaselineKind
    id: str = ""
    offset: int = 0


def moving_baselines(config: Config, *, compare_with: str) -> Iterator[Moving]:
    """Return the moving baselines that the configuration asks for, and the other model that is compared with."""
    for seconds in config.seasonal:
        offset = round(seconds * _SECOND)
        yield Moving("seasonal", offset_name(offset), offset)
    if config.previous_window:
        yield Moving("previous_window")
    if compare_with:
        yield Moving("model", compare_with)


def offset_name(offset: int) -> str:
    """Return nanoseconds as they are written in the configuration: 24h, 7d."""
    seconds = offset / _SECOND
    if seconds == 86_400:
        return "24h"
    for unit, letter in _UNITS:
        if seconds >= unit and not seconds % unit:
            return f"{seconds // unit:.0f}{letter}"
    return f"{seconds:g}s"
