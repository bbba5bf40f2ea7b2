"""Categories that come as codes are counted as those that come as values."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from driftmeter import Baseline
from driftmeter.config import ColumnConfig, Config, ModelConfig
from driftmeter.recorder import Columns, Limits, ModelRecorder, Registry
from driftmeter.schema import Column, Model
from driftmeter.tables import tabulate, to_codes

TOWN = Column("town", kind="categorical")


def recorded(*frames: pd.DataFrame):
    recorder = ModelRecorder(
        Model("m"), columns=Columns(), limits=Limits(buffer_bytes=1024), step=10**18, clock=lambda: 10
    )
    for frame in frames:
        recorder.record([("feature", tabulate(frame))])
    (snapshot,) = recorder.take()
    return snapshot.columns[TOWN]


@pytest.mark.parametrize("rows", [3, 300], ids=["a few rows, as objects", "many rows, as codes"])
def test_a_pandas_categorical_counts_like_its_values(rows):
    towns = ["JFK", "LGA", None] * (rows // 3)
    coded = pd.DataFrame({"delay": range(rows), "town": pd.Categorical(towns, categories=["EWR", "LGA", "JFK"])})
    plain = pd.DataFrame({"delay": range(rows), "town": towns})
    assert recorded(coded) == recorded(plain)
    assert recorded(coded, plain, coded).counts == {"JFK": rows, "LGA": rows}


def test_codes_are_a_copy_so_that_the_caller_may_change_the_frame():
    towns = pd.Series(pd.Categorical(["a", "b", "a"]))
    coded = to_codes(towns)
    towns[:] = "b"
    assert coded.codes.tolist() == [0, 1, 0]


def test_values_are_taken_where_there_are_more_categories_than_rows():
    assert to_codes(pd.Series(pd.Categorical(["a"], categories=["a", "b"]))) is None


def test_long_texts_are_not_held_in_the_buffer():
    recorder = ModelRecorder(Model("m"), columns=Columns(), limits=Limits(), step=10**18, clock=lambda: 10)
    recorder.record([("feature", tabulate({"town": ["x" * 50_000, "y" * 50_000, "z"]}))])
    (shape,) = recorder._shapes.values()
    (held,) = shape.buffer._lists
    assert max(map(len, held)) < 128
    (snapshot,) = recorder.take()
    assert sorted(snapshot.columns[TOWN].counts.values()) == [1, 1, 1]


@pytest.mark.parametrize(("built", "live"), list(itertools.permutations([[True, False, None], [1.0, 0.0, None]], 2)))
@pytest.mark.parametrize("hidden", ["plain", "hashed"])
def test_truth_values_with_nulls_are_the_same_categories_as_words_and_as_numbers(built, live, hidden) -> None:
    # pandas and others make numbers of a column of truth values that has nulls.
    columns = ColumnConfig(kind="categorical", category_names=hidden)
    config = Config(segments=("flag",), models={"m": ModelConfig(columns={"flag": columns, "prediction": columns})})
    flags = np.array(built * 20, dtype=object)
    baseline = Baseline.from_frame(
        {"flag": flags},
        predictions=flags,
        model="m",
        kinds=dict.fromkeys(("flag", "prediction"), "categorical"),
        segments=["flag"],
    )
    registry = Registry(config, baselines=[baseline])
    tables = [("feature", tabulate({"flag": live})), ("prediction", tabulate({"prediction": live}))]
    registry.record(registry.recorder(Model("m")), tables)
    (known,) = registry.baselines(Model("m"))
    taken = {snapshot.model.segment: snapshot for snapshot in registry.take()}
    assert taken.keys() == {None, *(part.model.segment for part in known.segments)}
    for column, sketch in known.snapshot.columns.items():
        assert set(taken[None].columns[column].counts) == set(sketch.counts)


def test_a_column_of_other_categories_tells_true_from_one() -> None:
    baseline = Baseline.from_frame({"flag": ["1", "2"]}, model="m")
    registry = Registry(Config(), baselines=[baseline])
    registry.record(registry.recorder(Model("m")), [("feature", tabulate({"flag": [True, 1, "2"]}))])
    (snapshot,) = registry.take()
    (sketch,) = snapshot.columns.values()
    assert sketch.counts == {"True": 1, "1": 1, "2": 1}
