from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency, ks_2samp, wasserstein_distance

from driftmeter.stats import (
    DISTANCES,
    chi_square,
    distances,
    hellinger,
    jensen_shannon,
    kolmogorov_smirnov,
    l_infinity,
    psi,
    total_variation,
    wasserstein,
)

LIVE = np.array([10.0, 30.0, 60.0])
BASELINE = np.array([50.0, 100.0, 50.0])

counts = hnp.arrays(np.int64, (2, 6), elements=st.integers(0, 10**9)).filter(lambda c: c.sum(axis=1).min() > 0)
SYMMETRIC = sorted(DISTANCES)
BOUNDED = ["jensen_shannon", "kolmogorov_smirnov", "hellinger", "total_variation", "l_infinity"]


def test_each_distance_is_its_formula_written_out() -> None:
    assert psi(LIVE, BASELINE) == pytest.approx(
        (0.1 - 0.25) * math.log(0.1 / 0.25) + (0.3 - 0.5) * math.log(0.3 / 0.5) + (0.6 - 0.25) * math.log(0.6 / 0.25)
    )
    assert hellinger(LIVE, BASELINE) == pytest.approx(
        math.sqrt(1 - (math.sqrt(0.1 * 0.25) + math.sqrt(0.3 * 0.5) + math.sqrt(0.6 * 0.25)))
    )
    assert total_variation(LIVE, BASELINE) == pytest.approx((0.15 + 0.2 + 0.35) / 2)
    assert l_infinity(LIVE, BASELINE) == pytest.approx(0.35)
    assert kolmogorov_smirnov(LIVE, BASELINE) == pytest.approx(0.75 - 0.4)
    assert chi_square(LIVE, BASELINE) == pytest.approx(100 * 200 * (0.15**2 / 60 + 0.2**2 / 130 + 0.35**2 / 110))
    # 15 % move from 0 to 2, and 20 % from 1 to 2, in a unit where the standard deviation is 4.
    assert wasserstein(LIVE, BASELINE, positions=[0.0, 1.0, 2.0], scale=4.0) == pytest.approx((0.15 * 2 + 0.2 * 1) / 4)


def test_distances_on_raw_values_agree_with_scipy() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.integers(0, 9, 400), rng.integers(2, 12, 300)
    live, baseline = np.bincount(x, minlength=12), np.bincount(y, minlength=12)
    assert kolmogorov_smirnov(live, baseline) == pytest.approx(ks_2samp(x, y).statistic)
    assert wasserstein(live, baseline, positions=np.arange(12), scale=y.std()) == pytest.approx(
        wasserstein_distance(x, y) / y.std()
    )
    assert jensen_shannon(live, baseline) == pytest.approx(jensenshannon(live, baseline, base=2))
    expected = chi2_contingency([live, baseline], correction=False)
    assert chi_square(live, baseline) == pytest.approx(expected.statistic)


def test_psi_takes_an_empty_side_for_half_a_row() -> None:
    live, baseline = [0, 100], [50, 150]
    assert psi(live, baseline) == pytest.approx(
        (0.5 / 100 - 0.25) * math.log(0.005 / 0.25) + (1 - 0.75) * math.log(1 / 0.75)
    )


def test_psi_does_not_blame_a_small_baseline_for_what_it_could_not_have_seen() -> None:
    common, rare = 999_999, 1
    without = (common / 1e6 - 1.0) * math.log(common / 1e6)
    assert psi([common, rare], [10, 0]) == pytest.approx(without, abs=1e-12)


@pytest.mark.parametrize("name", DISTANCES)
def test_a_side_without_rows_has_no_distance(name: str) -> None:
    value = DISTANCES[name](np.array([[0, 0], [1, 1], [0, 0]]), np.array([[1, 1], [0, 0], [0, 0]]))
    assert value.shape == (3,)
    assert np.isnan(value).all()


@pytest.mark.parametrize("name", DISTANCES)
def test_no_bins_no_distance(name: str) -> None:
    assert np.isnan(DISTANCES[name](np.zeros((2, 0)), np.zeros((2, 0)))).all()


