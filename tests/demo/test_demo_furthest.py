from __future__ import annotations

import re

import numpy as np
import pandas as pd

from driftmeter.baseline import Baseline
from driftmeter.demo._flights import Flights
from driftmeter.demo._furthest import Retelling


class _Model:
    def predict(self, frame):
        return np.where(frame["temp"] > 50, "late", "on time")


def _week(window, *, temp):
    days = pd.date_range(window.stretch.first, periods=700, freq="14min").to_series().reset_index(drop=True)
    features = pd.DataFrame({"temp": np.random.default_rng(1).normal(temp, 5, 700)})
    return Flights(features, pd.Series(np.zeros(700)), days)


def test_the_window_is_told_from_its_own_flights_and_no_others(window):
    winter, spring, summer = window(0), window(1), window(2)
    weeks = [_week(winter, temp=30), _week(spring, temp=50), _week(summer, temp=80)]
    training = weeks[0].features
    baseline = Baseline.from_frame(
        training, model="flight-delay", predictions={"prediction": _Model().predict(training)}
    )
    tell = Retelling(baseline=baseline, model=_Model(), weeks=weeks)
    assert "to 100 %" in tell("temp", summer)
    assert "700 rows" in tell("temp", summer)
    assert "on time from 100 % to 0 %" in tell("prediction", summer)
    assert tell("temp", spring) != tell("temp", summer)
    assert tell("no such column", summer) == ""


def test_a_window_whose_verdict_stands_from_earlier_ones_is_told_too(window):
    """There the rows that moved are few, or spread over many values, and alone they would not be found."""
    weeks = [_week(window(0), temp=30), _week(window(1), temp=30.2)]
    baseline = Baseline.from_frame(weeks[0].features, model="flight-delay")
    told = Retelling(baseline=baseline, model=_Model(), weeks=weeks)("temp", window(1))
    assert told.startswith("temp: ")
    assert re.search(r"; PSI 0\.\d+, p = [\d.]+, 700 rows$", told), told


def test_a_window_without_flights_says_nothing(window):
    week = _week(window(0), temp=30)
    baseline = Baseline.from_frame(week.features, model="flight-delay")
    assert Retelling(baseline=baseline, model=_Model(), weeks=[week])("temp", window(5)) == ""
