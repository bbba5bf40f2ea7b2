"""The checks of quality: each finds its fault, names it, and stays quiet on what the baseline had too."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from driftmeter import Baseline
from driftmeter.config import Config, ModelConfig
from driftmeter.processor import Processor
from driftmeter.schema import Model
from driftmeter.sketches import Snapshot

SECOND = 1_000_000_000


def _frame(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "x": rng.normal(50, 10, rows),
            "gaps": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows)),
            "town": rng.choice(["a", "b", "c"], rows),
        }
    )
    return frame.astype({"town": object})


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    return Baseline.from_frame(_frame(3000, 0), model="m")


@pytest.fixture
def check(baseline):
    """Return (ratios, checks violated, event bodies) of a window of the frame's rows."""

    def run(frame, *, against=baseline, **config):
        processor = Processor(
            Config(window=10, step=10, **config), baselines=lambda model: [] if against is None else [against]
        )
        kinds = {} if against is None else {column.name: column.kind for column in against.features}
        columns = Baseline.from_frame(frame, model="m", kinds=kinds).snapshot.columns
        processor.add([Snapshot(Model("m"), 1000 * SECOND, 1001 * SECOND, columns)])
        events = processor.advance(1010 * SECOND)
        found = {"ml.quality.ratio": {}, "ml.quality.violated": {}}
        for metric, pairs in processor.signals().items():
            for attributes, value in pairs:
                if metric.name in found:
                    key = attributes["ml.column.name"], attributes["ml.quality.check"]
                    found[metric.name][key] = value
        violated = {key for key, value in found["ml.quality.violated"].items() if value}
        bodies = [event.body for event in events if event.name == "ml.quality.violated"]
        return found["ml.quality.ratio"], violated, bodies

    return run


def test_usual_rows_violate_nothing_their_usual_gaps_included(check) -> None:
    ratios, violated, bodies = check(_frame(500, 1))
    assert violated == set()
    assert bodies == []
    assert ratios["gaps", "missing"] == pytest.approx(0.1, abs=0.05)
    assert ratios["x", "missing"] == 0


def _with(column, values, rows=500):
    frame = _frame(rows, 1)
    frame[column] = values
    return frame