@settings(max_examples=40)
@given(counts)
@pytest.mark.parametrize("name", DISTANCES)
def test_identical_shares_are_at_distance_zero_exactly(name: str, c: np.ndarray) -> None:
    assert DISTANCES[name](c[0], c[0]) == 0.0
    # Whole multiples have the same shares up to rounding; the square roots magnify 1e-16 to 1e-8.
    assert DISTANCES[name](c[0] * 3, c[0]) == pytest.approx(0.0, abs=1e-7)


@settings(max_examples=40)
@given(counts)
@pytest.mark.parametrize("name", SYMMETRIC)
def test_live_and_baseline_may_change_places(name: str, c: np.ndarray) -> None:
    assert DISTANCES[name](c[0], c[1]) == pytest.approx(DISTANCES[name](c[1], c[0]), rel=1e-9, abs=1e-9)


@settings(max_examples=40)
@given(counts)
@pytest.mark.parametrize("name", BOUNDED)
def test_bounded_distances_stay_between_zero_and_one(name: str, c: np.ndarray) -> None:
    assert 0.0 <= DISTANCES[name](c[0], c[1]) <= 1.0


@pytest.mark.parametrize("name", BOUNDED)
def test_disjoint_columns_are_at_distance_one(name: str) -> None:
    assert DISTANCES[name]([4, 0], [0, 7]) == pytest.approx(1.0)


@settings(max_examples=40)
@given(counts)
@pytest.mark.parametrize("name", DISTANCES)
def test_padding_changes_nothing(name: str, c: np.ndarray) -> None:
    padded = np.pad(c, ((0, 0), (0, 3)))
    assert DISTANCES[name](padded[0], padded[1]) == pytest.approx(DISTANCES[name](c[0], c[1]), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("padding", [0.0, 2.0, np.inf, np.nan])
def test_wasserstein_ignores_what_stands_in_the_padding(padding: float) -> None:
    live, baseline = np.append(LIVE, [0, 0]), np.append(BASELINE, [0, 0])
    padded = wasserstein(live, baseline, positions=[0.0, 1.0, 2.0, padding, padding], scale=4.0)
    assert padded == pytest.approx(0.5 / 4)


def test_wasserstein_of_a_constant_baseline_is_zero_or_infinite() -> None:
    still = wasserstein([5, 0], [9, 0], positions=[1.0, 2.0], scale=0.0)
    moved = wasserstein([5, 1], [9, 0], positions=[1.0, 2.0], scale=0.0)
    assert (still, moved) == (0.0, np.inf)


@settings(max_examples=40)
@given(counts)
def test_together_they_are_what_they_are_alone(c: np.ndarray) -> None:
    live, baseline = np.tile(c[0], (3, 1)), np.tile(c[1], (3, 1))
    positions, scale = np.arange(6.0), np.full(3, 2.0)
    together = distances(live, baseline, positions=positions, scale=scale)
    for name, distance in DISTANCES.items():
        np.testing.assert_array_equal(together[name], distance(live, baseline))
    np.testing.assert_allclose(together["wasserstein"], wasserstein(live, baseline, positions=positions, scale=scale))


def test_more_columns_than_fit_one_group_come_back_in_order() -> None:
    rng = np.random.default_rng(0)
    live, baseline = rng.poisson(9, (130, 300)), rng.poisson(9, (130, 300))
    np.testing.assert_allclose(distances(live, baseline)["psi"], psi(live, baseline))


def test_an_unknown_distance_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"psi.*got 'kl'"):
        distances([1], [1], names=["kl"])


def test_every_distance_that_can_be_configured_can_be_computed_and_said_in_words() -> None:
    from driftmeter import schema
    from driftmeter.processor import _words

    assert {*DISTANCES, "wasserstein"} == set(schema.DISTANCES) == set(_words._METHOD_NAMES)
    assert list(DISTANCES) == [distance.__name__ for distance in DISTANCES.values()]


def test_different_bins_are_refused() -> None:
    with pytest.raises(ValueError, match="same bins"):
        psi([1, 2], [1, 2, 3])
