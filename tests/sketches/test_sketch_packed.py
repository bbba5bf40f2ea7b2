"""Snapshots come back from rest as they were, and take little room there."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftmeter.gateway.core._pickles import dump, load
from driftmeter.schema import Column, Model
from driftmeter.sketches import CategoricalSketch, NumericSketch, Snapshot

_floats = st.one_of(st.sampled_from([0.0, -1.0, 1.0, np.nan, np.inf, 3.4e38, -999.0]), st.floats())
_numeric = st.lists(_floats, max_size=30).map(lambda values: NumericSketch.from_values(np.array(values, dtype=float)))
_categorical = st.builds(
    CategoricalSketch,
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), st.integers(1, 2**53), max_size=5),
    other=st.integers(0, 2**53),
    missing=st.integers(0, 9),
    mismatched=st.integers(0, 9),
    error=st.none() | st.integers(0, 2**53),
)


def _snapshot(sketches) -> Snapshot:
    return Snapshot(Model("m"), 1, 2, {Column(f"c{at}"): sketch for at, sketch in enumerate(sketches)})


@settings(deadline=None)
@given(st.lists(_numeric | _categorical, max_size=6))
def test_a_snapshot_comes_back_as_it_was(sketches) -> None:
    snapshot = _snapshot(sketches)
    packed = snapshot.packed()
    assert packed == snapshot
    assert packed.unpacked() == snapshot
    assert type(packed.unpacked().columns) is dict
    assert list(packed.columns) == list(snapshot.columns)
    assert packed.rows == snapshot.rows
    for column, sketch in snapshot.columns.items():
        assert packed.columns[column] == sketch
        assert getattr(packed.columns[column], "error", None) == getattr(sketch, "error", None)


def test_a_packed_snapshot_is_a_snapshot_like_any_other() -> None:
    rng = np.random.default_rng(0)
    parts = [
        _snapshot([NumericSketch.from_values(rng.normal(size=500)), CategoricalSketch({"a": 3, "é": 2}, missing=1)])
        for _ in range(3)
    ]
    packed = [part.packed() for part in parts]
    assert packed[0].packed() is packed[0]
    assert parts[0].unpacked() is parts[0]
    assert packed[0].merge(packed[1]) == parts[0].merge(parts[1])
    assert packed[0].running_total(packed[1]) == parts[0].running_total(parts[1])
    assert Column("c0") in packed[0].columns
    assert Column("other") not in packed[0].columns
    with pytest.raises(KeyError):
        packed[0].columns[Column("other")]


def test_packed_snapshots_are_pickled_and_share_their_columns() -> None:
    packed = [_snapshot([NumericSketch.from_values(np.arange(at + 1.0))]).packed() for at in range(2)]
    assert pickle.loads(pickle.dumps(packed)) == packed
    kept = load(dump(packed))
    assert kept == packed
    assert kept[0].columns._order is packed[1].columns._order


def test_packed_snapshots_take_a_tenth_of_the_room() -> None:
    rng = np.random.default_rng(0)
    normal = _snapshot([NumericSketch.from_values(rng.normal(size=5_000)) for _ in range(20)])
    buckets = sum(len(one.positive) + len(one.negative) for one in normal.columns.values())
    assert len(pickle.dumps(normal.packed())) < 16 * buckets / 10
