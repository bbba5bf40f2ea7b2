"""The verdicts on real data whose drift is known: the seasons change, a week's weather is not a season."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from driftmeter.baseline import Baseline
from driftmeter.config import Config
from driftmeter.demo._flights import Flights, load
from driftmeter.processor import Processor
from driftmeter.schema import Column, Model
from driftmeter.sketches import Snapshot

WEEK = 7 * 86_400
NANOSECONDS = 10**9
MODEL = Model("flights")


@pytest.fixture(scope="module")
def flights() -> Flights:
    return load()


def baseline_of(flights: Flights) -> Baseline:
    return Baseline.from_frame(flights.features, model=MODEL.name, time=flights.scheduled, block="7d")


def snapshot_of(flights: Flights, *, week: int) -> Snapshot:
    start = week * WEEK * NANOSECONDS
    columns = Baseline.from_frame(flights.features, model=MODEL.name).snapshot.columns
    return Snapshot(MODEL, start, start + 1, columns)


def detected(baseline: Baseline, weeks: list[Snapshot]) -> list[set[str]]:
    """The names of the columns with a verdict of 1, week by week, at the default settings."""
    processor = Processor(Config(window=WEEK, step=WEEK), baselines=lambda _: [baseline])
    found = []
    for week in weeks:
        processor.add([week])
        processor.advance(week.start + WEEK * NANOSECONDS)
        (comparison,) = processor.latest()[MODEL].comparisons
        found.append({verdict.column.name for verdict in comparison.verdicts if verdict.detected})
    return found


def test_the_seasons_are_found_and_a_weeks_weather_is_not(flights):
    weeks = flights.serving().weeks()
    found = detected(baseline_of(flights.training()), [snapshot_of(week, week=i) for i, week in enumerate(weeks)])
    months = [week.scheduled.iloc[0].month for week in weeks]
    summer = [names for names, month in zip(found, months, strict=True) if 5 <= month <= 10]
    assert len(summer) == 26
    assert all("temp" in names for names in summer)
    # The first week of May is a first suspicion; two weeks of October are as dry as a week of the baseline was.
    assert sum("dewp" in names for names in summer) >= 23
    march = [names for names, month in zip(found, months, strict=True) if month == 3]
    assert march == [set()] * 5
    assert not any({"pressure", "visib", "wind_speed", "humid"} & names for names in found)
    # A tropical storm in June, gales in August.
    assert sum(bool({"wind_gust", "precip"} & names) for names in found) <= 2


def test_flights_in_random_order_are_quiet_all_year(flights):
    shuffled = flights.shuffled(seed=1)
    weeks = [snapshot_of(week, week=i) for i, week in enumerate(shuffled.serving().weeks())]
    assert detected(baseline_of(shuffled.training()), weeks) == [set()] * 44


def test_each_week_left_out_of_its_own_baseline_is_quiet(flights):
    training = flights.training()
    week_of_row = ((training.scheduled - training.scheduled.min()).dt.days // 7).to_numpy()
    verdicts = 0
    for week in range(8):
        inside = week_of_row == week
        whole = Baseline.from_frame(training.features[~inside], model=MODEL.name)
        blocks = tuple(
            snapshot_of(replace_rows(training, week_of_row == other), week=other) for other in range(8) if other != week
        )
        left_out = replace_rows(training, inside)
        (found,) = detected(replace(whole, blocks=blocks), [snapshot_of(left_out, week=week)])
        verdicts += len(found)
    assert verdicts <= 1


def replace_rows(flights: Flights, chosen: np.ndarray) -> Flights:
    return replace(
        flights,
        features=flights.features[chosen],
        late=flights.late[chosen],
        scheduled=flights.scheduled[chosen],
    )


def test_without_blocks_of_time_a_weeks_weather_looks_like_drift(flights):
    """Why the blocks are kept: rows that share an hour's weather are not independent."""
    independent = Baseline.from_frame(flights.training().features, model=MODEL.name)
    (found,) = detected(independent, [snapshot_of(flights.serving().weeks()[0], week=0)])
    assert {"temp", "pressure"} <= found
    assert Column("distance").name not in found
