"""Weeks of flights as the bodies of HTTP requests."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

from driftmeter.demo._flights import Flights

if TYPE_CHECKING:
    import pandas as pd

BATCH_ROWS: Final = 200
"""Flights in one request."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One request's body, the days of its week, and the flights in it."""

    body: bytes
    first: date
    last: date
    rows: int


def batches(week: Flights, *, rows: int = BATCH_ROWS) -> Iterator[Batch]:
    """Cut a week into requests, each with flights from all of it.

    Of n requests, the first gets the flights 0, n, 2n, ... and the next 1, n + 1, ...: where the machine is too busy
    to send the week within one window, each of its windows still holds a fair sample of it, not a Monday morning.
    """
    first, last = week.scheduled.iloc[0].date(), week.scheduled.iloc[-1].date()
    count = math.ceil(len(week) / rows)
    for start in range(count):
        flights = week.features.iloc[start::count]
        yield Batch(encode(flights), first, last, len(flights))


def encode(features: pd.DataFrame) -> bytes:
    """Return a frame as a JSON list of records; a missing value is null.

    pandas' own `to_json` rounds to 15 digits, and the model would be served other numbers than it was trained on.
    """
    records = features.astype(object).where(features.notna(), None).to_dict(orient="records")
    return json.dumps(records).encode()


def limit_rows(weeks: Sequence[Flights], *, rows: int | None) -> list[Flights]:
    """Return the weeks up to a number of flights in all; the last one may be cut short."""
    if rows is None:
        return list(weeks)
    kept: list[Flights] = []
    for week in weeks:
        if rows <= 0:
            break
        kept.append(week.head(rows))
        rows -= len(kept[-1])
    return kept
