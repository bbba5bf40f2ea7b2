from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse

from driftmeter.tables import UnreadableError, kind_of, rows_of, tabulate, to_categories, to_float64

COLUMNS = {"x": [1.0, 2.0, 3.0], "c": ["a", None, "b"]}


def _cells(data, **options):
    """Return names and each column's values as a list, numbers as floats."""
    table = tabulate(data, **options)
    found = {}
    for at, name in enumerate(table.names):
        values = table.column(at)
        found[name] = to_float64(values)[0].tolist() if kind_of(values) == "numeric" else to_categories(values)
    assert table.rows == len(table)
    return found


@pytest.mark.parametrize(
    "data",
    [
        pd.DataFrame(COLUMNS),
        pd.DataFrame(COLUMNS, dtype=object),
        pd.DataFrame(COLUMNS, index=[7.5, 1.0, 3.0]),
        pl.DataFrame(COLUMNS),
        pa.table(COLUMNS),
        pa.RecordBatch.from_pydict(COLUMNS),
        COLUMNS,
        {"x": np.array([1, 2, 3]), "c": pd.Series(["a", None, "b"])},
        [{"x": 1, "c": "a"}, {"x": 2}, {"c": "b", "x": 3}],
    ],
    ids=["pandas", "objects", "float index", "polars", "table", "batch", "columns", "mixed columns", "rows"],
)
def test_tables_have_their_names_and_values(data) -> None:
    cells = _cells(data)
    assert cells["x"] == COLUMNS["x"]
    assert [None if value != value else value for value in cells["c"]] == COLUMNS["c"]
    assert tabulate(data).named


@pytest.mark.parametrize("rows", [3, 64, 65, 1000])
def test_frames_of_every_size_are_read_alike(rows) -> None:
    frame = pd.DataFrame(
        {
            "i": np.arange(rows),
            "f": np.arange(rows) / 2,
            "b": np.arange(rows) % 2 == 0,
            "n": pd.array([None, *range(1, rows)], dtype="Int64"),
            "t": pd.date_range("2020-01-01", periods=rows, freq="s"),
            "s": [f"v{at % 3}" for at in range(rows)],
            "k": pd.Categorical([f"v{at % 3}" for at in range(rows)]),
        }
    )
    cells = _cells(frame)
    assert cells["i"] == list(range(rows))
    assert cells["f"] == [at / 2 for at in range(rows)]
    assert cells["b"] == [float(at % 2 == 0) for at in range(rows)]
    assert np.isnan(cells["n"][0])
    assert cells["n"][1:] == list(range(1, rows))
    assert cells["t"] == [1577836800.0 + at for at in range(rows)]
    assert cells["s"] == cells["k"] == [f"v{at % 3}" for at in range(rows)]
    part = to_float64(tabulate(frame).column(0)[1:3])[0]
    assert part.tolist() == [1, 2]


@pytest.mark.parametrize(
    "data",
    [
        np.array([[1, 2], [3, 4]]),
        [[1, 2], [3, 4]],
        ((1, 2), (3, 4)),
        [np.array([1, 2]), np.array([3, 4])],
        scipy.sparse.csr_matrix([[1, 2], [3, 4]]),
        scipy.sparse.lil_array([[1, 2], [3, 4]]),
    ],
    ids=["array", "lists", "tuples", "arrays", "sparse", "sparse array"],
)
def test_rows_without_names_take_those_that_are_given_or_made_up_ones(data) -> None:
    assert _cells(data) == {"f0": [1, 3], "f1": [2, 4]}
    assert not tabulate(data).named
    assert _cells(data, names=["a", "b"]) == {"a": [1, 3], "b": [2, 4]}
    assert tabulate(data, names=["a", "b"]).named
    assert tabulate(data, names=["a"]).names == ("f0", "f1")
    assert _cells(data, max_columns=1) == {"f0": [1, 3]}


def test_values_alone_are_one_column() -> None:
    for data in ([1, 2], np.array([1, 2]), pd.Series([1, 2]), pl.Series([1, 2]), (1, 2)):
        assert _cells(data) == {"f0": [1, 2]}
    for data in (pd.Series([1, 2], name="x"), pl.Series("x", [1, 2])):
        assert _cells(data) == {"x": [1, 2]}
    assert _cells({"x": 1, "c": "text"}) == {"x": [1.0], "c": ["text"]}


def test_images_are_as_many_columns_as_a_row_has_values() -> None:
    assert len(tabulate(np.zeros((4, 5, 3))).names) == 15


