from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from driftmeter.demo import DemoError
from driftmeter.demo import _flights as flights_module
from driftmeter.demo._flights import FEATURES, Flights, join, load


@pytest.fixture(scope="module")
def year() -> Flights:
    return load()


def _flight(**changed):
    flight = {
        "year": 2013,
        "month": 1,
        "day": 2,
        "hour": 9,
        "minute": 30,
        "time_hour": "2013-01-02T14:00:00Z",
        "arr_delay": 16.0,
        "carrier": "UA",
        "origin": "EWR",
        "dest": "IAH",
        "distance": 1400,
    }
    return {**flight, **changed}


def _weather(**changed):
    names = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
    place = {"origin": "EWR", "time_hour": "2013-01-02T14:00:00Z", "year": 2013, "month": 1, "day": 2, "hour": 9}
    return {**place, **dict.fromkeys(names, 1.0), **changed}


def test_a_flight_gets_the_weather_of_its_own_airport_and_hour():
    weather = pd.DataFrame(
        [
            _weather(temp=30.0),
            _weather(temp=40.0, origin="JFK"),
            _weather(temp=50.0, time_hour="2013-01-02T15:00:00Z", hour=10),
        ]
    )
    flights = join(pd.DataFrame([_flight(), _flight(origin="JFK")]), weather)
    assert dict(zip(flights.features["origin"], flights.features["temp"], strict=True)) == {"EWR": 30.0, "JFK": 40.0}


def test_a_flight_without_a_weather_record_is_kept_with_gaps():
    flights = join(pd.DataFrame([_flight(origin="LGA")]), pd.DataFrame([_weather()]))
    assert len(flights) == 1
    assert np.isnan(flights.features["temp"].iloc[0])
    assert flights.features["distance"].iloc[0] == 1400


def test_late_means_more_than_15_minutes_and_is_unknown_for_a_flight_that_never_arrived():
    table = pd.DataFrame([_flight(arr_delay=delay, minute=at) for at, delay in enumerate([15.0, 16.0, -3.0, np.nan])])
    late = join(table, pd.DataFrame([_weather()])).late
    assert late.iloc[:3].tolist() == [0.0, 1.0, 0.0]
    assert np.isnan(late.iloc[3])


def test_flights_are_ordered_by_scheduled_departure():
    table = pd.DataFrame([_flight(hour=12, dest="B"), _flight(day=1, dest="A"), _flight(hour=12, minute=31, dest="C")])
    assert join(table, pd.DataFrame([_weather()])).features["dest"].tolist() == ["A", "B", "C"]


def test_the_package_holds_the_whole_year_with_its_real_gaps(year):
    assert len(year) == 336_776
    assert tuple(year.features.columns) == FEATURES
    assert year.scheduled.is_monotonic_increasing
    missing = year.features.isna().mean()
    assert 0 < missing["temp"] < 0.01 < missing["pressure"] < 0.2 < missing["wind_gust"]
    assert missing["hour"] == missing["carrier"] == 0


def test_training_and_serving_share_no_flight_and_lose_none(year):
    training, serving = year.training(), year.serving()
    assert training.scheduled.max() < pd.Timestamp("2013-03-01") <= serving.scheduled.min()
    assert len(training) + len(serving) == len(year)


def test_weeks_are_seven_days_and_hold_every_flight_once(year):
    weeks = year.serving().weeks()
    assert len(weeks) == 44
    assert sum(len(week) for week in weeks) == len(year.serving())
    days = [sorted(set(week.scheduled.dt.date)) for week in weeks]
    assert days[0][0] == dt.date(2013, 3, 1)
    assert {len(of_week) for of_week in days[:-1]} == {7}
    assert days[-1][-1] == dt.date(2013, 12, 31)


def test_shuffling_keeps_the_flights_and_the_times_and_breaks_what_ties_them(year):
    shuffled = year.shuffled(seed=1)
    assert shuffled.scheduled.equals(year.scheduled)
    for column in ("temp", "distance"):
        before, after = np.sort(year.features[column].dropna()), np.sort(shuffled.features[column].dropna())
        np.testing.assert_array_equal(before, after)
    # 36 degrees in winter against 57 over the year.
    assert year.training().features["temp"].mean() < 40 < 55 < shuffled.training().features["temp"].mean()
    assert shuffled.features["temp"].equals(year.shuffled(seed=1).features["temp"])
    assert not shuffled.features["temp"].equals(year.shuffled(seed=2).features["temp"])


def test_shuffling_keeps_each_flight_with_its_outcome(year):
    shuffled = year.shuffled(seed=1)

    def late_by_carrier(flights):
        return flights.late.groupby(flights.features["carrier"].to_numpy()).mean()

    pd.testing.assert_series_equal(late_by_carrier(shuffled), late_by_carrier(year))


def test_without_the_package_the_error_names_the_command(monkeypatch):
    monkeypatch.setattr(flights_module, "find_spec", lambda name: None)
    with pytest.raises(DemoError, match=r"pip install 'driftmeter\[demo\]'"):
        load()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DemoError, match=r"flights\.csv\.zip is missing"):
        load(tmp_path)
