"""Baselines that move: the window before, the same hour of another day, another model; and how full windows are."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from driftmeter import Baseline
from driftmeter.config import Config, ModelConfig
from driftmeter.processor import Processor
from driftmeter.processor._moving import offset_name
from driftmeter.schema import Model
from driftmeter.sketches import Snapshot

SECOND = 1_000_000_000
HOUR = 3600
START = 20_000 * 24 * HOUR


def snapshot(hour: int, model: Model, *, mean: float, rows: int = 400) -> Snapshot:
    rng = np.random.default_rng([hour, len(model.name), len(model.version)])
    columns = Baseline.from_frame({"x": rng.normal(mean, 1.0, rows)}, model="m").snapshot.columns
    start = (START + hour * HOUR) * SECOND
    return Snapshot(model, start, start + 1, columns)


class Served:
    """A processor that serves an hour after the other, and the verdicts of x by baseline."""

    def __init__(self, **config) -> None:
        self.processor = Processor(Config(window=HOUR, step=HOUR, learn_rows=0, **config), baselines=lambda _: [])
        self.events = []
        self.hour = 0

    def serve(self, *snapshots: Snapshot) -> dict:
        self.processor.add(snapshots)
        self.hour += 1
        self.events += self.processor.advance((START + self.hour * HOUR) * SECOND)
        found = {}
        for metric, pairs in self.processor.signals().items():
            for attributes, value in pairs:
                if metric.name == "ml.drift.detected":
                    found[attributes["ml.baseline.kind"], attributes.get("ml.baseline.id", "")] = value
        return found


def usual_at(hour: int) -> float:
    """A day that is warm at noon."""
    return 10.0 + 5.0 * np.sin(2 * np.pi * hour / 24)


def test_the_same_hour_yesterday_tells_a_change_from_the_time_of_day() -> None:
    served = Served(seasonal=(24 * HOUR, 48 * HOUR), previous_window=True)
    found = defaultdict(list)
    for hour in range(96):
        changed = 1.5 if hour >= 84 else 0.0
        for key, value in served.serve(snapshot(hour, Model("m"), mean=usual_at(hour) + changed)).items():
            found[key].append((hour, value))
    daily, two_days = dict(found["seasonal", "24h"]), dict(found["seasonal", "2d"])
    # The first eight comparisons say how days differ.
    assert list(daily) == list(range(32, 96))
    assert list(two_days) == list(range(56, 96))
    assert sum(daily[hour] for hour in range(32, 84)) == 0
    assert all(daily[hour] == two_days[hour] == 1 for hour in range(84, 96))
    assert set(found) == {("seasonal", "24h"), ("seasonal", "2d"), ("previous_window", "")}


def test_a_season_is_told_by_its_offset_in_events_too() -> None:
    served = Served(seasonal=(2 * HOUR, 3 * HOUR))
    for hour, mean in enumerate([0.0] * 12 + [3.0]):
        served.serve(snapshot(hour, Model("m"), mean=mean))
    detected = [event.attributes["ml.baseline.id"] for event in served.events if event.name == "ml.drift.detected"]
    assert sorted(detected) == ["2h", "3h"]


def test_days_that_differ_anyway_are_no_change_and_one_that_differs_more_is() -> None:
    served = Served(seasonal=(24 * HOUR,))
    rng = np.random.default_rng(4)
    found = []
    for hour in range(24 * 8):
        weather = float(rng.normal(0.0, 0.2))  # one hour's rows share it
        changed = 2.0 if hour >= 24 * 7 else 0.0
        found.append(served.serve(snapshot(hour, Model("m"), mean=usual_at(hour) + weather + changed)))
    verdicts = [one.get(("seasonal", "24h")) for one in found]
    usual, later = verdicts[32 : 24 * 7], verdicts[24 * 7 :]
    assert sum(usual) <= 1
    assert sum(later) >= 20


@pytest.mark.parametrize("grace", [60, HOUR, 3 * HOUR])
def test_a_season_is_still_known_after_the_grace(grace) -> None:
    served = Served(seasonal=(2 * HOUR,), grace=grace)
    found = [served.serve(snapshot(hour, Model("m"), mean=0.0)) for hour in range(24)]
    assert sum(("seasonal", "2h") in one for one in found) >= 24 - 2 - 8 - 1 - grace // HOUR


def test_a_clock_that_was_ahead_for_a_while_leaves_no_window_behind() -> None:
    served = Served(seasonal=(2 * HOUR,))
    found = []
    for hour in range(40):
        ahead = 1000 if hour == 5 else 0
        served.hour = hour + ahead
        found.append(served.serve(snapshot(hour + ahead, Model("m"), mean=0.0)))
    assert all(("seasonal", "2h") in one for one in found[20:])


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("compare_with", ["champion", "champion@2"])
def test_a_challenger_is_compared_with_its_champion_hour_by_hour(order, compare_with) -> None:
    served = Served(models={"challenger": ModelConfig(compare_with=compare_with)})
    champion, challenger = Model("champion", "2"), Model("challenger")
    found = []
    for hour in range(8):
        changed = 1.0 if hour >= 6 else 0.0
        both = [
            snapshot(hour, champion, mean=usual_at(hour)),
            snapshot(hour, challenger, mean=usual_at(hour) + changed),
        ]
        found.append(served.serve(*both[::order]).get(("model", compare_with)))
    assert found == [0, 0, 0, 0, 0, 0, 1, 1]


def test_a_model_to_compare_with_that_nobody_knows_is_told_of_once_after_some_windows(caplog) -> None:
    served = Served(models={"challenger": ModelConfig(compare_with="chmapion"), "b": ModelConfig(compare_with="a")})
    for hour in range(6):
        served.serve(
            snapshot(hour, Model("challenger"), mean=0.0),
            snapshot(hour, Model("champion", "2"), mean=0.0),
            *[snapshot(hour, Model("b"), mean=0.0)] * (hour < 2),
        )
        assert len(caplog.records) == (hour >= 2)
    assert caplog.records[0].getMessage() == (
        "driftmeter: model challenger is to be compared with chmapion (compare_with), which was not seen in 3 windows; "
        "seen were: b, challenger, champion@2"
    )


def test_all_that_comes_late_at_once_is_compared_window_by_window() -> None:
    served = Served(models={"b": ModelConfig(compare_with="a")}, previous_window=True)
    hours = [snapshot(hour, Model(name), mean=0.0) for name in "ab" for hour in range(100)]
    served.hour = 99
    assert served.serve(*hours) == {("model", "a"): 0, ("previous_window", ""): 0}


def volumes(rows_of: list[int]) -> list[tuple[float, int] | None]:
    """Return the ratio and the verdict of each hour."""
    served = Served()
    found = []
    for hour, rows in enumerate(rows_of):
        served.serve(*([snapshot(hour, Model("m"), mean=0.0, rows=rows)] if rows else []))
        signals = {
            metric.name: value
            for metric, pairs in served.processor.signals().items()
            for attributes, value in pairs
            if attributes.get("ml.quality.check") == "volume"
        }
        found.append((signals["ml.quality.ratio"], signals["ml.quality.violated"]) if signals else None)
    return found


def by_day(days: int, *, seed: int = 0) -> list[int]:
    rng = np.random.default_rng(seed)
    daily = [200 + 150 * np.sin(2 * np.pi * hour / 24) for hour in range(24)]
    return [int(rng.poisson(daily[hour % 24])) for hour in range(24 * days)]


def test_the_rows_of_an_hour_are_held_against_the_same_hour_of_earlier_days() -> None:
    usual = volumes(by_day(12))
    told = [found for found in usual if found is not None]
    assert len(told) == 24 * 12 - 24 * 3 - 1  # three days, and the first hour, which may have been a part
    assert sum(violated for _, violated in told) == 0
    assert 0.8 < np.median([ratio for ratio, _ in told]) < 1.2


def test_an_hour_with_a_third_of_its_rows_or_none_is_violated_and_the_next_is_not() -> None:
    rows = by_day(12, seed=1)
    few, none = 24 * 11 + 6, 24 * 11 + 12
    rows[few] //= 3
    rows[none] = 0
    found = volumes(rows)
    assert found[few][1] == 1
    assert found[few][0] == pytest.approx(1 / 3, abs=0.1)
    assert found[none] == (0.0, 1)
    assert [found[at][1] for at in (few - 1, few + 1, none - 1, none + 1)] == [0, 0, 0, 0]


def test_weekends_are_usual_from_the_second_one_on() -> None:
    rng = np.random.default_rng(5)
    daily = [400 + 100 * np.sin(2 * np.pi * hour / 24) for hour in range(24)]
    rows = [
        int(daily[hour % 24] * (0.3 if hour // 24 % 7 in {5, 6} else 1.0) * rng.normal(1.0, 0.05))
        for hour in range(24 * 35)
    ]
    found = [0 if one is None else one[1] for one in volumes(rows)]
    first, later = sum(found[: 24 * 8]), sum(found[24 * 8 :])
    assert first > 24  # a first weekend is a surprise
    assert later <= 2


def test_a_lasting_change_of_volume_is_usual_after_two_weeks() -> None:
    rows = by_day(14, seed=2) + [row // 4 for row in by_day(16, seed=3)]
    found = [violated for _, violated in volumes(rows)[24 * 14 :]]
    assert sum(found[24 : 24 * 4]) > 60
    assert sum(found[24 * 15 :]) == 0


def test_offsets_are_named_as_they_are_written() -> None:
    assert [offset_name(round(seconds * SECOND)) for seconds in (86_400, 604_800, 3_600, 90, 0.25)] == [
        "24h",
        "7d",
        "1h",
        "90s",
        "0.25s",
    ]
