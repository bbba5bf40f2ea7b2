"""What windows of traffic say against a baseline: verdicts, events, words, quality."""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np
import pytest

from driftmeter import Baseline
from driftmeter.config import ColumnConfig, Config, ModelConfig
from driftmeter.processor import Processor
from driftmeter.schema import Model
from driftmeter.sketches import Snapshot

SECOND = 1_000_000_000
WINDOW = 10
RNG = np.random.default_rng(7)
TRAINING = {
    "temp": RNG.normal(50, 10, 4000),
    "wind": RNG.gamma(2.0, 5.0, 4000),
    "town": RNG.choice(["JFK", "LGA", "EWR"], 4000, p=[0.5, 0.3, 0.2]),
}


def _usual(rows: int, seed: int, **changes) -> dict:
    rng = np.random.default_rng(seed)
    columns = {
        "temp": rng.normal(50, 10, rows),
        "wind": rng.gamma(2.0, 5.0, rows),
        "town": rng.choice(["JFK", "LGA", "EWR"], rows, p=[0.5, 0.3, 0.2]),
    }
    return columns | changes


class Served:
    """A processor that is fed one window after the other, and what it said."""

    def __init__(self, *baselines: Baseline, **config) -> None:
        self.config = Config(**{"window": WINDOW, "step": WINDOW, **config})
        self.processor = Processor(self.config, baselines=lambda model: baselines)
        self.now = 1000
        self.events: list = []

    def serve(self, columns: dict | None, *, predictions=None) -> dict[str, dict]:
        """Serve one window's rows, let it end, and return its signals by metric and column."""
        start = self.now * SECOND
        if columns is not None:
            sketched = Baseline.from_frame(columns, model="m", predictions=predictions).snapshot
            self.processor.add([Snapshot(Model("m"), start, start + SECOND, sketched.columns)])
        self.now += WINDOW
        self.new_events = self.processor.advance(self.now * SECOND)
        self.events += self.new_events
        return self.signals()

    def signals(self) -> dict[str, dict]:
        found: defaultdict[str, dict] = defaultdict(dict)
        for metric, pairs in self.processor.signals().items():
            for attributes, value in pairs:
                key = (attributes.get("ml.column.name"), attributes.get("ml.quality.check"))
                found[metric.name][key if key[1] else key[0]] = value
        return found


@pytest.fixture(scope="module")
def training() -> Baseline:
    return Baseline.from_frame(TRAINING, model="m")


def _names(events) -> list[tuple[str, str]]:
    return [(event.name, event.attributes["ml.column.name"]) for event in events]


def test_usual_traffic_gives_distances_and_p_values_and_no_verdict(training) -> None:
    served = Served(training)
    for seed in range(20):
        signals = served.serve(_usual(500, seed))
        assert signals["ml.skew.detected"] == {"temp": 0, "wind": 0, "town": 0}
        assert all(0 < p <= 1 for p in signals["ml.skew.p_value"].values())
        assert all(0 <= distance < 0.3 for distance in signals["ml.skew.distance"].values())
        assert signals["ml.skew.share"] == {None: 0.0}
        assert signals["ml.window.rows"] == {None: 500}
        assert signals["ml.window.end"] == {None: served.now}
    assert served.events == []


def test_a_verdict_that_turns_is_one_event_and_one_more_when_it_turns_back(training) -> None:
    served = Served(training)
    served.serve(_usual(500, 0))
    for seed in (1, 2, 3):
        signals = served.serve(_usual(500, seed, temp=np.random.default_rng(seed).normal(70, 10, 500)))
        assert signals["ml.skew.detected"] == {"temp": 1, "wind": 0, "town": 0}
        assert signals["ml.skew.share"] == {None: pytest.approx(1 / 3)}
    served.serve(_usual(500, 4))
    drifts = [event for event in served.events if ".skew." in event.name]
    assert _names(drifts) == [("ml.skew.detected", "temp"), ("ml.skew.resolved", "temp")]
    detected, resolved = drifts
    assert (detected.severity, resolved.severity) == ("warn", "info")
    assert detected.time == 1020 * SECOND
    assert resolved.time == 1050 * SECOND
    assert detected.attributes == {
        "ml.model.name": "m",
        "ml.column.name": "temp",
        "ml.column.role": "feature",
        "ml.baseline.kind": "training",
        "ml.baseline.id": training.id,
    }


