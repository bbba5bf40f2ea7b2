"""Bins are joined for all columns at once as they would be column by column."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from driftmeter import Baseline
from driftmeter.processor import make_grids
from driftmeter.processor._layout import Layout

RNG = np.random.default_rng(11)
FRAME = {
    "x": RNG.normal(size=4000),
    "town": RNG.choice(["a", "b", "c", "d"], 4000, p=[0.6, 0.3, 0.09, 0.01]),
    "flag": RNG.integers(0, 2, 4000).astype(float),
    "one": np.ones(4000),
}


@pytest.fixture
def layout() -> Layout:
    return Layout([*make_grids(Baseline.from_frame(FRAME, model="m").snapshot).values()])


def bins_of(layout: Layout, rng: np.random.Generator, rows: int) -> np.ndarray:
    return np.concatenate([rng.multinomial(rows, grid.baseline / grid.baseline.sum()) for grid in layout.grids])


@pytest.mark.parametrize("rows", [50, 90, 400, 5000, 100_000])
def test_each_column_is_joined_by_the_groups_of_its_own_grid(layout, rows) -> None:
    bins = bins_of(layout, np.random.default_rng(rows), rows)
    assert layout.rows(bins).tolist() == [rows] * 4
    joining = layout.joining(layout.rows(bins), min_rows=50)
    assert joining.chosen.tolist() == [0, 1, 2, 3]
    joined = joining.join(bins)
    assert joined.sum(axis=1).tolist() == [rows] * 4
    for row, grid in enumerate(layout.grids):
        group = grid.groups(rows)
        assert_array_equal(joining.groups(row), group)
        own = bins[layout.starts[row] : layout.starts[row + 1]]
        assert_array_equal(joined[row, : group.max() + 1], np.bincount(group, own))


def test_a_column_with_too_few_rows_is_left_out_and_the_others_are_joined_all_the_same(layout) -> None:
    bins = bins_of(layout, np.random.default_rng(1), 1000)
    whole = layout.joining(layout.rows(bins), min_rows=50).join(bins)
    bins[layout.starts[1] : layout.starts[2]] = 0
    joining = layout.joining(layout.rows(bins), min_rows=50)
    assert joining.chosen.tolist() == [0, 2, 3]
    assert_array_equal(joining.join(bins), whole[[0, 2, 3], : joining.width])
    assert layout.joining(np.array([49, 0, 0, 0]), min_rows=50) is None


def test_bins_stay_joined_as_they_are_while_the_rows_bear_no_others(layout) -> None:
    few, more, many = (layout.joining(np.full(4, rows), min_rows=50) for rows in (4000, 4010, 50))
    assert more is few
    assert many is not few


def test_what_was_joined_is_no_part_of_a_pickle(layout) -> None:
    bins = bins_of(layout, np.random.default_rng(2), 1000)
    before = layout.joining(layout.rows(bins), min_rows=50)
    copy = pickle.loads(pickle.dumps(layout))
    assert len(pickle.dumps(layout)) == len(pickle.dumps(copy))
    after = copy.joining(copy.rows(bins), min_rows=50)
    assert_array_equal(after.join(bins), before.join(bins))