@pytest.mark.parametrize(
    ("data", "shape"),
    [(np.empty((0, 3)), (0, 3)), (np.empty((3, 0)), (3, 0)), (np.empty(0), (0, 1)), (np.empty((0, 2, 2)), (0, 2))],
)
def test_empty_arrays_have_no_rows_or_no_columns(data, shape) -> None:
    table = tabulate(data)
    assert (table.rows, len(table.names)) == shape


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (3, "must come as a table, an array or a list; got int"),
        ("text", "got str"),
        ({1, 2}, "got set"),
        ([[1], [1, 2]], "one length"),
        ([[1], 2], "one length"),
        ([{"a": 1}, 2], "mappings"),
        ({"a": [1], "b": [1, 2]}, r"one length; got \[1, 2\]"),
        (np.array(3), r"shape \(\)"),
    ],
)
def test_what_is_no_table_is_refused_with_what_it_is(data, says) -> None:
    with pytest.raises(UnreadableError, match=says):
        tabulate(data)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2], "numeric"),
        ([None, 2.5], "numeric"),
        ([True], "numeric"),
        (["1"], "categorical"),
        ([None, "a", 3], "categorical"),
        ([None, float("nan"), pd.NA, pd.NaT], None),
        ([], None),
        (np.array([], dtype=float), "numeric"),
        (np.array(["a"]), "categorical"),
        (pd.Categorical([1, 2]), "numeric"),
        (pd.Series(["a"], dtype="string"), "categorical"),
        (pd.array([1], dtype="Int8"), "numeric"),
        ([[1, 2]], "categorical"),
        ([b"x"], "categorical"),
    ],
)
def test_the_kind_follows_the_type_or_the_first_value_that_is_no_null(values, kind) -> None:
    assert kind_of(values) == kind


def test_a_number_is_a_number_in_every_type_and_what_is_not_is_counted() -> None:
    import datetime as dt
    from decimal import Decimal
    from fractions import Fraction

    values = [1, 2.5, True, np.int8(3), np.float32(0.5), np.bool_(True), Decimal("1.5"), Fraction(1, 4)]
    values += [dt.date(1970, 1, 2), dt.datetime(1970, 1, 1, 1), pd.Timestamp("1970-01-01T00:00:01Z")]  # noqa: DTZ001
    values += [None, float("nan"), pd.NA, pd.NaT, "4", "", [5], {}, b"6", 1j]
    array, mismatched = to_float64(values)
    assert array[:11].tolist() == [1, 2.5, 1, 3, 0.5, 1, 1.5, 0.25, 86400, 3600, 1]
    assert np.isnan(array[11:]).all()
    assert mismatched == 6


def test_numbers_that_no_float_can_be_count_as_infinite() -> None:
    from decimal import Decimal

    array, mismatched = to_float64([10**400, Decimal("sNaN"), 1])
    assert array.tolist() == [np.inf, np.inf, 1]
    assert mismatched == 0


@pytest.mark.parametrize("unit", ["Y", "M", "D", "h", "m", "s", "ms", "us", "25s"])
def test_times_of_every_unit_and_year_are_seconds(unit) -> None:
    times = np.array(["9999-12-31", "1970-01-01", "NaT"], dtype=f"datetime64[{unit}]")
    seconds, mismatched = to_float64(times)
    assert seconds[:2].tolist() == times[:2].astype("datetime64[s]").astype(np.int64).tolist()
    assert np.isnan(seconds[2])
    assert mismatched == 0


@pytest.mark.parametrize("rows", [10, 100])
def test_durations_are_seconds_in_small_and_in_large_frames(rows) -> None:
    table = tabulate(pd.DataFrame({"d": pd.to_timedelta(np.arange(rows), unit="s"), "s": ["x"] * rows}))
    assert kind_of(table.column(0)) == "numeric"
    seconds, mismatched = to_float64(table.column(0))
    assert seconds.tolist() == list(range(rows))
    assert mismatched == 0


def test_a_signalling_nan_is_a_number() -> None:
    from decimal import Decimal

    assert kind_of([Decimal("sNaN"), Decimal(1)]) == "numeric"


def test_frameworks_are_not_imported_to_look_at_an_array(tmp_path) -> None:
    code = """
import sys, numpy as np
from driftmeter.tables import tabulate, to_float64
tabulate(np.ones((2, 2))), tabulate([{"x": 1}]), tabulate({"x": [1]})
assert not {"pandas", "polars", "pyarrow", "scipy", "sklearn"} & set(sys.modules), sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=tmp_path)


def test_masked_values_are_nulls():
    table = tabulate(np.ma.masked_equal([[1.0, -999.0], [2.0, 3.0]], -999.0))
    values, mismatched = to_float64(table.column(1))
    assert np.isnan(values[0])
    assert values[1] == 3.0
    assert mismatched == 0


@pytest.mark.parametrize("rows", [slice(100, 103), np.array([100, 101, 102])])
def test_rows_are_found_by_place_and_not_by_the_index_of_a_frame(rows) -> None:
    frame = pd.DataFrame({"x": np.arange(200.0), "c": ["a", "b"] * 100}, index=np.arange(200.0)[::-1] + 0.5)
    table = tabulate(frame)
    assert list(rows_of(table.column(0), rows)) == [100.0, 101.0, 102.0]