def test_an_event_tells_in_words_which_range_gained_and_which_lost(training) -> None:
    served = Served(training)
    served.serve(_usual(2000, 1, temp=np.random.default_rng(1).normal(70, 10, 2000)))
    (body,) = [event.body for event in served.events if event.name == "ml.skew.detected"]
    # A normal column that moved by two standard deviations: what was above 60 (16 %) is 84 % now.
    assert body.startswith("temp: ")
    ranges, figures = body.removeprefix("temp: ").split("; ")
    first, second = ranges.split(", ")
    assert "went from" in first
    low, high = sorted((first, second), key=lambda part: float(part.split("-")[0]))
    before, after = (float(word) for word in high.replace("%", "").split(" from ")[1].split(" of ")[0].split(" to "))
    assert before < 30
    assert after > 70
    lost = [float(word) for word in low.replace("%", "").split(" from ")[1].split(" of ")[0].split(" to ")]
    assert lost[0] > 50 > lost[1]
    assert figures.startswith("PSI ")
    assert figures.endswith("p < 1e-12, 2,000 rows")


def test_a_category_that_grew_is_named(training) -> None:
    served = Served(training)
    rng = np.random.default_rng(3)
    served.serve(_usual(1000, 1, town=rng.choice(["JFK", "LGA", "EWR"], 1000, p=[0.2, 0.3, 0.5])))
    (body,) = [event.body for event in served.events if event.name == "ml.skew.detected"]
    assert body.startswith("town: ")
    assert "EWR" in body
    assert "JFK" in body
    assert "LGA" not in body


def test_too_few_rows_give_no_verdict_but_say_how_many_there_were(training) -> None:
    served = Served(training, min_rows=50)
    signals = served.serve(_usual(49, 0, temp=np.full(49, 500.0)))
    assert signals["ml.window.rows"] == {None: 49}
    assert signals["ml.skew.detected"] == signals["ml.skew.share"] == {}
    assert not any(signals["ml.quality.violated"].values())
    signals = served.serve(_usual(50, 0, temp=np.full(50, 500.0)))
    assert signals["ml.skew.detected"]["temp"] == 1


def test_a_window_without_rows_says_so_and_nothing_else(training) -> None:
    served = Served(training)
    served.serve(_usual(500, 0, temp=np.full(500, 500.0)))
    signals = served.serve(None)
    assert dict(signals) == {"ml.window.rows": {None: 0}, "ml.window.end": {None: served.now}}
    # Absent data neither resolves a verdict nor repeats it.
    assert served.new_events == []
    for _ in range(5):
        served.serve(None)
    signals = served.serve(_usual(500, 1))
    assert signals["ml.window.rows"] == {None: 500}
    assert ("ml.skew.resolved", "temp") in _names(served.new_events)


def test_a_significant_but_trivial_shift_is_below_the_effect_floor() -> None:
    rows = 60_000
    training = Baseline.from_frame({"x": np.random.default_rng(1).normal(0, 1, rows)}, model="m")
    served = Served(training, effect_floor=0.05)
    signals = served.serve({"x": np.random.default_rng(2).normal(0.05, 1, rows)})
    assert signals["ml.skew.p_value"]["x"] < 1e-6
    assert signals["ml.skew.detected"] == {"x": 0}
    served = Served(training, effect_floor=0.005)
    assert served.serve({"x": np.random.default_rng(2).normal(0.05, 1, rows)})["ml.skew.detected"] == {"x": 1}


def test_a_column_can_have_a_floor_of_its_own(training) -> None:
    own = ModelConfig(columns={"temp": ColumnConfig(effect_floor=0.9)})
    served = Served(training, models={"m": own})
    rng = np.random.default_rng(1)
    signals = served.serve(_usual(500, 1, temp=rng.normal(58, 10, 500), wind=rng.gamma(4.0, 5.0, 500)))
    assert (signals["ml.skew.detected"]["temp"], signals["ml.skew.detected"]["wind"]) == (0, 1)


def test_p_values_are_corrected_for_the_number_of_columns() -> None:
    rng = np.random.default_rng(5)
    many = {f"x{at}": rng.normal(size=2000) for at in range(60)}
    live = {name: np.random.default_rng(at).normal(size=400) for at, name in enumerate(many)}
    live["x0"] = np.random.default_rng(99).normal(0.22, 1, 400)
    alone = Served(Baseline.from_frame({"x0": many["x0"]}, model="m")).serve({"x0": live["x0"]})
    together = Served(Baseline.from_frame(many, model="m")).serve(live)
    assert together["ml.skew.p_value"]["x0"] > 5 * alone["ml.skew.p_value"]["x0"]
    assert sum(together["ml.skew.detected"].values()) <= 1


