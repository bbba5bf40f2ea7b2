from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse

from driftmeter import Baseline, BaselineError
from driftmeter.schema import Column
from driftmeter.sketches import CategoricalSketch, NumericSketch

DATA = {"x": [1.5, None, 3.0], "c": ["a", "b", None]}
X, C = Column("x"), Column("c", kind="categorical")


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(DATA),
        pd.DataFrame(DATA).convert_dtypes(),
        pd.DataFrame(DATA).convert_dtypes(dtype_backend="pyarrow"),
        pd.DataFrame(DATA, dtype=object),
        pl.DataFrame(DATA),
        pa.table(DATA),
        pa.RecordBatch.from_pydict(DATA),
        DATA,
        [{"x": 1.5, "c": "a"}, {"c": "b"}, {"x": 3.0}],
    ],
    ids=["pandas", "extension", "arrow-backed", "object", "polars", "table", "record-batch", "mapping", "rows"],
)
def test_every_kind_of_table_gives_the_same_sketches(frame) -> None:
    columns = Baseline.from_frame(frame, model="m").snapshot.columns
    assert columns == {
        X: NumericSketch.from_values(np.array([1.5, np.nan, 3.0])),
        C: CategoricalSketch({"a": 1, "b": 1}, missing=1),
    }


def test_arrays_get_made_up_names_and_sparse_ones_their_zeros() -> None:
    dense = np.array([[1.0, 0.0], [0.0, 2.0]])
    baseline = Baseline.from_frame(dense, model="m")
    assert [column.name for column in baseline.features] == ["f0", "f1"]
    for sparse in (scipy.sparse.csr_matrix(dense), scipy.sparse.coo_array(dense)):
        assert Baseline.from_frame(sparse, model="m").snapshot.columns == baseline.snapshot.columns


def test_values_alone_are_columns_named_for_their_role() -> None:
    baseline = Baseline.from_frame(
        {"x": [1, 2]}, model="m", predictions=["a", "b"], scores=np.array([0.1, 0.9]), labels=["a", "a"]
    )
    assert list(baseline.snapshot.columns) == [
        Column("x"),
        Column("prediction", "prediction", "categorical"),
        Column("score", "score"),
        Column("label", "label", "categorical"),
    ]
    assert baseline.features == [Column("x")]


def test_mappings_and_frames_of_outputs_keep_their_names() -> None:
    baseline = Baseline.from_frame({"x": [1]}, model="m", scores={"p.a": [0.1]}, predictions=pd.DataFrame({"y": [1]}))
    assert list(baseline.snapshot.columns)[1:] == [Column("y", "prediction"), Column("p.a", "score")]


def test_kinds_override_what_the_types_say() -> None:
    columns = Baseline.from_frame(
        {"zip": [10001, 10002, 10001]}, model="m", kinds={"zip": "categorical"}
    ).snapshot.columns
    assert columns == {Column("zip", kind="categorical"): CategoricalSketch({"10001": 2, "10002": 1})}
    columns = Baseline.from_frame({"x": [1, "two", None]}, model="m", kinds={"x": "numeric"}).snapshot.columns
    assert columns == {X: NumericSketch.from_values(np.array([1.0])).merge(NumericSketch(missing=1, mismatched=1))}


def test_infinities_are_counted_and_not_sketched() -> None:
    (sketch,) = Baseline.from_frame({"x": [1.0, np.inf, -np.inf, np.nan]}, model="m").snapshot.columns.values()
    assert (sketch.count, sketch.non_finite, sketch.missing, sketch.max) == (1, 2, 1, 1.0)


@pytest.mark.parametrize("empty", [pd.DataFrame({"x": []}), np.empty((0, 3)), {"x": []}, [], {}])
def test_no_rows_are_no_baseline(empty) -> None:
    with pytest.raises(BaselineError, match="features must have at least one row; got none"):
        Baseline.from_frame(empty, model="m")


def test_what_is_no_table_is_refused_by_its_role() -> None:
    with pytest.raises(BaselineError, match="features: rows must come as a table, an array or a list; got int"):
        Baseline.from_frame(3, model="m")
    with pytest.raises(BaselineError, match="scores must have at least one row"):
        Baseline.from_frame({"x": [1]}, model="m", scores=[])


def test_an_unknown_kind_of_baseline_is_refused() -> None:
    with pytest.raises(BaselineError, match=r"kind must be one of training, .*; got 'test'"):
        Baseline.from_frame({"x": [1]}, model="m", kind="test")


@pytest.mark.parametrize(
    ("created", "at"),
    [
        ("2013-03-01T00:00:00+00:00", 1362096000.0),
        ("2013-03-01T00:00:00Z", 1362096000.0),
        ("2013-03-01T01:00:00+01:00", 1362096000.0),
        ("2013-03-01", 1362096000.0),
        ("last spring", None),
        ("", None),
    ],
)
def test_when_a_baseline_was_built_is_a_time_where_it_is_known(created: str, at: float | None) -> None:
    built = Baseline.from_frame({"x": [1.0, 2.0]}, model="m")
    assert replace(built, created=created).created_at == at
    assert built.created_at == pytest.approx(time.time(), abs=60)
