"""Rows of every form and every fault: the prediction is the model's own, and what is wrong is counted."""

from __future__ import annotations

import datetime as dt
import decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from sklearn.base import BaseEstimator

import driftmeter
from driftmeter import Baseline
from driftmeter.recorder import guard

DAY = dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc)


class Echo(BaseEstimator):
    """Takes anything, and says what it was given."""

    def predict(self, rows):
        self.given = rows
        return "answer"


def _invalid(sdk) -> dict[tuple[str, str], int]:
    points = sdk.collect(sdk.cumulative)["ml.column.invalid"]
    return {(p.attributes["ml.column.name"], p.attributes["ml.quality.check"]): p.value for p in points}


FORMS = {
    "frame": pd.DataFrame({"x": [1.0, 2.0]}),
    "integers": pd.DataFrame({"x": [1, 2]}),
    "objects": pd.DataFrame({"x": [1, 2.5]}, dtype=object),
    "extension": pd.DataFrame({"x": pd.array([1, 2], dtype="Int64")}),
    "arrow-backed": pd.DataFrame({"x": pd.array([1, 2], dtype="int64[pyarrow]")}),
    "sparse frame": pd.DataFrame({"x": pd.arrays.SparseArray([0.0, 2.0])}),
    "truth values": pd.DataFrame({"x": pd.array([True, False], dtype="boolean")}),
    "float index": pd.DataFrame({"x": [1, 2], "c": ["a", "b"]}, index=[5.5, 7.5]),
    "series": pd.Series([1.0, 2.0], name="x"),
    "polars": pl.DataFrame({"x": [1, 2]}),
    "arrow": pa.table({"x": [1, 2]}),
    "batch": pa.RecordBatch.from_pydict({"x": [1, 2]}),
    "columns": {"x": [1, 2]},
    "mappings": [{"x": 1}, {"x": 2}],
    "decimals": {"x": [decimal.Decimal("1.5"), decimal.Decimal(2)]},
    "numpy scalars": {"x": [np.float32(1.5), np.int8(2)]},
    "datetimes": {"x": [DAY, DAY + dt.timedelta(days=1)]},
    "dates": {"x": [DAY.date(), DAY.date()]},
    "datetime64": pd.DataFrame({"x": pd.to_datetime(["2020-01-01", "2020-01-02"])}),
    "durations": pd.DataFrame({"x": pd.to_timedelta([1, 2], unit="s")}),
}


@pytest.mark.parametrize("form", FORMS)
def test_numbers_of_every_form_are_sketched_and_the_rows_passed_on_as_they_are(form, sdk) -> None:
    sdk.watch()
    model, rows = Echo(), FORMS[form]
    assert model.predict(rows) == "answer"
    assert model.given is rows
    (span,) = sdk.spans()
    assert span.attributes["ml.batch.size"] == 2
    assert sdk.counts()["x"] == 2
    points = sdk.collect(sdk.cumulative)["ml.column.value"]
    assert sum(point.count for point in points if point.attributes["ml.column.name"] == "x") == 2


@pytest.mark.parametrize(
    "rows",
    [
        np.array([[1.0, 2.0]], dtype=np.float16),
        np.array([[1, 2]], dtype=np.uint8),
        np.array([[1, None]], dtype=object),
        np.array([["a", "b"]]),
        np.array([[1 + 2j, 3]]),
        np.ones((1, 2))[:, ::-1],
        np.ma.array([[1.0, 2.0]], mask=[[True, False]]),
        scipy.sparse.csr_matrix([[1.0, 0.0]]),
        scipy.sparse.coo_array([[1.0, 0.0]]),
        [[1, 2]],
        ((1, 2),),
        [np.array([1, 2])],
        [{"f0": 1, "f1": None}],
    ],
    ids=lambda rows: type(rows).__name__,
)
def test_rows_without_names_are_counted_in_each_column(rows, sdk) -> None:
    sdk.watch()
    assert Echo().predict(rows) == "answer"
    assert sdk.counts() == {"f0": 1, "f1": 1}