@pytest.mark.parametrize(
    "distance", ["psi", "jensen_shannon", "kolmogorov_smirnov", "wasserstein", "hellinger", "total_variation",
                 "l_infinity", "chi_square"],
)  # fmt: skip
def test_every_distance_can_be_reported(distance, training) -> None:
    served = Served(training, distance=distance)
    near = served.serve(_usual(500, 1))["ml.skew.distance"]
    far = served.serve(_usual(500, 1, temp=np.random.default_rng(1).normal(70, 10, 500)))["ml.skew.distance"]
    assert far["temp"] > 2 * near["temp"] >= 0
    methods = {
        attributes["ml.column.name"]: attributes["ml.distance.method"]
        for metric, pairs in served.processor.signals().items()
        if metric.name == "ml.skew.distance"
        for attributes, _ in pairs
    }
    ordered = distance in {"kolmogorov_smirnov", "wasserstein"}
    assert methods == {"temp": distance, "wind": distance, "town": "psi" if ordered else distance}


def test_the_previous_window_gives_drift_without_any_baseline() -> None:
    served = Served(previous_window=True)
    assert "ml.drift.detected" not in served.serve(_usual(500, 0))
    assert served.serve(_usual(500, 1))["ml.drift.detected"] == {"temp": 0, "wind": 0, "town": 0}
    warmer = np.random.default_rng(2).normal(70, 10, 500)
    signals = served.serve(_usual(500, 2, temp=warmer))
    assert signals["ml.drift.detected"] == {"temp": 1, "wind": 0, "town": 0}
    assert "ml.skew.detected" not in signals
    # The next one is as warm as its previous window.
    signals = served.serve(_usual(500, 3, temp=np.random.default_rng(3).normal(70, 10, 500)))
    assert signals["ml.drift.detected"]["temp"] == 0
    assert _names([e for e in served.events if ".drift." in e.name]) == [
        ("ml.drift.detected", "temp"),
        ("ml.drift.resolved", "temp"),
    ]
    (detected, *_) = [event for event in served.events if ".drift." in event.name]
    assert detected.attributes["ml.baseline.kind"] == "previous_window"
    assert "ml.baseline.id" not in detected.attributes


def test_skew_and_drift_stand_side_by_side(training) -> None:
    served = Served(training, previous_window=True)
    warmer = [np.random.default_rng(seed).normal(70, 10, 500) for seed in range(2)]
    served.serve(_usual(500, 0, temp=warmer[0]))
    signals = served.serve(_usual(500, 1, temp=warmer[1]))
    assert signals["ml.skew.detected"]["temp"] == 1
    assert signals["ml.drift.detected"]["temp"] == 0


def test_predictions_are_compared_and_do_not_count_in_the_share_of_features() -> None:
    labels = np.random.default_rng(0).choice(["late", "on time"], 3000, p=[0.2, 0.8])
    training = Baseline.from_frame({"x": np.random.default_rng(0).normal(size=3000)}, model="m", predictions=labels)
    served = Served(training)
    signals = served.serve({"x": np.random.default_rng(1).normal(size=500)}, predictions=["late"] * 500)
    assert signals["ml.skew.detected"] == {"x": 0, "prediction": 1}
    assert signals["ml.skew.share"] == {None: 0.0}


def test_windows_slide_by_steps_and_each_end_is_evaluated_once(training) -> None:
    served = Served(training, window=30, step=10)
    rows = [served.serve(_usual(100, seed))["ml.window.rows"][None] for seed in range(5)]
    assert rows == [100, 200, 300, 300, 300]
    assert served.processor.advance(served.now * SECOND) == []


def test_snapshots_of_one_step_may_come_in_parts_and_late_windows_in_one_go(training) -> None:
    served = Served(training)
    for second in (1000, 1004, 1009, 1013, 1031):
        sketched = Baseline.from_frame(_usual(100, second), model="m").snapshot
        served.processor.add([Snapshot(Model("m"), second * SECOND, (second + 1) * SECOND, sketched.columns)])
    served.processor.advance(1010 * SECOND)
    assert served.signals()["ml.window.rows"] == {None: 300}
    served.processor.advance(1039 * SECOND)
    assert served.signals()["ml.window.rows"] == {None: 0}
    served.processor.advance(1045 * SECOND)
    assert served.signals()["ml.window.rows"] == {None: 100}


