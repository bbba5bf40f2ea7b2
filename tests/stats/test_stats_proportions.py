from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

from driftmeter.stats import excess_p_value


def exact(k: int, n: int, k0: int, n0: int) -> float:
    return float(hypergeom.sf(k - 1, n + n0, k + k0, n))


def test_two_in_ten_thousand_after_none_in_twenty_thousand_is_no_alarm_but_two_percent_is() -> None:
    few, many = excess_p_value([2, 200], 10_000, 0, 20_000)
    assert few == pytest.approx(exact(2, 10_000, 0, 20_000), rel=0.05)
    assert few > 0.05
    assert many < 1e-12


@given(
    st.integers(1, 60),
    st.integers(60, 5000),
    st.integers(0, 200),
    st.integers(200, 100_000),
)
def test_it_is_fishers_exact_test_within_a_few_percent(k: int, n: int, k0: int, n0: int) -> None:
    reference = exact(k, n, k0, n0)
    if 1e-12 < reference < 0.3:
        within = 1e-6 if k0 == 0 else 2e-3 if k == 1 else 0.07
        assert excess_p_value(k, n, k0, n0) == pytest.approx(reference, rel=within)


@given(st.integers(0, 50), st.integers(50, 10**9), st.integers(0, 50), st.integers(50, 10**9))
def test_it_is_a_probability_and_falls_with_the_live_count(k: int, n: int, k0: int, n0: int) -> None:
    p = excess_p_value([k, min(k + 1, n)], n, k0, n0)
    assert ((p >= 0.0) & (p <= 1.0)).all()
    assert p[1] <= p[0] * (1 + 1e-5)  # what is left of differences of logarithms with a billion rows


def test_edges_have_the_values_that_follow_from_their_meaning() -> None:
    assert excess_p_value(0, 100, 0, 100) == 1.0
    assert excess_p_value(0, 100, 5, 100) == 1.0
    assert excess_p_value(7, 7, 9, 9) == 1.0
    assert excess_p_value(100, 100, 0, 100) < 1e-50
    assert np.isnan(excess_p_value([0, 1], [0, 5], [0, 0], [9, 0])).all()


def test_arguments_broadcast() -> None:
    assert excess_p_value(np.ones((3, 1)), 10, np.zeros(4), 100).shape == (3, 4)


def test_no_false_alarms_beyond_alpha_at_tiny_rates() -> None:
    rng = np.random.default_rng(0)
    for rate in (1e-5, 1e-3, 0.02):
        p = excess_p_value(rng.binomial(10_000, rate, 50_000), 10_000, rng.binomial(20_000, rate, 50_000), 20_000)
        assert (p <= 0.01).mean() <= 0.01 + 3 * np.sqrt(0.01 / p.size)


@pytest.mark.parametrize("counts", [(-1, 5, 0, 5), (6, 5, 0, 5), (1, 5, 6, 5)])
def test_counts_outside_their_rows_are_refused(counts: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="from 0 to n"):
        excess_p_value(*counts)
