"""Counting all columns of a snapshot at once gives what counting column by column does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from driftmeter import Baseline
from driftmeter.processor import Comparer, make_grids
from driftmeter.processor._flat import Flat
from driftmeter.processor._grid import NumericGrid
from driftmeter.schema import Column, Model
from driftmeter.sketches import NumericSketch, Snapshot

RNG = np.random.default_rng(5)
BASELINE = Baseline.from_frame(
    {
        "normal": RNG.normal(size=3000),
        "town": RNG.choice(["a", "b", "c"], 3000),
        "prices": RNG.lognormal(3.0, 1.0, 3000),
        "year": np.where(RNG.random(3000) < 0.02, -999.0, RNG.integers(1990, 2020, 3000)),
        "flag": np.zeros(3000),
    },
    model="m",
)
GRIDS = [*make_grids(BASELINE.snapshot).values()]
COMPARER = Comparer(BASELINE)


def snapshot(columns: dict[Column, object]) -> Snapshot:
    return Snapshot(Model("m"), 0, 1, columns)


def assert_counted_as_by_column(columns: dict) -> None:
    counts = COMPARER.count(snapshot(columns))
    start = 0
    for at, grid in enumerate(GRIDS):
        bins = counts.bins[start : start + len(grid.baseline)]
        start += len(bins)
        sketch = columns.get(grid.column)
        if not isinstance(grid, NumericGrid):
            assert bins.tolist() == grid.count(sketch)
        elif sketch is None or not sketch.count:
            assert not bins.any()
            assert (counts.extremes.low[at], counts.extremes.high[at], counts.sums[at]) == (np.inf, -np.inf, 0.0)
        else:
            assert_array_equal(bins, grid.count(sketch))
            rounding = np.tanh(np.log(2.0) * 2.0 ** (-sketch.scale - 1))
            largest = max(abs(sketch.min), abs(sketch.max)) * sketch.count
            assert_allclose(counts.sums[at], grid.sum(sketch), rtol=1e-9, atol=rounding * largest + 1e-12)


_values = st.lists(
    st.one_of(st.sampled_from([0.0, -999.0, 1.0, 1e300, -1e-300, np.nan, np.inf]), st.floats(-1e4, 1e4)), max_size=30
)
_numeric = [grid.column for grid in GRIDS if isinstance(grid, NumericGrid)]


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from([*_numeric, Column("new")]), st.tuples(_values, st.integers(3, 20)), max_size=5))
def test_columns_in_any_order_of_any_values_and_scales_are_counted_as_each_by_itself(drawn) -> None:
    columns = {}
    for column, (values, scale) in drawn.items():
        sketch = NumericSketch.from_values(np.array(values, dtype=float))
        columns[column] = sketch.at_scale(min(scale, sketch.scale))
    assert_counted_as_by_column(columns)


def test_full_sketches_are_counted_as_each_by_itself() -> None:
    rng = np.random.default_rng(6)
    frame = {"prices": rng.lognormal(3.0, 1.5, 5000), "normal": rng.normal(1.0, 3.0, 5000), "town": ["a", "z"] * 2500}
    assert_counted_as_by_column(dict(Baseline.from_frame(frame, model="m").snapshot.columns))


@pytest.mark.parametrize("told", [0.0, np.inf, np.nan, -1e9])
def test_a_sum_that_the_values_cannot_have_is_added_up_anew(told) -> None:
    column = Column("normal")
    sketch = NumericSketch.from_values(np.full(50, 1.5))
    counts = COMPARER.count(snapshot({column: replace(sketch, sum=told)}))
    assert counts.sums[0] == pytest.approx(75.0, rel=1e-5)


def test_what_is_not_numeric_is_not_laid_out_and_columns_are_shared_with_the_snapshot_before() -> None:
    columns = BASELINE.snapshot.columns
    flat = Flat.of(snapshot(dict(columns)))
    assert flat.columns == tuple(columns)
    assert flat.numeric.tolist() == [True, False, True, True, True]
    assert flat.values.tolist() == [3000] * 4
    again = Flat.of(snapshot({replace(column): sketch for column, sketch in columns.items()}), columns=flat.columns)
    assert again.columns is flat.columns
    assert Flat.of(snapshot({Column("town", kind="categorical"): columns[Column("town", kind="categorical")]})).places(
        [Column("normal")]
    ).tolist() == [-1]
