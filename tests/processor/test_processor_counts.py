"""Counted stretches come back from rest as they were, and know what lies beyond the baseline's values."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from driftmeter import Baseline
from driftmeter.processor import Comparer, Counts
from driftmeter.processor._grid_making import make_grids
from driftmeter.sketches import merge_snapshots

BASELINE = Baseline.from_frame({"x": np.linspace(0.0, 10.0, 500), "y": [1.0] * 500}, model="m")
COMPARER = Comparer(BASELINE)
_values = st.lists(st.sampled_from([-5.0, 0.0, 3.0, 10.0, 12.5, np.nan]), min_size=1, max_size=4)


def counted(*parts: list[float]) -> list:
    return [Baseline.from_frame({"x": part, "y": part}, model="m").snapshot for part in parts]


def _assert_equal(found: Counts, expected: Counts) -> None:
    assert_array_equal(found.bins, expected.bins)
    for name in ("low", "high", "only"):
        assert_array_equal(getattr(found.extremes, name), getattr(expected.extremes, name))


@given(st.lists(_values, min_size=1, max_size=4))
def test_stretches_add_up_and_come_back_from_rest(parts) -> None:
    snapshots = counted(*parts)
    whole = COMPARER.count(merge_snapshots(snapshots))
    counts = [COMPARER.count(snapshot) for snapshot in snapshots]
    for part in counts:
        _assert_equal(part.packed().unpacked(), part)
        assert_array_equal(part.packed().sums, part.sums)
    total = counts[0]
    for part in counts[1:]:
        total += part
    within = total.within([part.packed() for part in counts])
    _assert_equal(total, whole)
    _assert_equal(within, whole)
    _assert_equal(pickle.loads(pickle.dumps(total.packed())).unpacked(), whole)
    assert_allclose(within.sums, total.sums)


@pytest.mark.parametrize(
    ("values", "low", "high", "only"),
    [
        ([1.0, 9.0], np.inf, -np.inf, np.nan),
        ([-1.0, 9.0], -1.0, -np.inf, np.nan),
        ([1.0, 11.0], np.inf, 11.0, np.nan),
        ([3.0, 3.0], np.inf, -np.inf, 3.0),
        ([np.nan], np.inf, -np.inf, np.inf),
    ],
)
def test_extremes_tell_what_lies_beyond_the_baseline_and_what_is_the_only_value(values, low, high, only) -> None:
    extremes = COMPARER.count(counted(values)[0]).extremes
    assert_array_equal([extremes.low[0], extremes.high[0], extremes.only[0]], [low, high, only])


@given(_values | st.lists(st.sampled_from([-2e9, -1e9, 1e9, 2e9]), min_size=1))
def test_sums_are_of_values_cut_off_at_the_limits_also_when_all_are_beyond(values) -> None:
    finite = np.array([value for value in values if np.isfinite(value)])
    limits = {column.name: grid.limits for column, grid in make_grids(BASELINE.snapshot).items()}
    sums = COMPARER.count(counted(values)[0]).sums
    assert_allclose(sums, [finite.clip(*limits[name]).sum() for name in ("x", "y")], rtol=1e-2)