@pytest.mark.parametrize(
    "rows",
    [
        pd.DataFrame({"x": []}),
        pd.DataFrame(),
        np.empty((0, 3)),
        np.empty((3, 0)),
        np.empty((0,)),
        [],
        (),
        {},
        pl.DataFrame({"x": []}),
        pa.table({"x": []}),
        scipy.sparse.csr_matrix((0, 3)),
    ],
    ids=lambda rows: f"{type(rows).__name__}{getattr(rows, 'shape', '')}",
)
def test_an_empty_batch_is_a_call_without_rows(rows, sdk) -> None:
    sdk.watch()
    assert Echo().predict(rows) == "answer"
    assert len(sdk.spans()) == 1
    assert sdk.counts() == {}


@pytest.mark.parametrize(
    "rows",
    [
        None,
        3,
        "text",
        b"bytes",
        object(),
        iter([1]),
        np.array(3),
        np.zeros(2, dtype=[("a", int)]),
        [[1], [2, 3]],
        [[1], 2],
    ],
    ids=lambda rows: type(rows).__name__,
)
def test_what_is_no_table_is_a_call_without_a_batch_size_and_the_log_says_so_once(rows, sdk, caplog) -> None:
    sdk.watch()
    model = Echo()
    model.predict(rows)
    assert model.predict(rows) == "answer"
    assert model.given is rows
    assert not any("ml.batch.size" in span.attributes for span in sdk.spans())
    (record,) = caplog.records
    assert record.getMessage().startswith("driftmeter: model Echo is watched without its rows: ")
    assert sdk.counts() == {}


def test_an_iterator_is_not_used_up(sdk) -> None:
    sdk.watch()
    model = Echo()
    model.predict(iter([1, 2]))
    assert list(model.given) == [1, 2]


def test_rows_that_fail_to_become_an_array_are_passed_over(sdk) -> None:
    class Tensor:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("on a device")

    sdk.watch()
    assert Echo().predict(Tensor()) == "answer"
    assert len(sdk.spans()) == 1


def test_texts_infinities_and_nulls_where_numbers_are_due_are_counted_apart(sdk, tmp_path) -> None:
    Baseline.from_frame({"x": [1.0, 2.0], "y": [1.0, 2.0]}, model="m").save(tmp_path / "b.json")
    sdk.watch(baseline=str(tmp_path / "b.json"))
    rows = pd.DataFrame({"x": [1, "two", None, "", [3]], "y": [np.inf, -np.inf, np.nan, 1.0, 2.0]})
    Echo().predict(rows)
    assert _invalid(sdk) == {("x", "type_mismatch"): 3, ("y", "non_finite"): 2}
    missing = sdk.collect(sdk.cumulative)["ml.column.missing"]
    assert {p.attributes["ml.column.name"]: p.value for p in missing} == {"x": 1, "y": 1}
    assert sdk.counts() == {"x": 5, "y": 5}


def test_the_same_columns_in_another_order_or_number_are_the_same_columns(sdk) -> None:
    sdk.watch()
    model = Echo()
    driftmeter.monitor(model, name="m")
    model.predict(pd.DataFrame({"a": [1], "b": [2]}))
    model.predict(pd.DataFrame({"b": [2], "a": [1]}))
    model.predict(pd.DataFrame({"a": [1]}))
    model.predict(pd.DataFrame({"a": [1], "b": [2], "new": [3]}))
    assert sdk.counts() == {"a": 4, "b": 3, "new": 1}


