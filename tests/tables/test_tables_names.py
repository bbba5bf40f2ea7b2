"""Names: what every exporter can send, one a column."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftmeter.schema import Column, Model, clean_name
from driftmeter.tables import Table, tabulate

LONG = "x" * 5000


@given(st.text(st.characters(), max_size=300))
def test_a_clean_name_is_valid_unicode_of_bounded_length_and_stays_as_it_is(name) -> None:
    clean = clean_name(name)
    assert len(clean.encode()) <= 4 * 128
    assert len(clean) <= 128
    assert clean_name(clean) == clean


def test_names_that_differ_still_differ_when_clean() -> None:
    names = ["a\udc80", "b\udc80", "a", f"{LONG}a", f"{LONG}b", "température"]
    assert len({clean_name(name) for name in names}) == len(names)
    assert clean_name("température") == "température"


def test_columns_and_models_have_clean_names_wherever_they_come_from() -> None:
    assert Column("a\udc80") == Column("a\\udc80")
    assert Model("m\udc80", LONG) == Model("m\\udc80", clean_name(LONG))
    assert tabulate({"a\udc80": [1.0]}).names == ("a\\udc80",)
    assert tabulate(np.zeros((1, 1)), names=["a\udc80"]).names == ("a\\udc80",)
    (name,) = tabulate(pd.DataFrame({LONG: [1.0]})).names
    assert name == Column(LONG).name == clean_name(LONG)


@pytest.mark.parametrize(
    "data",
    [
        pd.DataFrame([[1.0, 2.0, 3.0, 4.0]], columns=["x", "x", "y", "x"]),
        pd.DataFrame([[1.0, "a", 3.0, 4.0]] * 100, columns=["x", "x", "y", "x"]),
        pa.Table.from_arrays([pa.array([1.0])] * 4, names=["x", "x", "y", "x"]),
        Table(("x", "x", "y", "x"), 1, matrix=np.ones((1, 4))),
    ],
    ids=["small frame", "large frame", "pyarrow", "table"],
)
def test_columns_of_one_name_are_told_apart_by_a_number(data) -> None:
    table = data if isinstance(data, Table) else tabulate(data)
    assert table.names == ("x", "x.1", "y", "x.2")
    assert [len(table.column(at)) for at in range(4)] == [len(table)] * 4


def test_a_column_keeps_its_own_name_where_another_ones_number_would_give_it() -> None:
    assert tabulate(np.zeros((1, 4)), names=["x", "x", "x.1", "x"]).names == ("x", "x.2", "x.1", "x.3")


def test_keys_that_are_one_as_texts_are_two_columns() -> None:
    assert tabulate({1: [1.0], "1": [2.0]}).names == ("1", "1.1")


def test_many_columns_of_one_name_are_all_told_apart() -> None:
    names = tabulate(np.zeros((1, 10_000)), names=["x"] * 10_000, max_columns=10_000).names
    assert (len(set(names)), names[-1]) == (10_000, "x.9999")
