from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from driftmeter.stats._pooling import coarsen, greedy_groups, pool_sparse_bins

counts = hnp.arrays(np.float64, (2, 3, 12), elements=st.integers(0, 40).map(float))


@settings(max_examples=40)
@given(counts)
@pytest.mark.parametrize("ordered", [True, False])
def test_pooling_keeps_the_rows_and_leaves_no_sparse_bin_but_a_last_one(ordered: bool, c: np.ndarray) -> None:
    live, baseline = pool_sparse_bins(c[0], c[1], ordered=ordered, least=5.0)
    np.testing.assert_array_equal(live.sum(axis=1), c[0].sum(axis=1))
    np.testing.assert_array_equal(baseline.sum(axis=1), c[1].sum(axis=1))
    pooled = live + baseline
    smaller = np.minimum(live.sum(axis=1), baseline.sum(axis=1))
    expected = pooled * (smaller / np.maximum(pooled.sum(axis=1), 1.0))[:, None]
    sparse = (pooled > 0) & (expected < 5.0 - 1e-9)
    assert (sparse.sum(axis=1) <= (smaller < 5.0)).all() or (np.count_nonzero(pooled, axis=1)[sparse.any(1)] == 1).all()


def test_groups_close_once_they_suffice_and_the_rest_joins_the_last() -> None:
    assert greedy_groups(np.array([[3.0, 1.0, 4.0, 9.0, 2.0, 1.0]]), 5.0).tolist() == [[0, 0, 0, 1, 1, 1]]


def test_unordered_bins_that_suffice_stay_apart() -> None:
    live = np.array([[2.0, 50.0, 3.0, 40.0, 4.0]])
    pooled, _ = pool_sparse_bins(live, live * 10, ordered=False, least=5.0)
    assert sorted(pooled[0][pooled[0] > 0]) == [9.0, 40.0, 50.0]


def test_coarsening_keeps_order_and_evens_out() -> None:
    live = np.ones((2, 640))
    live[1, 0] = 641.0
    pooled, baseline = coarsen(live, live * 3, most=64)
    assert pooled[0].tolist() == [10.0] * 64
    assert baseline[0].tolist() == [30.0] * 64
    # Half of the rows in one bin: it stays whole, and the others share what is left.
    assert pooled[1].max() == 641.0
    assert pooled[1][pooled[1] > 0][1:].max() <= 21.0
    assert pooled[1].sum() == 1280.0