def test_a_column_without_a_single_value_loses_nothing_of_the_others(training) -> None:
    served = Served(training)
    signals = served.serve(_usual(500, 1, wind=np.full(500, np.nan)))
    assert signals["ml.window.rows"] == {None: 500}
    assert set(signals["ml.skew.detected"]) == {"temp", "town"}
    assert signals["ml.quality.violated"]["wind", "missing"] == 1


def _shifted(seed: int) -> dict:
    """A shift that no one window is sure of: p is between the two rates that a verdict may rest on."""
    return _usual(200, seed, temp=np.random.default_rng(seed).normal(53.0, 10, 200))


def test_what_holds_in_two_windows_running_is_a_verdict_though_neither_is_certain(training) -> None:
    served = Served(training, alpha=1e-12)
    found = [served.serve(_shifted(seed))["ml.skew.detected"]["temp"] for seed in range(2)]
    assert found == [0, 1]
    alone = Served(training, alpha=1e-12, alpha_repeated=0)
    assert [alone.serve(_shifted(seed))["ml.skew.detected"]["temp"] for seed in range(2)] == [0, 0]


@pytest.mark.parametrize("between", [None, _usual(10, 3)], ids=["no rows", "too few rows"])
def test_a_window_that_says_nothing_does_not_come_between_two_that_do(between, training) -> None:
    served = Served(training, alpha=1e-12)
    served.serve(_shifted(0))
    served.serve(between)
    assert served.serve(_shifted(1))["ml.skew.detected"]["temp"] == 1


def test_a_small_change_is_told_with_as_many_decimals_as_it_takes() -> None:
    from driftmeter.processor._number_words import percents

    assert percents(0.1602, 0.1638) == ("16.0 %", "16.4 %")
    assert percents(0.2242, 0.2083) == ("22.4 %", "20.8 %")
    assert percents(0.16001, 0.16002) == ("16.001 %", "16.002 %")
    assert percents(0.16, 0.38) == ("16 %", "38 %")
    assert percents(0.2, 0.2) == ("20 %", "20 %")


def test_a_critical_columns_verdict_is_an_error_and_a_threshold_stands_in_for_calibration(training) -> None:
    columns = {"temp": ColumnConfig(critical=True), "wind": ColumnConfig(threshold=0.0)}
    served = Served(training, models={"m": ModelConfig(columns=columns)})
    served.serve(_usual(500, 1, temp=np.random.default_rng(1).normal(70, 10, 500)))
    severities = {event.attributes["ml.column.name"]: event.severity for event in served.events}
    assert severities == {"temp": "error", "wind": "warn"}


class _Contained:
    """A guard that swallows, as a host's does."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind, error, traceback) -> bool:
        return error is not None


def test_trouble_with_one_model_is_not_the_others_and_leaves_no_stale_signal(training, monkeypatch) -> None:
    processor = Processor(Config(window=10, step=10), baselines=lambda model: [training], contain=_Contained())
    columns = Baseline.from_frame(_usual(500, 1), model="m").snapshot.columns
    for start in (0, 10):
        processor.add(
            [Snapshot(Model(name), start * SECOND, (start + 1) * SECOND, columns) for name in ("bad", "good")]
        )
        if start:
            monkeypatch.setattr(processor._models[Model("bad")].processor, "_evaluate", lambda *_: 1 / 0)
        processor.advance((start + 10) * SECOND)
    (rows,) = [pairs for metric, pairs in processor.signals().items() if metric.name == "ml.window.rows"]
    assert rows == [({"ml.model.name": "good"}, 500)]


def test_windows_go_on_after_the_clock_was_set_back(training) -> None:
    served = Served(training)
    served.now += 10_000
    served.serve(_usual(500, 1))
    served.now -= 10_000
    signals = served.serve(_usual(600, 2))
    assert signals["ml.window.rows"] == {None: 600}


def test_two_windows_against_few_rows_do_not_bear_each_other_out() -> None:
    """They err alike, by what the baseline's few rows err."""
    rng = np.random.default_rng(5)
    for seed in range(12):
        few = Baseline.from_frame({"x": np.random.default_rng(seed).normal(size=300)}, model="m")
        served = Served(few, effect_floor=0.0, alpha=1e-6)
        detected = [served.serve({"x": rng.normal(size=400)})["ml.skew.detected"]["x"] for _ in range(10)]
        assert detected == [0] * 10


def test_an_ignored_column_is_neither_compared_nor_missed(training) -> None:
    served = Served(training, models={"m": ModelConfig(columns={"temp": ColumnConfig(ignore=True)})})
    columns = _usual(500, 1)
    del columns["temp"]
    signals = served.serve(columns)
    assert served.events == []
    assert set(signals["ml.skew.detected"]) == {"wind", "town"}
    assert not [key for key in signals["ml.quality.ratio"] if key[0] == "temp"]


