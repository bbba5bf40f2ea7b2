"""Columns of every library and type say the same, as codes where there are codes."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from driftmeter.sketches import is_missing
from driftmeter.tables import kind_of, tabulate, to_categories, to_codes, to_float64, to_known_codes

TEXTS = ["b", "a", None, "b", "", "ü"] * 20
DICTIONARY = pa.dictionary(pa.int32(), pa.string())
SERIES = pd.Series(TEXTS, dtype=object)
CODED = {
    "pandas str": SERIES.astype("str"),
    "pandas string[pyarrow]": SERIES.astype("string[pyarrow]"),
    "pandas category": SERIES.astype("category"),
    "pandas category of str": SERIES.astype("str").astype("category"),
    "pandas arrow": SERIES.astype(pd.ArrowDtype(pa.string())),
    "pandas arrow large": SERIES.astype(pd.ArrowDtype(pa.large_string())),
    "pandas arrow dictionary": SERIES.astype(pd.ArrowDtype(DICTIONARY)),
    "polars": pl.Series(TEXTS),
    "polars categorical": pl.Series(TEXTS).cast(pl.Categorical),
    "polars enum": pl.Series(TEXTS).cast(pl.Enum(["", "a", "b", "c", "ü"])),
    "pyarrow": pa.array(TEXTS),
    "pyarrow chunks": pa.chunked_array([TEXTS[:50], TEXTS[50:]]),
    "pyarrow dictionary": pa.array(TEXTS).dictionary_encode(),
    "pyarrow dictionary of nulls too": pa.array(TEXTS).dictionary_encode(null_encoding="encode"),
    "pyarrow dictionaries": pa.chunked_array([pa.array(TEXTS[i:]).dictionary_encode() for i in (0, 4)])[: len(TEXTS)],
    "pyarrow dictionary larger than the column": pa.DictionaryArray.from_arrays(
        pa.array([None if text is None else ["", "a", "b", "ü"].index(text) for text in TEXTS]),
        ["", "a", "b", "ü", *map(str, range(1000))],
    ),
}
PLAIN = {
    "pandas objects": SERIES,
    "pandas string[python]": SERIES.astype("string[python]"),
    "numpy objects": SERIES.to_numpy(),
    "list": TEXTS,
}


def said(values) -> list[str | None]:
    """Return the categories of a column row by row."""
    coded = to_codes(values)
    found = to_categories(values) if coded is None else [coded.names[at] if at >= 0 else None for at in coded.codes]
    return [None if is_missing(value) else value for value in found]


@pytest.mark.parametrize("form", [*CODED, *PLAIN])
def test_texts_are_the_same_in_every_form_as_codes_where_there_are_codes(form) -> None:
    values = (CODED | PLAIN)[form]
    assert said(values) == TEXTS
    assert (to_codes(values) is not None) == (form in CODED)
    assert [None if is_missing(value) else value for value in to_categories(values)] == TEXTS
    assert kind_of(values) == "categorical"


@pytest.mark.parametrize("form", CODED)
def test_codes_of_some_rows_are_those_of_these_rows(form) -> None:
    table = tabulate({"c": CODED[form]})
    assert said(table.pick(np.array([119, 0, 2])).column(0)) == ["ü", "b", None]
    assert said(CODED[form][7:90]) == TEXTS[7:90]


@pytest.mark.parametrize("form", ["pandas category", "pandas str", "pyarrow", "polars"])
def test_few_names_have_codes_of_one_byte(form) -> None:
    assert to_codes(CODED[form]).codes.dtype == np.int8


@pytest.mark.parametrize("rows", [127, 128, 129, 40_000])
def test_codes_of_many_names_do_not_wrap(rows) -> None:
    texts = [f"v{at}" for at in range(rows)]
    assert said(pa.array(texts)) == texts


def test_numbers_in_a_dictionary_are_categories_only_where_told_so() -> None:
    column = pa.array([3, 1, None, 3] * 20).dictionary_encode()
    assert kind_of(column) == "numeric"
    assert to_float64(column)[0][:2].tolist() == [3.0, 1.0]
    assert Counter(said(column)) == {3: 40, 1: 20, None: 20}


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 40, 200])
@pytest.mark.parametrize("dtype", ["U", "int64", "float64"])
def test_labels_among_known_classes_are_codes_and_any_other_value_makes_none(number, dtype) -> None:
    classes = np.sort(np.arange(100, 100 + number).astype(dtype))
    labels = np.random.default_rng(0).choice(classes, 500)
    coded = to_known_codes(labels, classes)
    assert [coded.names[at] for at in coded.codes] == labels.tolist()
    labels[7] = "99"
    assert to_known_codes(labels, classes) is None


NUMBERS = [1.0, None, 3.0, -2.5] * 30
TIMES = [dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc), None, dt.datetime(1960, 6, 1, 12, tzinfo=dt.timezone.utc)]


@pytest.mark.parametrize(
    "values",
    [
        pd.Series(NUMBERS, dtype="Float64"),
        pd.Series(NUMBERS, dtype="float64[pyarrow]"),
        pd.Series(NUMBERS, dtype=object),
        pd.Series(NUMBERS).astype("Sparse[float64]"),
        pl.Series(NUMBERS),
        pa.array(NUMBERS),
        pa.chunked_array([NUMBERS[:50], NUMBERS[50:]]),
    ],
    ids=["Float64", "arrow", "objects", "sparse", "polars", "pyarrow", "chunks"],
)
def test_numbers_and_their_nulls_are_the_same_in_every_form(values) -> None:
    found, mismatched = to_float64(tabulate({"n": values}).column(0))
    assert [None if value != value else value for value in found.tolist()] == NUMBERS
    assert (kind_of(values), mismatched) == ("numeric", 0)
    whole = to_float64(tabulate(pd.DataFrame({"i": pd.array([1, None] * 50, dtype="Int64"), "s": "a"})).column(0))[0]
    assert np.nansum(whole) == 50
    assert np.isnan(whole).sum() == 50


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
@pytest.mark.parametrize("rows", [3, 300])
def test_times_of_a_zone_are_the_seconds_that_they_are_in_utc(zone, rows) -> None:
    times = pd.Series(pd.to_datetime(TIMES * (rows // 3), utc=True)).dt.tz_convert(zone)
    for form in (times, times.astype("timestamp[us, tz=UTC][pyarrow]")):
        found, mismatched = to_float64(tabulate(pd.DataFrame({"t": form, "s": "a"})).column(0))
        assert mismatched == 0
        assert found[[0, 2]].tolist() == [TIMES[0].timestamp(), TIMES[2].timestamp()]
        assert np.isnan(found[1])
