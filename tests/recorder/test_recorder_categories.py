"""Categories that come as codes are counted as those that come as values."""

from __future__ import annotations

import pandas as pd
import pytest

from driftmeter.recorder import Columns, Limits, ModelRecorder
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
