"""What a check that turns says: from where to where, which values, and how far out they lie; in one line a cause."""

from __future__ import annotations

import numpy as np
import pytest

from driftmeter import Baseline
from driftmeter.baseline import as_configured
from driftmeter.config import Config
from driftmeter.processor import Processor
from driftmeter.schema import Column, Model
from driftmeter.sketches import Snapshot

SECOND = 1_000_000_000
ROWS = 500


def _rows(rows: int = ROWS, seed: int = 1, **changed) -> dict:
    rng = np.random.default_rng(seed)
    usual = {"age": rng.integers(0, 131, rows).astype(float), "town": rng.choice(["a", "b", "c"], rows)}
    return {name: values for name, values in {**usual, **changed}.items() if values is not None}


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    return Baseline.from_frame(_rows(5000, 0, age=np.arange(5000) % 131.0), model="m")


@pytest.fixture
def say(baseline):
    """Return what the checks say of windows, one after the other; each window is a list of its steps' rows."""

    def run(*windows, config=None, against=baseline, step=10) -> list[list[str]]:
        config = config or Config(window=10, step=step)
        known = as_configured(against, config, Model("m"))
        processor = Processor(config, baselines=lambda _: [known])
        said = []
        for at, steps in enumerate(windows):
            start = 1000 + 10 * at
            for i, rows in enumerate(steps):
                found = as_configured(Baseline.from_frame(rows, model="m"), config, Model("m")).snapshot.columns
                first = start + i * step % 10
                processor.add([Snapshot(Model("m"), first * SECOND, (first + 1) * SECOND, found)])
            events = processor.advance((start + 10) * SECOND)
            said.append([event.body for event in events if event.name.startswith("ml.quality")])
        return said

    return run


def _some(values: list, others, *, rows: int = ROWS) -> list:
    """Return rows, the first ones as given."""
    return [*values, *others[len(values) : rows]]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([412.0] * 10, "2 % of 500 values lie outside the baseline's range of 0-130, up to 412"),
        ([-999.0] * 10, "2 % of 500 values lie outside the baseline's range of 0-130, down to -999"),
        ([-999.0] * 10 + [250_000.0] * 10, "4 % of 500 values lie outside the {}, down to -999, up to 250,000"),
        # A little beyond the range, on the other side, is none of those that are told of.
        ([-1.0] + [412.0] * 10, "2 % of 500 values lie outside the baseline's range of 0-130, up to 412"),
    ],
)
def test_values_out_of_range_are_told_with_the_range_and_how_far_out_they_lie(values, says, say) -> None:
    (said,) = say([_rows(age=_some(values, _rows()["age"]))])
    assert said == ["age: " + says.format("baseline's range of 0-130")]


def test_strange_values_of_all_steps_of_a_window_are_told_and_of_no_others(say) -> None:
    """Two values in 500 are below the floor, so that the next step is what turns the check."""
    few = _rows(age=_some([-999.0] * 2, _rows()["age"]), town=_some(["x"] * 2, _rows()["town"]))
    many = _rows(age=_some([412.0] * 48, _rows()["age"]), town=_some(["x"] * 48, _rows()["town"]))
    outside = "age: 5 % of 1,000 values lie outside the baseline's range of 0-130"
    unknown = "town: categories that the baseline does not know went from 0 % to 5 % of 1,000 values: x 5 %"
    assert say([few, many], step=5) == [[f"{outside}, down to -999, up to 412", unknown]]
    outside, unknown = outside.replace("5 %", "4.8 %"), unknown.replace("5 %", "4.8 %")
    assert say([few, _rows()], [_rows(), many], step=5)[1] == [f"{outside}, up to 412", unknown]


def test_the_most_frequent_new_categories_are_named_with_their_shares(say) -> None:
    towns = ["Ulm"] * 100 + ["Bonn"] * 50 + ["x"] * 20 + [f"rare {i}" for i in range(5)]
    (said,) = say([_rows(town=_some(towns, _rows()["town"]))])
    unknown = "town: categories that the baseline does not know went from 0 % to 35 % of 500 values: "
    assert said == [unknown + "Ulm 20 %, Bonn 10 %, x 4 %, others 1 %"]


def test_new_categories_are_added_up_over_all_that_came_in_a_window(say) -> None:
    steps = [_rows(town=_some([name] * 50, _rows()["town"])) for name in ("x", "y", "x", "z")]
    (said,) = say(steps, step=10)
    assert said[0].endswith("to 10 % of 2,000 values: x 5 %, y 2.5 %, z 2.5 %")


def test_new_categories_that_one_would_not_see_are_in_quotes(say) -> None:
    (said,) = say([_rows(town=_some([""] * 100 + ["a\nb"] * 50, _rows()["town"]))])
    assert said[0].endswith(": '' 20 %, 'a\\nb' 10 %")


