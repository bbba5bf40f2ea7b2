"""Bins are joined for all columns at once as they would be column by column."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from driftmeter import Baseline
from driftmeter.processor import make_grids
from driftmeter.processor._flat import Flat
from driftmeter.processor._grid import bucket_of
from driftmeter.processor._layout import Layout
from driftmeter.schema import Column, Model
from driftmeter.sketches import CategoricalSketch, Snapshot

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


def in_first_bins(layout: Layout, rows: list[int]) -> np.ndarray:
    bins = np.zeros_like(layout.baseline)
    bins[layout.starts[:-1]] = rows
    return bins


@pytest.mark.parametrize("rows", [50, 90, 400, 5000, 100_000])
def test_each_column_is_joined_by_the_groups_of_its_own_grid(layout, rows) -> None:
    bins = bins_of(layout, np.random.default_rng(rows), rows)
    assert layout.rows(bins).tolist() == [rows] * 4
    joining = layout.joining(bins, min_rows=50)
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
    whole = layout.joining(bins, min_rows=50).join(bins)
    bins[layout.starts[1] : layout.starts[2]] = 0
    joining = layout.joining(bins, min_rows=50)
    assert joining.chosen.tolist() == [0, 2, 3]
    assert_array_equal(joining.join(bins), whole[[0, 2, 3], : joining.width])
    assert layout.joining(in_first_bins(layout, [49, 0, 0, 0]), min_rows=50) is None


def test_bins_stay_joined_as_they_are_while_the_rows_bear_no_others(layout) -> None:
    few, more, many = (layout.joining(in_first_bins(layout, [rows] * 4), min_rows=50) for rows in (4000, 4010, 50))
    assert more is few
    assert many is not few


def test_what_was_joined_is_no_part_of_a_pickle(layout) -> None:
    bins = bins_of(layout, np.random.default_rng(2), 1000)
    before = layout.joining(bins, min_rows=50)
    copy = pickle.loads(pickle.dumps(layout))
    assert len(pickle.dumps(layout)) == len(pickle.dumps(copy))
    after = copy.joining(bins, min_rows=50)
    assert_array_equal(after.join(bins), before.join(bins))


def test_rare_categories_are_spread_by_a_hash_that_says_the_same_of_known_and_of_unknown_ones() -> None:
    names = [f"c{at}" for at in range(200)]
    column = Column("x", kind="categorical")
    baseline = Snapshot(Model("m"), 0, 1, {column: CategoricalSketch(dict.fromkeys(names, 5))})
    layout = Layout([*make_grids(baseline, hashed={column}).values()])

    def counted(counts: dict[str, int], other: int = 0) -> np.ndarray:
        sketch = CategoricalSketch(counts, other=other)
        return layout.count(Flat.of(Snapshot(Model("m"), 0, 1, {column: sketch}))).bins

    known, unknown = counted({"c7": 100}), counted({f"new {at}": 1 for at in range(100)})
    assert layout.unknown(known).tolist() == [0]
    assert layout.unknown(unknown).tolist() == [100]
    joining = layout.joining(known, min_rows=50)
    assert joining.grain == [(0, 16)]
    assert layout.joining(unknown, min_rows=50) is joining
    assert (joining.join(unknown) > 0).sum() > 12
    in_bucket = joining.join(counted(dict.fromkeys(names, 1)))[0]
    for name in ("c7", "c91"):
        without = joining.join(counted({other: 1 for other in names if other != name}))[0]
        assert in_bucket - without == pytest.approx(np.eye(16)[bucket_of(name, 16)])
    rows, live, expected = layout.finest(unknown, joining)
    assert rows.tolist() == [0]
    assert (live.sum(), expected.sum(), live.shape[1]) == (100, 1000, 201)  # a bin each, and one for the others
    # What has lost its name has no hash, and without any line there is nothing to compare.
    assert layout.joining(counted({"c7": 100}, other=1), min_rows=50) is None