FAULTS = {
    "missing": (
        _with("x", np.where(np.arange(500) < 60, np.nan, 50.0 + np.arange(500) % 20)),
        ("x", "missing", 0.12),
        "missing values went from 0 % to 12 % of 500 rows",
    ),
    "more gaps": (
        _with("gaps", np.where(np.arange(500) < 200, np.nan, np.arange(500) % 3 - 1.0)),
        ("gaps", "missing", 0.4),
        "missing values went from 11 % to 40 % of 500 rows",
    ),
    "infinite": (
        _with("x", np.where(np.arange(500) < 50, np.inf, 50.0 + np.arange(500) % 20)),
        ("x", "non_finite", 0.1),
        "infinite values went from 0 % to 10 % of 500 rows",
    ),
    "type": (
        _with("x", ["?"] * 50 + list(50.0 + np.arange(450) % 20)),
        ("x", "type_mismatch", 0.1),
        "values that are no numbers went from 0 % to 10 % of 500 rows",
    ),
    "range": (
        _with("x", np.where(np.arange(500) < 50, 500.0, 50.0 + np.arange(500) % 20)),
        ("x", "out_of_range", 0.1),
        "10 % of 500 values lie outside the baseline's range of 11-80.7, up to 500",
    ),
    "unseen": (
        _with("town", ["new"] * 100 + list("abca") * 100),
        ("town", "unseen_category", 0.2),
        "categories that the baseline does not know went from 0 % to 20 % of 500 values: new 20 %",
    ),
    "gone": (
        _frame(500, 1).drop(columns="x"),
        ("x", "missing_column", 1.0),
        "the column is missing from all 500 rows",
    ),
    "new": (
        _frame(500, 1).assign(extra=1.5),
        ("extra", "unexpected_column", 1.0),
        "a column that the baseline does not have, in all 500 rows",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found_measured_and_told(fault, check) -> None:
    frame, (column, name, ratio), words = FAULTS[fault]
    ratios, violated, bodies = check(frame)
    assert violated == {(column, name)}
    assert ratios[column, name] == pytest.approx(ratio)
    assert bodies == [f"{column}: {words}"]


def test_a_constant_column_is_found(check) -> None:
    _, violated, bodies = check(_with("x", 50.0))
    assert ("x", "constant") in violated
    assert "x: all 500 values are 50; the baseline's vary" in bodies


def test_few_bad_values_are_below_the_floor(check) -> None:
    frame = _with("x", np.where(np.arange(500) < 2, np.nan, 50.0 + np.arange(500) % 20))
    assert check(frame)[1] == set()
    frame = _with("x", np.where(np.arange(500) < 25, np.nan, 50.0 + np.arange(500) % 20))
    assert check(frame, quality_floor=0.1)[1] == set()
    assert check(frame)[1] == {("x", "missing")}


def test_without_a_baseline_ratios_are_reported_and_nothing_is_violated(check) -> None:
    ratios, violated, _ = check(FAULTS["missing"][0], against=None)
    assert ratios["x", "missing"] == pytest.approx(0.12)
    assert violated == set()


def test_a_value_a_little_beyond_the_range_is_in_it(check, baseline) -> None:
    most = max(sketch.max for column, sketch in baseline.snapshot.columns.items() if column.name == "x")
    frame = _with("x", np.where(np.arange(500) < 250, most * 1.01, 50.0 + np.arange(500) % 20))
    assert ("x", "out_of_range") not in check(frame)[1]


def test_a_series_of_ratios_starts_with_the_first_bad_value_and_stays(baseline) -> None:
    processor = Processor(Config(window=10, step=10), baselines=lambda model: [baseline])

    def serve(frame, now):
        columns = Baseline.from_frame(frame, model="m").snapshot.columns
        processor.add([Snapshot(Model("m"), now * SECOND, (now + 1) * SECOND, columns)])
        processor.advance((now + 10) * SECOND)
        return {
            attributes["ml.quality.check"]: value
            for metric, pairs in processor.signals().items()
            for attributes, value in pairs
            if metric.name == "ml.quality.ratio" and attributes["ml.column.name"] == "x"
        }

    assert set(serve(_frame(500, 1), 1000)) == {"missing"}
    assert serve(FAULTS["infinite"][0], 1010)["non_finite"] == pytest.approx(0.1)
    assert serve(_frame(500, 1), 1020)["non_finite"] == 0


def test_many_unseen_categories_are_not_one_and_the_same_value(check) -> None:
    _, violated, _ = check(_with("town", [f"new{i}" for i in range(500)]))
    assert ("town", "unseen_category") in violated
    assert ("town", "constant") not in violated


def test_a_category_that_is_the_only_one_left_is_constant(check) -> None:
    _, violated, bodies = check(_with("town", "a"))
    assert ("town", "constant") in violated
    assert "town: all 500 values are a; the baseline's vary" in bodies


def test_a_check_of_a_column_that_is_gone_again_resolves(baseline) -> None:
    processor = Processor(Config(window=10, step=10), baselines=lambda model: [baseline])
    seen = []
    for start, frame in ((0, _with("new", 1.0)), (10, _frame(500, 2))):
        columns = Baseline.from_frame(frame, model="m").snapshot.columns
        processor.add([Snapshot(Model("m"), start * SECOND, (start + 1) * SECOND, columns)])
        seen.append({(event.name, event.body) for event in processor.advance((start + 10) * SECOND)})
    assert {name for name, body in seen[0] if body.startswith("new")} == {"ml.quality.violated"}
    assert ("ml.quality.resolved", "new: quiet again; the column, which the baseline does not have, is gone") in seen[1]


@pytest.mark.parametrize(("own", "resolved"), [(100, True), (1000, False)])
def test_a_window_with_the_rows_that_the_model_itself_asks_for_resolves_a_check(own, resolved, baseline) -> None:
    config = Config(window=10, step=10, min_rows=1000 if resolved else 100, models={"m": ModelConfig(min_rows=own)})
    processor = Processor(config, baselines=lambda model: [baseline])
    turned = []
    for start, frame in ((0, _with("new", 1.0, rows=1200)), (10, _frame(500, 2))):
        columns = Baseline.from_frame(frame, model="m").snapshot.columns
        processor.add([Snapshot(Model("m"), start * SECOND, (start + 1) * SECOND, columns)])
        turned = [event.name for event in processor.advance((start + 10) * SECOND) if event.body.startswith("new")]
    assert turned == (["ml.quality.resolved"] if resolved else [])


def test_only_what_is_outside_the_range_for_certain_counts_as_outside() -> None:
    """Values that lie within one bucket, far from zero: one of them is beyond the range, the others are not."""
    start = 1_760_000_100.0
    usual = Baseline.from_frame({"when": np.linspace(start, start + 60, 2000)}, model="m")
    processor = Processor(Config(window=10, step=10), baselines=lambda model: [usual])
    live = np.append(np.linspace(start, start + 60, 999), start + 70)
    processor.add([Snapshot(Model("m"), 0, SECOND, Baseline.from_frame({"when": live}, model="m").snapshot.columns)])
    assert not [event for event in processor.advance(10 * SECOND) if "range" in event.body]


def test_a_null_rate_that_varies_from_hour_to_hour_is_no_violation_and_a_higher_one_is() -> None:
    rng = np.random.default_rng(11)

    def hour(rate: float, rows: int = 500) -> np.ndarray:
        return np.where(rng.random(rows) < rate, np.nan, 1.0 + rng.random(rows))

    rates = rng.beta(8, 152, 40)  # 5 % on average, 2 to 10 % in single hours
    values = np.concatenate([hour(rate) for rate in rates])
    with_blocks = Baseline.from_frame({"x": values}, model="m", block_rows=500)
    without = Baseline.from_frame({"x": values}, model="m")

    def violated(baseline: Baseline, rate: float) -> bool:
        processor = Processor(Config(window=1, step=1), baselines=lambda _: [baseline])
        snapshot = Baseline.from_frame({"x": hour(rate)}, model="m").snapshot
        processor.add([Snapshot(Model("m"), 0, 1, snapshot.columns)])
        processor.advance(SECOND)
        (missing,) = [found for found in processor.latest()[Model("m")].findings if found.check == "missing"]
        return missing.violated

    assert violated(without, 0.1)
    assert not violated(with_blocks, 0.1)
    assert violated(with_blocks, 0.4)


@pytest.mark.parametrize("exponent", [1.5, 3.0])
def test_new_names_in_a_column_that_always_has_new_ones_are_usual(exponent) -> None:
    rng = np.random.default_rng(13)

    def cities(rows: int) -> dict:
        return {"city": [f"c{number}" for number in rng.zipf(exponent, rows)]}

    baseline = Baseline.from_frame(cities(5000), model="m")
    processor = Processor(Config(window=10, step=10), baselines=lambda _: [baseline])
    for second in range(0, 200, 10):
        columns = Baseline.from_frame(cities(500), model="m").snapshot.columns
        processor.add([Snapshot(Model("m"), second * SECOND, (second + 1) * SECOND, columns)])
        events = processor.advance((second + 10) * SECOND)
        assert not any("unseen" in str(event.attributes.get("ml.quality.check")) for event in events)


def _answering(rows: int, seed: int, **outputs) -> Snapshot:
    """Return a step's columns, with outputs for a share of the rows each."""
    rng = np.random.default_rng(seed)
    parts = {name: rng.choice(["yes", "no"], round(share * rows)) for name, share in outputs.items() if share}
    predictions = {name: part for name, part in parts.items() if name != "score"}
    scores = {"score.yes": rng.random(len(parts["score"]))} if "score" in parts else None
    baseline = Baseline.from_frame(_frame(rows, seed), model="m", predictions=predictions or None, scores=scores)
    return Snapshot(Model("m"), 1000 * SECOND, 1001 * SECOND, baseline.snapshot.columns)


@pytest.mark.parametrize(
    ("usual", "live", "missing"),
    [
        ({"prediction": 1}, {}, 1.0),
        ({"prediction": 1}, {"prediction": 0.4}, 0.6),
        ({"prediction": 1}, {"prediction": 0.95}, None),
        ({"prediction": 1}, {"score": 1}, None),
        ({"prediction": 1}, {"prediction": 0.5, "score": 0.5}, None),
        ({"prediction": 1, "score": 1}, {"prediction": 1}, None),
        ({"prediction": 1, "score": 1}, {}, 1.0),
        ({"score": 1}, {}, 1.0),
        ({}, {}, None),
    ],
)
def test_a_model_that_does_not_answer_lacks_its_output(usual, live, missing) -> None:
    snapshot = _answering(3000, 0, **usual)
    processor = Processor(Config(window=10, step=10), baselines=lambda model: [Baseline(snapshot, "training")])
    processor.add([_answering(500, 1, **live)])
    events = processor.advance(1010 * SECOND)
    told = [
        (attributes["ml.column.name"], round(value, 2))
        for metric, pairs in processor.signals().items()
        for attributes, value in pairs
        if metric.name == "ml.quality.ratio" and attributes["ml.quality.check"] == "missing_column" and value
    ]
    bodies = [event.body for event in events if event.name == "ml.quality.violated"]
    output = "prediction" if "prediction" in usual else "score.yes"
    if missing is None:
        assert (told, bodies) == ([], [])
    else:
        assert told == [(output, missing)]
        rows = "all 500" if missing == 1.0 else f"{missing * 100:.0f} % of 500"
        assert bodies == [f"{output}: no prediction or score in {rows} rows"]
