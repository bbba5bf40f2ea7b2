"""The rows of one call are parted by the values of chosen columns; the whole still holds them all."""

from __future__ import annotations

import threading

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from driftmeter import Baseline
from driftmeter.config import ColumnConfig, Config, ModelConfig
from driftmeter.exceptions import ConfigError
from driftmeter.recorder import Registry
from driftmeter.schema import Column, Model, Segment
from driftmeter.sketches import Disguise
from driftmeter.tables import tabulate

ROWS = {"origin": ["JFK", "LGA", "JFK", None, "XYZ", "JFK"], "x": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]}
M = Model("m")


def _registry(*baselines: Baseline, **config) -> Registry:
    return Registry(Config(**{"segments": ("origin",), "max_segments": 2, **config}), baselines=baselines)


def _serve(registry: Registry, rows, predictions=None) -> None:
    recorder = registry.recorder(M)
    features = tabulate(rows)
    tables = [("feature", features)]
    if predictions is not None:
        tables.append(("prediction", tabulate({"prediction": predictions})))
    registry.record(recorder, tables)


def _sums(registry: Registry, column: Column) -> dict[str, float]:
    found = {}
    for snapshot in registry.take():
        segment = snapshot.model.segment
        found[segment.value if segment else "all"] = snapshot.columns[column].sum
    return found


@pytest.mark.parametrize(
    "make",
    [
        dict,
        pd.DataFrame,
        lambda rows: pd.DataFrame(rows, index=np.arange(6) + 1e9 + 0.5),
        lambda rows: pd.DataFrame(rows).astype({"origin": "category"}),
        pl.DataFrame,
        pa.table,
        pa.RecordBatch.from_pydict,
        lambda rows: [dict(zip(rows, row, strict=True)) for row in zip(*rows.values(), strict=True)],
    ],
)
def test_the_first_values_have_segments_and_the_rest_is_other(make) -> None:
    registry = _registry()
    _serve(registry, make(ROWS), predictions=np.arange(6.0))
    snapshots = {
        "all" if snapshot.model.segment is None else snapshot.model.segment.value: snapshot.columns
        for snapshot in registry.take()
    }
    assert {name: columns[Column("x")].sum for name, columns in snapshots.items()} == {
        "all": 21.0,
        "JFK": 10.0,
        "LGA": 2.0,
        "__other__": 9.0,
    }
    predicted = Column("prediction", "prediction")
    assert {name: columns[predicted].sum for name, columns in snapshots.items()} == {
        "all": 15.0,
        "JFK": 7.0,
        "LGA": 1.0,
        "__other__": 7.0,
    }


def test_the_baselines_values_are_told_apart_whatever_comes_first() -> None:
    known = {"origin": ["XYZ"] * 5 + ["LGA"] * 4 + ["JFK"], "x": np.arange(10.0)}
    baseline = Baseline.from_frame(known, model="m", segments=["origin"], max_segments=2)
    registry = _registry(baseline)
    _serve(registry, ROWS)
    assert _sums(registry, Column("x")) == {"all": 21.0, "XYZ": 5.0, "LGA": 2.0, "__other__": 14.0}
    (part,) = registry.baselines(Model("m", "", Segment("origin", "XYZ")))
    assert part.snapshot.rows == 5
    assert registry.baselines(Model("m", "", Segment("origin", "nowhere"))) == []


def test_several_columns_give_segments_each_and_a_missing_one_is_told_once(caplog) -> None:
    registry = _registry(segments=("origin", "year", "nowhere"))
    _serve(registry, {**ROWS, "year": [2013, 2013, 2014, 2014, 2014.0, 2013]})
    told = {snapshot.model.segment for snapshot in registry.take()} - {None}
    assert told == {
        Segment("origin", "JFK"),
        Segment("origin", "LGA"),
        Segment("origin", "__other__"),
        Segment("year", "2013"),
        Segment("year", "2014"),
    }
    _serve(registry, ROWS)
    assert [record.getMessage() for record in caplog.records if "nowhere" in record.getMessage()] == [
        "driftmeter: segments names 'nowhere', which is none of the features: origin, x, year"
    ]


def test_a_model_has_segments_of_its_own_or_none() -> None:
    registry = _registry(models={"m": ModelConfig(segments=())})
    assert registry.recorder(M).segments is None
    assert registry.recorder(Model("n")).segments is not None


def test_segments_do_not_count_as_models() -> None:
    registry = _registry(max_models=1)
    _serve(registry, ROWS)
    assert registry.models() == [M]
    assert len(registry.take()) == 4
    assert registry.recorder(Model("n")) is None


def test_threads_that_bring_new_values_stay_within_the_bound_and_lose_no_row() -> None:
    registry = _registry(max_segments=3)
    registry.recorder(M)

    def serve(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(50):
            names = rng.integers(0, 40, 20)
            _serve(registry, {"origin": [f"o{name}" for name in names], "x": np.ones(20)})

    threads = [threading.Thread(target=serve, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sums = _sums(registry, Column("x"))
    assert len(sums) == 5
    assert sums.pop("all") == sum(sums.values()) == 8000.0


def test_a_model_that_is_to_be_left_out_has_no_recorder() -> None:
    registry = _registry(models={"m": ModelConfig(ignore=True)})
    assert registry.recorder(M) is None
    assert registry.recorder(Model("n")) is not None


def test_a_baseline_with_more_segments_than_are_told_apart_is_bounded_like_the_traffic() -> None:
    known = {"origin": ["XYZ"] * 5 + ["LGA"] * 4 + ["JFK"] * 3, "x": np.arange(12.0)}
    registry = _registry(Baseline.from_frame(known, model="m", segments=["origin"]))
    _serve(registry, ROWS)
    assert _sums(registry, Column("x")) == {"all": 21.0, "XYZ": 5.0, "LGA": 2.0, "__other__": 14.0}
    (other,) = registry.baselines(Model("m", "", Segment("origin", "__other__")))
    assert other.snapshot.columns[Column("x")].sum == 9 + 10 + 11


@pytest.mark.parametrize("column", [{"ignore": True}, {"category_names": "withheld"}])
def test_no_segment_is_named_for_values_that_are_not_to_be_told(column) -> None:
    models = {"m": ModelConfig(columns={"origin": ColumnConfig(**column)})}
    registry = _registry(models=models)
    _serve(registry, ROWS)
    assert _sums(registry, Column("x")) == {"all": 21.0}
    with pytest.raises(ConfigError, match=r"segments must not name a column with ignore.*'origin'"):
        ModelConfig(segments=("origin",), columns=models["m"].columns)


def test_segments_of_a_hashed_column_are_named_for_digests() -> None:
    hashed = {"m": ModelConfig(columns={"origin": ColumnConfig(category_names="hashed")})}
    registry = _registry(models=hashed)
    _serve(registry, ROWS)
    name = Disguise("hashed").name
    assert _sums(registry, Column("x")) == {"all": 21.0, name("JFK"): 10.0, name("LGA"): 2.0, "__other__": 9.0}
