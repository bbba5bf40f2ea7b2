from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from driftmeter.stats import benjamini_hochberg

probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=40)


@given(probabilities)
def test_adjusted_p_values_agree_with_scipy(p: list[float]) -> None:
    np.testing.assert_allclose(benjamini_hochberg(p), false_discovery_control(p), rtol=1e-12)


@given(probabilities)
def test_adjusting_never_lowers_a_p_value_nor_reorders(p: list[float]) -> None:
    q = benjamini_hochberg(p)
    assert (q >= np.array(p) * (1 - 1e-12)).all()
    assert (q <= 1.0).all()
    assert (np.diff(q[np.argsort(p, kind="stable")]) >= 0).all()


def test_the_adjustment_is_p_times_tests_over_rank() -> None:
    np.testing.assert_allclose(
        benjamini_hochberg([0.01, 0.5, 0.04, 0.03]), [0.01 * 4 / 1, 0.5, 0.04 * 4 / 3, 0.04 * 4 / 3]
    )


def test_absent_columns_stay_absent_and_do_not_count() -> None:
    np.testing.assert_array_equal(benjamini_hochberg([0.02, np.nan, 0.01]), [0.02, np.nan, 0.02])
    assert np.isnan(benjamini_hochberg([np.nan])).all()
    assert benjamini_hochberg([]).shape == (0,)


def test_rows_are_corrected_one_by_one() -> None:
    p = np.array([[0.01, 0.02, 0.03], [0.5, 0.001, np.nan]])
    np.testing.assert_array_equal(benjamini_hochberg(p), [benjamini_hochberg(row) for row in p])


def test_without_drift_a_share_q_of_the_windows_has_a_call() -> None:
    p = np.random.default_rng(0).random((20_000, 200))
    called = (benjamini_hochberg(p) <= 0.05).any(axis=1).mean()
    assert abs(called - 0.05) < 3 * np.sqrt(0.05 / 20_000)