def test_hashed_names_are_told_as_digests_and_withheld_ones_not_at_all(say) -> None:
    rows = _rows(town=_some(["Ulm"] * 100, _rows()["town"]))

    def config(how: str) -> Config:
        return Config(window=10, step=10, models={"m": {"columns": {"town": {"category_names": how}}}})

    ((hashed,),) = say([rows], config=config("hashed"))
    assert "Ulm" not in hashed
    assert hashed.partition(" values: ")[2].startswith("#")
    assert hashed.endswith(" 20 %")
    assert say([rows], config=config("withheld")) == [[]]


def test_what_a_check_says_is_bounded(say) -> None:
    towns = [f"{i % 7}" + "\x01" * 1000 for i in range(ROWS)]
    (said,) = say([_rows(town=towns, age=[1e300] * ROWS)])
    assert len(said) >= 2
    assert all(len(body) < 700 for body in said)


@pytest.mark.parametrize(("value", "told"), [(50.25, "50.25"), (1990.0, "1990"), (1e-9, "1e-09"), (20_000.0, "20,000")])
def test_a_column_that_stopped_varying_is_told_with_its_value(value, told, say) -> None:
    values = np.append(np.linspace(0, 30_000, 5000), value)
    against = Baseline.from_frame({"x": values}, model="m")
    ((said,),) = say([{"x": np.full(ROWS, value)}], against=against)
    assert said == f"x: all 500 values are {told}; the baseline's vary"


@pytest.mark.parametrize(
    ("bad", "first", "again"),
    [
        (
            {"age": [np.nan] * ROWS},
            "age: missing values went from 0 % to 100 % of 500 rows",
            "age: quiet again; missing values are 0 % of 500 rows, 0 % in the baseline",
        ),
        (
            {"town": ["x"] * 250 + ["a", "b"] * 125},
            "town: categories that the baseline does not know went from 0 % to 50 % of 500 values: x 50 %",
            "town: quiet again; categories that the baseline does not know are 0 % of 500 values, 0 % in the baseline",
        ),
        (
            {"age": [500.0, 400.0] * 250},
            "age: 100 % of 500 values lie outside the baseline's range of 0-130, up to 500",
            "age: quiet again; 0 % of 500 values lie outside the baseline's range, 0 % in the baseline",
        ),
        ({"age": None}, "age: the column is missing from all 500 rows", "age: quiet again; the column is back"),
        (
            {"age": [50.0] * ROWS},
            "age: all 500 values are 50; the baseline's vary",
            "age: quiet again; the 500 values vary",
        ),
    ],
)
def test_what_is_quiet_again_is_told_as_such(bad, first, again, say) -> None:
    assert say([_rows(**bad)], [_rows()]) == [[first], [again]]


@pytest.mark.parametrize(
    ("column", "values", "says"),
    [
        ("age", ["young", "old"] * 250, "age: values that are no numbers went from 0 % to 100 % of 500 rows"),
        ("town", [1.5, 2.5] * 250, "town: numbers in place of categories went from 0 % to 100 % of 500 rows"),
    ],
)
def test_a_column_that_comes_as_the_other_kind_is_one_trouble_in_one_line(column, values, says, say) -> None:
    said = say([_rows(**{column: values})], [_rows()])
    assert said[0] == [says]
    assert said[1] == [
        says.replace(": ", ": quiet again; ").split(" went ")[0] + " are 0 % of 500 rows, 0 % in the baseline"
    ]


def test_a_column_of_both_kinds_is_of_the_wrong_type_in_part(say) -> None:
    """As when half of the replicas have a new version."""
    (said,) = say([_rows(), _rows(age=["young", "old"] * 250)], step=2)
    assert said == ["age: values that are no numbers went from 0 % to 50 % of 1,000 rows"]


def test_the_other_kind_is_measured_under_the_column_that_the_baseline_knows(baseline) -> None:
    processor = Processor(Config(window=10, step=10), baselines=lambda _: [baseline])
    columns = Baseline.from_frame(_rows(age=["young", "old"] * 250), model="m").snapshot.columns
    processor.add([Snapshot(Model("m"), 1000 * SECOND, 1001 * SECOND, columns)])
    processor.advance(1010 * SECOND)
    violated = {(one.column, one.check, one.ratio) for one in processor.latest()[Model("m")].findings if one.violated}
    assert violated == {(Column("age"), "type_mismatch", 1.0)}


@pytest.mark.parametrize("kind", ["numeric", "categorical"])
def test_predictions_of_the_other_kind_are_of_the_wrong_type(kind) -> None:
    numbers, names = np.arange(ROWS) % 7.0, ["yes", "no"] * (ROWS // 2)
    usual, live = (numbers, names) if kind == "numeric" else (names, numbers)
    against = Baseline.from_frame(_rows(), model="m", predictions={"prediction": usual})
    processor = Processor(Config(window=10, step=10), baselines=lambda _: [against])
    columns = Baseline.from_frame(_rows(), model="m", predictions={"prediction": live}).snapshot.columns
    processor.add([Snapshot(Model("m"), 1000 * SECOND, 1001 * SECOND, columns)])
    bodies = [event.body for event in processor.advance(1010 * SECOND)]
    what = "values that are no numbers" if kind == "numeric" else "numbers in place of categories"
    assert bodies == [f"prediction: {what} went from 0 % to 100 % of 500 rows"]
