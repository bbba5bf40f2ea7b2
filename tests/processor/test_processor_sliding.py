"""Windows slide over steps by running sums; late rows land in their own step, and none is lost in silence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from driftmeter import Baseline
from driftmeter.config import Config
from driftmeter.processor import Comparer, Processor
from driftmeter.processor._rules import alpha_share
from driftmeter.processor._tally import known_values
from driftmeter.processor._windows import Windows
from driftmeter.schema import Model
from driftmeter.sketches import Snapshot, merge_snapshots

SECOND = 1_000_000_000
RNG = np.random.default_rng(3)
BASELINE = Baseline.from_frame({"x": RNG.normal(size=2000), "c": RNG.choice(["a", "b"], 2000)}, model="m")


def snapshot(second: int, *, rows: int = 20, mean: float = 0.0, seed: int = 0) -> Snapshot:
    rng = np.random.default_rng([second, seed])
    frame = {"x": rng.normal(mean, 1.0, rows), "c": rng.choice(["a", "b"], rows)}
    columns = Baseline.from_frame(frame, model="m").snapshot.columns
    return Snapshot(Model("m"), second * SECOND, second * SECOND + 1, columns)


def empty(second: int) -> Snapshot:
    """What a gateway counts of an idle replica: columns, and no row of them."""
    columns = {column: type(sketch)() for column, sketch in BASELINE.snapshot.columns.items()}
    return Snapshot(Model("m"), second * SECOND, second * SECOND + 1, columns)


def test_a_step_of_no_rows_leaves_the_window_as_it_came() -> None:
    comparer = Comparer(BASELINE)
    windows = Windows(window=3 * SECOND, step=SECOND)
    rows = []
    for now in range(12):
        for end in windows.due(now * SECOND):
            window = windows.window(end)
            rows.append(window.rows)
            assert all(counts.bins.sum() == 2 * window.rows for counts in window.counts.values())
        windows.add(snapshot(now) if now < 2 else empty(now), [comparer], known_values(BASELINE.snapshot))
    assert rows == [20, 40, 40, 20] + 7 * [0]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=25), st.integers(1, 6))
def test_a_running_sum_equals_the_sum_of_the_windows_snapshots(seconds, steps) -> None:
    comparer = Comparer(BASELINE)
    windows = Windows(window=steps * SECOND, step=SECOND)
    served = [snapshot(second, seed=at) for at, second in enumerate(sorted(seconds))]
    at = 0
    for now in range(32):
        while at < len(served) and served[at].start < now * SECOND:
            windows.add(served[at], [comparer], known_values(BASELINE.snapshot))
            at += 1
        windows.follow(now * SECOND)
        for end in windows.due(now * SECOND):
            inside = [one for one in served if end - steps * SECOND <= one.start < end]
            window = windows.window(end)
            assert window.rows == sum(one.rows for one in inside)
            if inside:
                whole = comparer.count(merge_snapshots(inside))
                assert_array_equal(window.counts[comparer].bins, whole.bins)
                for name in ("low", "high", "only"):
                    assert_array_equal(getattr(window.counts[comparer].extremes, name), getattr(whole.extremes, name))
                # 500 values are kept as they are, to a third of a millionth.
                assert_allclose(window.counts[comparer].sums, whole.sums, rtol=1e-6, atol=1e-4)
                assert {column.name for column in window.tally.columns} == {"x", "c"}
                assert window.tally.counts[:, 0].tolist() == [window.rows] * 2
    assert windows.late_rows == 0


def served(config: Config, *, at: dict[int, list[Snapshot]], seconds: int) -> tuple[Processor, list[dict]]:
    """Add snapshots when they arrive, evaluate each second, and return the rows of each evaluated window."""
    processor = Processor(config, baselines=lambda _: [BASELINE])
    rows = []
    for now in range(seconds):
        processor.add(at.get(now, []))
        processor.advance(now * SECOND)
        rows.append({model.name: (found.end // SECOND, found.rows) for model, found in processor.latest().items()})
    return processor, rows


def test_late_rows_land_in_their_own_step() -> None:
    config = Config(window=4, step=1)
    processor, rows = served(config, at={101: [snapshot(100)], 103: [snapshot(100, rows=7)]}, seconds=110)
    assert [row["m"] for row in rows[101:107]] == [(101, 20), (102, 20), (103, 27), (104, 27), (105, 0), (106, 0)]
    assert processor.late_rows() == {}


def test_rows_that_no_window_can_hold_any_more_are_counted() -> None:
    config = Config(window=4, step=1)
    processor, _ = served(config, at={101: [snapshot(100)], 106: [snapshot(100, rows=7), snapshot(105)]}, seconds=110)
    assert processor.late_rows() == {Model("m"): 7}


def test_a_step_waits_for_late_rows_as_long_as_the_grace() -> None:
    config = Config(window=1, step=1, grace=3)
    _, rows = served(config, at={101: [snapshot(100)], 103: [snapshot(100, rows=7)]}, seconds=110)
    assert [row.get("m") for row in rows[102:106]] == [None, None, (101, 27), (102, 0)]


def test_rows_of_a_clock_that_was_set_back_are_not_late() -> None:
    config = Config(window=4, step=1)
    processor = Processor(config, baselines=lambda _: [BASELINE])
    for now in (1000, 1001, 500, 501):
        processor.add([snapshot(now - 1)])
        processor.advance(now * SECOND)
    assert processor.late_rows() == {}
    assert processor.latest()[Model("m")].rows == 40


def test_a_verdict_stands_while_the_window_slides_and_falls_when_the_rows_are_usual_again() -> None:
    config = Config(window=10, step=1)
    drifted = range(120, 160)
    at = {second + 1: [snapshot(second, mean=2.0 if second in drifted else 0.0)] for second in range(100, 200)}
    processor = Processor(config, baselines=lambda _: [BASELINE])
    turned = []
    for now in range(100, 200):
        processor.add(at.get(now, []))
        turned += [
            (event.name, now) for event in processor.advance(now * SECOND) if event.attributes["ml.column.name"] == "x"
        ]
    turned = [turn for turn in turned if "skew" in turn[0]]
    assert [name for name, _ in turned] == ["ml.skew.detected", "ml.skew.resolved"]
    (_, detected), (_, resolved) = turned
    assert detected <= 124  # a few steps, not a whole window
    assert 160 < resolved <= 171


@pytest.mark.parametrize("steps", [2, 6, 60])
def test_looking_at_every_step_gives_no_more_false_alarms_than_looking_once_a_window(steps) -> None:
    alpha, windows = 0.02, 20_000
    z = np.random.default_rng(steps).standard_normal(steps * (windows + 1))
    sums = np.convolve(z, np.ones(steps) / np.sqrt(steps), "valid")[: steps * windows]
    looks = np.abs(sums).reshape(windows, steps)
    from scipy.special import ndtri

    def level(share: float) -> float:
        return float(-ndtri(alpha * share / 2))

    # The first look of each row of looks shares no value with the first of the next.
    between = level(alpha_share(steps, whole=False))
    alarms = (looks[:, 0] > level(alpha_share(steps, whole=True))) | (looks[:, 1:] > between).any(axis=1)
    assert alarms.mean() <= alpha * 1.15
    assert (looks > level(1.0)).any(axis=1).mean() > 1.7 * alpha  # what it would be otherwise


def test_a_window_of_one_step_spends_its_whole_alpha() -> None:
    assert alpha_share(1, whole=True) == 1.0


@pytest.mark.parametrize("collected_every", [1, 2, 5, 7])
def test_an_empty_stretch_ends_with_whole_windows_however_rarely_is_collected(collected_every) -> None:
    windows = Windows(window=10 * SECOND, step=SECOND)
    windows.follow(100 * SECOND)
    windows.add(snapshot(100), [], {})
    ends = []
    for now in range(100, 160, collected_every):
        windows.follow(now * SECOND)
        ends += [end // SECOND for end in windows.due(now * SECOND)]
    assert {110, 120, 130, 140, 150} <= set(ends)
    assert ends == sorted(set(ends))


def test_a_leap_of_the_clock_gives_few_windows() -> None:
    windows = Windows(window=10 * SECOND, step=SECOND)
    windows.follow(100 * SECOND)
    assert windows.due(100 * SECOND) == []
    assert len(windows.due(10**9 * SECOND)) <= 4


@pytest.mark.slow
def test_what_a_window_taught_counts_within_the_next_one_at_a_step_of_each_models_own(monkeypatch) -> None:
    """To work it out takes a hundred times as long as a verdict, so that not all models may do it at one time."""
    frame = {"x": RNG.normal(size=2000)}
    blocked = Baseline.from_frame(frame, model="m", block_rows=200)
    models = [Model(f"m{i}") for i in range(30)]
    renewed: dict[object, list[int]] = {}
    now = 0
    monkeypatch.setattr(Comparer, "renew", lambda comparer: renewed.setdefault(comparer, []).append(now))
    processor = Processor(Config(window=10, step=1), baselines=lambda _: [blocked])
    for now in range(1, 31):
        processor.add(Snapshot(model, (now - 1) * SECOND, now * SECOND, snapshot(0).columns) for model in models)
        processor.advance(now * SECOND)
    assert len(renewed) == len(models)
    assert {len(times) for times in renewed.values()} == {3}
    assert all(np.diff(times).tolist() == [10, 10] for times in renewed.values())
    assert len({times[0] for times in renewed.values()}) > 5
