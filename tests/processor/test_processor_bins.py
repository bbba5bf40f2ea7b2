"""Bins outside of comparisons: counted as a comparison counts, and bounded where their buckets end."""

from __future__ import annotations

import numpy as np
import pytest

from driftmeter import Baseline
from driftmeter.processor import PLAIN_BINS, NumericGrid, baseline_bins, bins_of, make_grids
from driftmeter.schema import Column, Model
from driftmeter.sketches import NumericSketch, Snapshot

RNG = np.random.default_rng(5)
X = Column("x")
VALUES = {
    "of both signs": RNG.normal(0.0, 3.0, 4000),
    "with zeros": np.where(RNG.random(4000) < 0.4, 0.0, RNG.normal(1.0, 3.0, 4000)),
    "zeros and positive": np.where(RNG.random(4000) < 0.4, 0.0, RNG.lognormal(0.0, 1.0, 4000)),
    "years": RNG.integers(1990, 2030, 4000).astype(float),
    "one value": np.full(4000, 7.0),
    "small and large": 10.0 ** RNG.uniform(-200, 200, 4000),
}


def grid_of(values: np.ndarray) -> NumericGrid:
    grid = make_grids(Snapshot(Model("m"), 0, 1, {X: NumericSketch.from_values(values)}))[X]
    assert isinstance(grid, NumericGrid)
    return grid


def by_bounds(values: np.ndarray, bounds: np.ndarray) -> list[int]:
    """Count as a backend does: a bound is the last value of its bin."""
    at = np.searchsorted(bounds, values, side="left")
    return np.bincount(at, minlength=len(bounds) + 1).tolist()


@pytest.mark.parametrize("name", VALUES)
def test_a_sketch_is_counted_by_the_bounds_as_its_values_are(name: str) -> None:
    bins = bins_of(grid_of(VALUES[name]))
    live = np.concatenate((VALUES[name][:500] * 1.01, [0.0, 1e9, -1e9]))
    assert (np.diff(bins.bounds) > 0).all()
    # Within the rounding of a bound: a value beside one may be in the other bin.
    apart = np.abs(live[:, None] - bins.bounds).min(axis=1, initial=np.inf) > 1e-12 * np.abs(live)
    kept = live[apart | (live == 0)]
    assert bins.count(NumericSketch.from_values(kept)).tolist() == by_bounds(kept, bins.bounds)


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("rows", [30, 300, 3000])
def test_joined_bins_are_those_of_a_comparison_of_so_many_rows(name: str, rows: int) -> None:
    grid = grid_of(VALUES[name])
    groups = grid.groups(rows)
    sketch = NumericSketch.from_values(RNG.choice(VALUES[name], rows) + 0.3)
    expected = np.bincount(groups, grid.count(sketch)).astype(int)
    assert bins_of(grid, groups).count(sketch).tolist() == expected.tolist()


def test_bounds_of_a_column_without_a_baseline_are_powers_of_four_of_both_signs() -> None:
    powers = [4.0**exponent for exponent in range(-2, 8)]
    assert PLAIN_BINS.bounds.tolist() == [*(-power for power in reversed(powers)), 0.0, *powers]
    values = np.array([-3e4, -17.0, -15.0, -0.01, 0.0, 0.0, 0.0625, 0.07, 16.0, 17.0, 16384.0, 1e300])
    assert PLAIN_BINS.count(NumericSketch.from_values(values)).tolist() == by_bounds(values, PLAIN_BINS.bounds)


def test_training_data_give_the_bins_before_other_baselines() -> None:
    of = {
        kind: Baseline.from_frame({"x": RNG.normal(at, 1.0, 500), "c": ["a"] * 500}, model="m", kind=kind)
        for at, kind in enumerate(("seasonal", "validation", "training"))
    }
    assert baseline_bins([]) == {}
    assert list(baseline_bins(list(of.values()))) == [X]

    def chosen(*kinds: str) -> list[float]:
        return baseline_bins([of[kind] for kind in kinds])[X].bounds.tolist()

    assert chosen("seasonal", "validation", "training") == chosen("training")
    assert chosen("seasonal", "validation") == chosen("validation") != chosen("seasonal")