def test_names_of_every_type_and_twice_the_same_are_no_trouble(sdk) -> None:
    sdk.watch()
    Echo().predict(pd.DataFrame([[1, 2, 3]], columns=[0, ("a", "b"), None]))
    assert set(sdk.counts()) == {"0", "('a', 'b')", "None"}
    Echo().predict(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    assert sdk.counts()["a"] >= 1


def test_a_baseline_of_another_models_columns_is_named_in_the_log_once(sdk, tmp_path, caplog) -> None:
    Baseline.from_frame({"other": [1.0, 2.0]}, model="another").save(tmp_path / "b.json")
    sdk.watch(baseline=str(tmp_path / "b.json"))
    for _ in range(3):
        Echo().predict(pd.DataFrame({"x": [1]}))
    (record,) = [record for record in caplog.records if record.name == "driftmeter"]
    assert "model Echo has no baseline" in record.getMessage()
    assert "(another)" in record.getMessage()
    assert "(x)" in record.getMessage()


def test_more_columns_than_the_limit_are_left_out(sdk) -> None:
    sdk.watch(max_columns=2)
    Echo().predict(np.ones((4, 5)))
    Echo().predict(pd.DataFrame(np.ones((4, 3)), columns=list("abc")))
    assert set(sdk.counts()) == {"f0", "f1"}
    assert len(sdk.spans()) == 2


def test_a_wide_model_keeps_its_predictions_and_the_log_says_once_what_is_left_out(sdk, caplog) -> None:
    class Zeros(BaseEstimator):
        def predict(self, rows):
            return [0.0] * len(rows)

    sdk.watch(max_columns=3)
    for _ in range(3):
        Zeros().predict(np.ones((4, 5)))
    assert sdk.counts() == {"f0": 12, "f1": 12, "f2": 12, "prediction": 12}
    (record,) = caplog.records
    assert record.getMessage() == (
        "driftmeter: model Zeros has more than 3 feature columns (max_columns); 'f3' and further ones are left out"
    )


def test_more_models_than_the_limit_are_spans_only_and_the_log_says_so_once(sdk, caplog) -> None:
    sdk.watch(max_models=1)
    for name in ("One", "Two", "Three"):
        type(name, (Echo,), {})().predict(np.ones((2, 1)))
    assert len(sdk.spans()) == 3
    assert sdk.counts() == {"f0": 2}
    messages = [record.getMessage() for record in caplog.records if record.name == "driftmeter"]
    assert len(messages) == 1
    assert "at most 1 models (max_models); 'Two'" in messages[0]


def test_a_feature_is_left_out_and_another_made_a_category_by_configuration(sdk, tmp_path, monkeypatch) -> None:
    (tmp_path / "d.yaml").write_text(
        "models: {echo: {match: Echo, version: 2, columns: {id: {ignore: true}, zip: {kind: categorical}}}}"
    )
    monkeypatch.setenv("DRIFTMETER_CONFIG", str(tmp_path / "d.yaml"))
    sdk.watch()
    Echo().predict(pd.DataFrame({"id": [1, 2], "zip": [10001, 10002], "x": [1, 2]}))
    (span,) = sdk.spans()
    assert (span.attributes["ml.model.name"], span.attributes["ml.model.version"]) == ("echo", "2")
    categories = sdk.collect(sdk.cumulative)["ml.column.categories"]
    assert {p.attributes["ml.category"] for p in categories} == {"10001", "10002"}
    assert set(sdk.counts()) == {"zip", "x"}


def test_a_result_that_cannot_be_read_leaves_the_features(sdk, monkeypatch) -> None:
    class Unprintable:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    class Odd(BaseEstimator):
        classes_ = (Unprintable(), Unprintable(), Unprintable())

        def predict_proba(self, rows):
            return np.zeros((len(rows), 3))

        def predict(self, rows):
            return ["a"] * len(rows)

    monkeypatch.setattr(guard, "raises", False)
    sdk.watch()
    model, rows = Odd(), np.ones((4, 1))
    model.predict_proba(rows)
    model.predict(rows)
    assert sdk.counts() == {"f0": 4, "prediction": 4}
