"""Large tables are read without an object for each value."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from driftmeter.tables import tabulate, to_float64

ROWS = 1000
TIMES = np.array(["2020-07-01T03:04:05.678901", "NaT", "1900-01-01", "2100-01-01"], dtype="datetime64[us]")
SECONDS = [1593572645.678901, np.nan, -2208988800, 4102444800]


class Unmade(pd.DataFrame):
    """A frame that cannot be made one array."""

    def to_numpy(self, *args, **kwargs):
        raise AssertionError("all values were asked for at once")


@pytest.mark.parametrize("dtype", ["Int64", "boolean", "str", "category", "datetime64[ns, UTC]", "object"])
def test_a_frame_of_one_type_that_is_not_numpys_numbers_is_read_by_its_columns(dtype) -> None:
    values = pd.Series(np.arange(ROWS) % 2).astype(dtype)
    table = tabulate(Unmade({"a": values, "b": values}))
    assert table.matrix is None
    assert [len(table.column(at)) for at in range(2)] == [ROWS, ROWS]


@pytest.mark.parametrize(
    "column",
    [
        pl.Series(TIMES),
        pl.Series(TIMES).dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo"),
        pa.chunked_array([pa.array(TIMES)]),
        pa.chunked_array([pa.array(TIMES, pa.timestamp("us", "UTC"))]),
    ],
    ids=["polars", "polars with a zone", "pyarrow", "pyarrow with a zone"],
)
def test_times_are_unix_seconds_and_no_python_object_is_made_of_them(column, monkeypatch) -> None:
    monkeypatch.setattr("driftmeter.tables._convert._from_objects", None)
    seconds, mismatched = to_float64(column)
    assert seconds == pytest.approx(SECONDS, nan_ok=True)
    assert mismatched == 0
