"""Clocks are set forward and back; windows, blocks and baselines that move go by the time that has passed."""

from __future__ import annotations

import datetime as dt
import time
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from driftmeter import Baseline
from driftmeter.baseline._blocks import blocks_by_time
from driftmeter.config import Config
from driftmeter.processor import Processor
from driftmeter.schema import Model
from driftmeter.sketches import Snapshot

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 3600
CHANGES = {
    "forward": dt.datetime(2026, 3, 29, 1, tzinfo=dt.timezone.utc),
    "back": dt.datetime(2026, 10, 25, 1, tzinfo=dt.timezone.utc),
}


def _half_hours(change: str) -> pd.DatetimeIndex:
    """Return times from ten hours before a change of clocks to ten hours after it, in Berlin's time."""
    middle = pd.Timestamp(CHANGES[change])
    edges = middle - pd.Timedelta(hours=10), middle + pd.Timedelta(hours=10)
    return pd.date_range(*edges, freq="30min", inclusive="left").tz_convert(BERLIN)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    "written",
    [
        pytest.param(lambda times: times.to_series(), id="pandas"),
        pytest.param(lambda times: times.tz_convert("UTC"), id="UTC"),
        pytest.param(lambda times: list(times.to_pydatetime()), id="datetime"),
        pytest.param(lambda times: [one.astimezone(dt.timezone(one.utcoffset())) for one in times], id="offsets"),
        pytest.param(
            lambda times: pl.Series(list(times.to_pydatetime())).dt.convert_time_zone("Europe/Berlin"), id="polars"
        ),
        pytest.param(lambda times: pa.array(list(times), pa.timestamp("us", tz="Europe/Berlin")), id="pyarrow"),
        pytest.param(lambda times: times.as_unit("s").asi8, id="Unix seconds"),
    ],
)
def test_blocks_of_times_with_a_zone_last_as_long_as_ever(written, change) -> None:
    blocks = blocks_by_time(written(_half_hours(change)), seconds=HOUR)
    np.testing.assert_array_equal(blocks, [*np.repeat(np.arange(19), 2), -1, -1])  # the last hour is not whole


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize(("change", "rows"), [("forward", 0), ("back", 4)])
def test_blocks_of_times_without_a_zone_go_by_what_is_written_wherever_that_is(zone, change, rows, monkeypatch) -> None:
    """The hour that is left out is a block without rows, and the one that comes twice is a block of both."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    written = _half_hours(change).tz_localize(None).to_series()
    blocks = blocks_by_time(written, seconds=HOUR)
    monkeypatch.undo()
    time.tzset()
    hours = (written.dt.floor("1h") - written.iloc[0]) // pd.Timedelta(hours=1)
    assert (written.dt.hour == 2).sum() == rows
    np.testing.assert_array_equal(blocks[:-2], hours[:-2])


@pytest.mark.parametrize("change", CHANGES)
def test_a_baseline_with_an_hour_that_is_not_there_or_comes_twice_compares_as_any_other(change) -> None:
    times = np.repeat(_half_hours(change).tz_localize(None).to_numpy(), 100)
    rng = np.random.default_rng(0)
    baseline = Baseline.from_frame({"x": rng.normal(size=len(times))}, model="m", time=times, block="1h")
    processor = Processor(Config(window=HOUR), baselines=lambda _: [baseline])
    shares = []
    for at, mean in enumerate((0.0, 3.0)):
        columns = Baseline.from_frame({"x": rng.normal(mean, 1.0, 500)}, model="m").snapshot.columns
        start = at * HOUR * 10**9
        processor.add([Snapshot(Model("m"), start, start + 1, columns)])
        processor.advance(start + HOUR * 10**9)
        shares += [comparison.share for comparison in processor.latest()[Model("m")].comparisons]
    assert shares == [0.0, 1.0]


def _compared(change: str, **config) -> dict[dt.datetime, dt.datetime]:
    """Return which hour each one was compared with; each has a number of rows of its own."""
    first = CHANGES[change] - dt.timedelta(hours=48)
    rng = np.random.default_rng(0)
    processor = Processor(Config(window=HOUR, step=HOUR, learn_rows=0, **config), baselines=lambda _: [])
    hours: dict[int, dt.datetime] = {}
    found: dict[dt.datetime, dt.datetime] = {}
    for at in range(96):
        began = first + dt.timedelta(hours=at)
        start = int(began.timestamp()) * 10**9
        hours[400 + at] = began
        columns = Baseline.from_frame({"x": rng.normal(size=400 + at)}, model="m").snapshot.columns
        processor.add([Snapshot(Model("m"), start, start + 1, columns)])
        processor.advance(start + HOUR * 10**9)
        for comparison in processor.latest()[Model("m")].comparisons:
            for verdict in comparison.verdicts:
                found[hours[verdict.binned.rows]] = hours[verdict.binned.baseline_rows]
    return found


@pytest.mark.parametrize(("change", "hour"), [("forward", 11), ("back", 13)])
def test_a_day_ago_is_24_hours_ago_so_that_a_day_after_a_change_it_is_another_hour_of_the_clock(change, hour) -> None:
    compared = _compared(change, seasonal=(86_400.0,))
    assert {now - then for now, then in compared.items()} == {dt.timedelta(hours=24)}
    assert len(compared) == 96 - 24 - 8  # hours of which one knows, less the comparisons that are learned from
    noon = CHANGES[change].astimezone(BERLIN).replace(hour=12)
    for day, then in ((noon, hour), (noon + dt.timedelta(days=1), 12)):
        assert compared[day.astimezone(dt.timezone.utc)].astimezone(BERLIN).hour == then


@pytest.mark.parametrize("change", CHANGES)
def test_the_previous_window_is_the_hour_before_also_where_the_clock_is_set(change) -> None:
    compared = _compared(change, previous_window=True)
    assert len(compared) == 95
    assert {now - before for now, before in compared.items()} == {dt.timedelta(hours=1)}
