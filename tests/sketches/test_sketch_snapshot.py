"""Snapshots merge, all at once and one by one, to the same."""

from __future__ import annotations

import numpy as np
import pytest

from driftmeter.schema import Column, Model
from driftmeter.sketches import (
    CategoricalSketch,
    NumericSketch,
    Snapshot,
    merge_sketches,
    merge_snapshots,
)

MODEL = Model("m")
AMOUNT, CITY, LATE = Column("amount"), Column("city", kind="categorical"), Column("late")


def snapshot(seed: int, *, late: bool = False) -> Snapshot:
    rng = np.random.default_rng(seed)
    columns = {
        AMOUNT: NumericSketch.from_values(np.round(rng.lognormal(seed % 3, 1, 500) * 4)),
        CITY: CategoricalSketch.from_values(rng.choice(["Oslo", "Rome", "Lima"], 500)),
    }
    if late:
        columns[LATE] = NumericSketch.from_values(rng.integers(0, 9, 500).astype(float))
    return Snapshot(MODEL, 10 * seed, 10 * seed + 10, columns)


def test_all_at_once_is_one_by_one_in_any_order() -> None:
    snapshots = [snapshot(seed, late=seed % 2 == 0) for seed in range(1, 8)]
    merged = merge_snapshots(snapshots)
    one_by_one = snapshots[0]
    for other in snapshots[1:]:
        one_by_one = one_by_one.merge(other)
    assert merged == one_by_one
    assert merged == merge_snapshots(reversed(snapshots))
    assert (merged.start, merged.end, merged.rows) == (10, 80, 3_500)


def test_columns_in_different_orders_or_missing_meet() -> None:
    first, second = snapshot(1), snapshot(2, late=True)
    turned = Snapshot(MODEL, second.start, second.end, dict(reversed(second.columns.items())))
    merged = merge_snapshots([first, turned])
    assert merged.columns.keys() == second.columns.keys()
    assert merged.columns[LATE] == second.columns[LATE]
    assert merged.columns[AMOUNT].total == merged.columns[CITY].total == 1_000


def test_arguments_stay_as_they_are() -> None:
    snapshots = [snapshot(seed) for seed in range(3)]
    merge_snapshots(snapshots)
    assert snapshots == [snapshot(seed) for seed in range(3)]


def test_nothing_merges_to_nothing() -> None:
    assert merge_snapshots([]) is None


def test_sketches_of_two_kinds_are_refused() -> None:
    with pytest.raises(TypeError, match="NumericSketch and CategoricalSketch"):
        merge_sketches(NumericSketch(), CategoricalSketch())
    mixed = Snapshot(MODEL, 0, 1, {AMOUNT: CategoricalSketch()})
    with pytest.raises(TypeError, match="NumericSketch and CategoricalSketch"):
        merge_snapshots([snapshot(1), mixed])