def test_a_window_speaks_of_one_baseline_only(training) -> None:
    given: list[Baseline] = []
    served = Served(learn_rows=0, window=20, step=10)
    served.processor = Processor(served.config, baselines=lambda model: given)
    served.serve(_usual(500, 1))
    given.append(training)
    # All rows are counted, but those that came before it were not held against the baseline.
    assert served.serve(_usual(600, 2))["ml.window.rows"] == {None: 1100}
    (comparison,) = served.processor.latest()[Model("m")].comparisons
    assert {int(verdict.binned.live.sum()) for verdict in comparison.verdicts} == {600}


@pytest.mark.parametrize(("scale", "wanted"), [(1.0, r"\d+-\d+ went"), (0.37, r"\d+\.\d+-\d+\.\d+ went")])
def test_ranges_of_whole_numbers_are_told_in_whole_numbers(scale, wanted) -> None:
    rng = np.random.default_rng(8)
    baseline = Baseline.from_frame({"hour": scale * rng.integers(5, 24, 4000)}, model="m")
    served = Served(baseline)
    served.serve({"hour": scale * rng.integers(12, 24, 500)})
    (body,) = [event.body for event in served.events if event.name == "ml.skew.detected"]
    assert re.search(wanted, body), body


def test_a_verdict_at_the_floor_does_not_turn_with_every_window(training) -> None:
    served = Served(training, window=10, step=10)
    rng = np.random.default_rng(12)
    for _ in range(60):
        served.serve(_usual(20_000, int(rng.integers(1 << 30)), temp=rng.normal(50 + 0.085 * 10, 10, 20_000)))
    turns = [event.name for event in served.events if event.attributes["ml.column.name"] == "temp"]
    assert 1 <= turns.count("ml.skew.detected") <= 3


def test_a_verdict_that_nothing_speaks_of_any_more_is_resolved(training) -> None:
    given = [training]
    served = Served()
    served.processor = Processor(served.config, baselines=lambda model: given)
    served.serve(_usual(500, 1, temp=np.full(500, 90.0)))
    given[:] = [Baseline.from_frame({"wind": TRAINING["wind"]}, model="m")]
    served.serve(_usual(500, 2))
    resolved = [event for event in served.new_events if event.name == "ml.skew.resolved"]
    assert [event.body.split(":")[0] for event in resolved] == ["temp"]
    assert "not judged any more" in resolved[0].body


@pytest.mark.parametrize(("own", "let_go"), [(100, True), (1000, False)])
def test_a_window_with_the_rows_that_the_model_itself_asks_for_lets_go_of_a_verdict(own, let_go, training) -> None:
    given = [training]
    served = Served(min_rows=1000 if let_go else 100, models={"m": ModelConfig(min_rows=own)})
    served.processor = Processor(served.config, baselines=lambda model: given)
    served.serve(_usual(2000, 1, temp=np.full(2000, 90.0)))
    given[:] = [Baseline.from_frame({"wind": TRAINING["wind"]}, model="m")]
    served.serve(_usual(500, 2))
    resolved = [name for name in _names(served.new_events) if name[0] == "ml.skew.resolved"]
    assert resolved == ([("ml.skew.resolved", "temp")] if let_go else [])


def test_a_verdict_stands_while_no_rows_come(training) -> None:
    served = Served(training)
    served.serve(_usual(500, 1, temp=np.full(500, 90.0)))
    served.serve(None)
    assert served.new_events == []
    served.serve(_usual(500, 2))
    assert [event.name for event in served.new_events if ".skew." in event.name] == ["ml.skew.resolved"]


def test_a_replaced_baseline_is_not_kept(training) -> None:
    given = [training, Baseline.from_frame(TRAINING, model="m", kind="validation")]
    served = Served(window=20, step=10)
    served.processor = Processor(served.config, baselines=lambda model: given)
    for seed in range(6):
        served.serve(_usual(200, seed))
        given[1] = Baseline.from_frame(TRAINING, model="m", kind="validation")
    (model,) = (watched.processor for watched in served.processor._models.values())
    assert len(model._windows._sum.counts) <= 3


def test_trouble_with_a_critical_model_is_an_error(training) -> None:
    served = Served(training, models={"m": ModelConfig(critical=True)})
    served.serve(_usual(500, 1, temp=np.full(500, 90.0)))
    assert {event.severity for event in served.events} == {"error"}
