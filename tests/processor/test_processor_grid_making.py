"""Bins of all columns are made at once, and are those of each column alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from driftmeter import Baseline
from driftmeter.baseline import bin_scale
from driftmeter.processor import CategoricalGrid, NumericGrid, make_grids
from driftmeter.processor._grid import MAX_BINS
from driftmeter.schema import Column, Model
from driftmeter.sketches import CategoricalSketch, NumericSketch, Sketch, Snapshot, key_values
from driftmeter.stats import equal_mass_groups, winsor_limits


def grids_of(columns: dict[Column, Sketch]) -> dict:
    return make_grids(Snapshot(Model("m"), 0, 1, columns))


_KINDS = {
    "normal": lambda rng, rows: rng.normal(rng.normal(), 1.0, rows),
    "prices": lambda rng, rows: rng.lognormal(3.0, 2.0, rows),
    "counts": lambda rng, rows: rng.poisson(5.0, rows).astype(float),
    "years": lambda rng, rows: np.where(rng.random(rows) < 0.1, -999.0, rng.integers(1990, 2030, rows)),
    "nothing": lambda rng, rows: np.full(rows, np.nan),
    "everything": lambda rng, rows: 10.0 ** rng.uniform(-200, 200, rows) * rng.choice([-1.0, 0.0, 1.0], rows),
}


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(sorted(_KINDS)), st.integers(1, 2000), st.integers(3, 20)), max_size=5),
    st.integers(0, 1000),
)
def test_each_column_gets_the_buckets_bins_and_moments_that_it_gets_alone(drawn, seed) -> None:
    columns: dict[Column, Sketch] = {}
    for at, (kind, rows, scale) in enumerate(drawn):
        sketch = NumericSketch.from_values(_KINDS[kind](np.random.default_rng([seed, at]), rows))
        columns[Column(f"{kind} {at}")] = sketch.at_scale(min(scale, sketch.scale))
    grids = grids_of(columns)
    assert grids.keys() == {column for column, sketch in columns.items() if sketch.count}
    for column, grid in grids.items():
        sketch = columns[column]
        assert isinstance(grid, NumericGrid)
        (alone,) = grids_of({column: sketch}).values()
        for name in ("baseline", "last_keys", "lower", "upper", "positions", "scale", "limits"):
            assert_array_equal(getattr(grid, name), getattr(alone, name))
        assert grid.scale == bin_scale(sketch)
        keys, counts = sketch.at_scale(grid.scale).keys()
        groups = equal_mass_groups(counts, MAX_BINS)
        assert_array_equal(grid.baseline, np.bincount(groups, counts))
        assert_array_equal(grid.last_keys, keys[np.append(groups[1:] != groups[:-1], True)])
        assert (grid.lower[0], grid.upper[-1]) == (sketch.min, sketch.max)
        assert grid.limits == winsor_limits(grid.lower, grid.upper)
        values = np.clip(key_values(keys, grid.scale), sketch.min, sketch.max)
        with np.errstate(over="ignore"):
            assert_allclose(grid.positions, np.bincount(groups, values * counts) / grid.baseline, rtol=1e-9)


def test_the_spread_is_the_baselines_standard_deviation_within_the_width_of_a_bucket() -> None:
    values = np.random.default_rng(1).normal(5.0, 2.0, 20_000)
    (grid,) = grids_of({Column("x"): NumericSketch.from_values(values)}).values()
    assert grid.spread == pytest.approx(np.std(values), rel=0.005)
    (constant,) = grids_of({Column("x"): NumericSketch.from_values(np.full(50, 7.0))}).values()
    assert constant.spread == 0.0


def test_whole_numbers_have_whole_edges_and_others_have_their_buckets() -> None:
    ages = np.random.default_rng(2).integers(18, 90, 5000).astype(float)
    whole, parts = grids_of(
        {Column("age"): NumericSketch.from_values(ages), Column("half"): NumericSketch.from_values(ages + 0.5)}
    ).values()
    assert (whole.lower % 1 == 0).all()
    assert (whole.upper % 1 == 0).all()
    assert (parts.lower[1:] % 1 == 0).mean() < 0.1  # powers of two are edges of any bucket


def test_categories_stand_in_the_order_of_their_names_and_those_without_names_have_no_bins() -> None:
    town, hidden = Column("town", kind="categorical"), Column("hidden", kind="categorical")
    grids = grids_of({town: CategoricalSketch({"b": 5, "a": 2}, other=3), hidden: CategoricalSketch(other=10)})
    assert grids.keys() == {town}
    assert isinstance(grids[town], CategoricalGrid)
    assert grids[town].names == ("a", "b")
    assert grids[town].baseline.tolist() == [2, 5, 3]


def test_a_baseline_without_a_numeric_column_has_no_numeric_bins() -> None:
    snapshot = Baseline.from_frame({"town": ["a", "b"]}, model="m").snapshot
    assert [type(grid) for grid in make_grids(snapshot).values()] == [CategoricalGrid]
