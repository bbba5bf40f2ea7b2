from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import ndtr, ndtri
from scipy.stats import anderson_ksamp, chi2, fisher_exact, power_divergence

from driftmeter.stats import bin_count, homogeneity_p_values
from driftmeter.stats._homogeneity import _cumulative_statistic, _omnibus

counts = hnp.arrays(np.int64, (2, 4, 7), elements=st.integers(0, 10**9))


def test_unordered_bins_get_cressie_and_reads_test() -> None:
    live, baseline = np.array([[20.0, 40.0, 40.0]]), np.array([[300.0, 400.0, 300.0]])
    pooled = (live + baseline) / 1100
    observed, expected = np.append(live, baseline), np.append(pooled * 100, pooled * 1000)
    reference = power_divergence(observed, expected, ddof=3, lambda_="cressie-read").pvalue
    assert homogeneity_p_values(live, baseline, ordered=False) == pytest.approx([reference])


def test_ordered_bins_get_it_for_the_live_rows_and_the_likelihood_ratio_for_the_baselines() -> None:
    live, baseline = np.array([[20.0, 40.0, 40.0]]), np.array([[300.0, 400.0, 300.0]])
    live_part = 1.8 * sum(x * ((x / e) ** (2 / 3) - 1) for x, e in ((20, 32000 / 1100), (40, 40), (40, 34000 / 1100)))
    its_part = 2.0 * sum(x * np.log(x / e) for x, e in ((300, 320000 / 1100), (400, 400), (300, 340000 / 1100)))
    reference = chi2.sf(live_part + its_part, 2)
    p = _omnibus(live, baseline, np.array([3]), ordered=True, dispersion=np.ones(1))
    assert p == pytest.approx([reference])


def test_the_cumulative_statistic_is_its_formula_written_out() -> None:
    live, baseline = np.array([[20.0, 40.0, 40.0]]), np.array([[300.0, 400.0, 300.0]])
    # Pooled shares 320, 440 and 340 of 1100; below the edges 320 and 760 of them.
    first = 0.5 * (320 + 440) / 1100 * (0.2 - 320 / 1100) ** 2 / (320 / 1100 * 780 / 1100)
    second = 0.5 * (440 + 340) / 1100 * (0.6 - 760 / 1100) ** 2 / (760 / 1100 * 340 / 1100)
    statistic, mean, half_variance = _cumulative_statistic(live, baseline)
    # Given the pooled counts, the variance of a live share is that of 100 draws without replacement of 1100.
    assert statistic == pytest.approx([(first + second) * 100 * 1099 / 1000])
    weights = 380 / 1100, 390 / 1100
    correlation_squared = (320 / 780) / (760 / 340)
    assert mean == pytest.approx([sum(weights)])
    assert half_variance == pytest.approx(
        [weights[0] ** 2 + weights[1] ** 2 + 2 * weights[0] * weights[1] * correlation_squared]
    )


# scipy warns that its p-value, which is not used, is capped, and of an argument that older versions do not have.
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_on_many_bins_the_cumulative_statistic_is_anderson_and_darlings() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=4000), rng.normal(0.05, size=6000)
    edges = np.quantile(np.append(x, y), np.arange(1, 1000) / 1000)
    cells = [np.bincount(np.searchsorted(edges, v), minlength=1000)[None].astype(float) for v in (x, y)]
    scaled = anderson_ksamp([x, y]).statistic
    # scipy subtracts the mean, 1, and divides by the standard deviation, 0.7609 for two large samples.
    assert _cumulative_statistic(*cells)[0] == pytest.approx([scaled * 0.7609 + 1.0], rel=0.02)


def test_two_bins_get_fishers_exact_test_doubled() -> None:
    live, baseline = [[9.0, 41.0]], [[60.0, 940.0]]
    tail = fisher_exact([[9, 41], [60, 940]], alternative="greater").pvalue
    for ordered in (True, False):
        p = homogeneity_p_values(live, baseline, ordered=ordered)
        assert p == pytest.approx([2 * tail], rel=0.06)


def test_a_rare_value_that_becomes_common_in_a_small_window_is_seen() -> None:
    # 30 of 20,200 rows in all: two bins of which one expects 0.3 rows in the window.
    assert homogeneity_p_values([[180, 20]], [[19_990, 10]], ordered=False)[0] < 1e-20
    assert homogeneity_p_values([[20, 6, 4]], [[19_980, 10, 10]], ordered=False)[0] < 1e-15


def test_columns_without_rows_get_no_p_value() -> None:
    live = np.array([[0, 0, 0], [5, 5, 5], [0, 0, 0]])
    baseline = np.array([[5, 5, 5], [0, 0, 0], [0, 0, 0]])
    assert np.isnan(homogeneity_p_values(live, baseline, ordered=True)).all()


@pytest.mark.parametrize("ordered", [True, False])
def test_a_constant_column_or_one_bin_cannot_drift(ordered: bool) -> None:
    assert homogeneity_p_values([[70, 0]], [[900, 0]], ordered=ordered).tolist() == [1.0]
    assert homogeneity_p_values([[70]], [[900]], ordered=ordered).tolist() == [1.0]


def test_no_columns_give_no_p_values() -> None:
    assert homogeneity_p_values(np.zeros((0, 5)), np.zeros((0, 5)), ordered=True).shape == (0,)
    assert np.isnan(homogeneity_p_values(np.zeros((2, 0)), np.zeros((2, 0)), ordered=True)).all()


@settings(max_examples=40)
@given(counts)
@pytest.mark.parametrize("ordered", [True, False])
def test_p_values_are_probabilities_whatever_the_counts(ordered: bool, c: np.ndarray) -> None:
    p = homogeneity_p_values(c[0], c[1], ordered=ordered)
    empty = (c.sum(axis=2) == 0).any(axis=0)
    np.testing.assert_array_equal(np.isnan(p), empty)
    assert ((p[~empty] >= 0.0) & (p[~empty] <= 1.0)).all()


@settings(max_examples=40)
@given(counts)
@pytest.mark.parametrize("ordered", [True, False])
def test_identical_counts_are_no_evidence(ordered: bool, c: np.ndarray) -> None:
    p = homogeneity_p_values(c[0], c[0], ordered=ordered)
    assert (p[~np.isnan(p)] > 0.9).all()


@settings(max_examples=40)
@given(counts)
def test_live_and_baseline_categories_may_change_places(c: np.ndarray) -> None:
    np.testing.assert_allclose(
        homogeneity_p_values(c[0], c[1], ordered=False),
        homogeneity_p_values(c[1], c[0], ordered=False),
        rtol=0.1,
        atol=1e-12,
    )


@settings(max_examples=40)
@given(counts)
@pytest.mark.parametrize("ordered", [True, False])
def test_padding_changes_nothing(ordered: bool, c: np.ndarray) -> None:
    padded = np.pad(c, ((0, 0), (0, 0), (0, 5)))
    np.testing.assert_allclose(
        homogeneity_p_values(padded[0], padded[1], ordered=ordered),
        homogeneity_p_values(c[0], c[1], ordered=ordered),
        rtol=1e-9,
    )


def test_a_column_gets_the_same_p_value_alone_and_among_others() -> None:
    rng = np.random.default_rng(2)
    live, baseline = rng.poisson(3, (150, 300)), rng.poisson(30, (150, 300))
    ordered = np.arange(150) % 2 == 0
    live[7] = 0
    together = homogeneity_p_values(live, baseline, ordered=ordered)
    alone = [homogeneity_p_values(live[i : i + 1], baseline[i : i + 1], ordered=ordered[i])[0] for i in range(150)]
    np.testing.assert_allclose(together, alone)


def test_a_billion_rows_a_bin_are_compared_without_overflow() -> None:
    even = np.full((1, 50), 1e9)
    tilted = even * np.linspace(1.001, 0.999, 50)
    assert homogeneity_p_values(even, even, ordered=True)[0] > 0.9
    assert homogeneity_p_values(tilted, even, ordered=True)[0] < 1e-12


def test_counts_of_different_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(d, B\), got \(2,\)"):
        homogeneity_p_values([1, 2], [1, 2], ordered=True)


def drawn(n: int, m: int, trials: int, *, mu: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A normal column on its baseline's quantiles, whose true shares are then Dirichlet distributed."""
    rng = np.random.default_rng(seed)
    baseline = np.full((trials, bin_count(n, m)), m / bin_count(n, m))
    shares = rng.gamma(baseline)
    edges = np.clip(np.cumsum(shares, axis=1) / shares.sum(axis=1, keepdims=True), 0.0, 1.0)
    edges[:, -1] = 1.0
    moved = np.diff(ndtr(ndtri(edges) - mu), axis=1, prepend=0.0)
    return rng.multinomial(n, moved), baseline


@pytest.mark.parametrize(("n", "m"), [(50, 20_000), (200, 1000), (1000, 20_000), (5000, 1000), (100_000, 1000)])
def test_numeric_columns_without_drift_alarm_as_often_as_alpha_says(n: int, m: int) -> None:
    p = homogeneity_p_values(*drawn(n, m, 20_000), ordered=True)
    for alpha in (0.05, 0.01, 0.001):
        error = np.sqrt(alpha / p.size)
        assert 0.7 * alpha - 3 * error <= (p <= alpha).mean() <= 1.2 * alpha + 3 * error


@pytest.mark.parametrize("categories", [3, 20, 200])
@pytest.mark.parametrize(("n", "m"), [(50, 1000), (200, 20_000), (5000, 1_000_000)])
def test_categories_without_drift_alarm_as_often_as_alpha_says(categories: int, n: int, m: int) -> None:
    rng = np.random.default_rng([categories, n])
    shares = 1.0 / np.arange(1, categories + 1)
    shares /= shares.sum()
    trials = 4000
    live, baseline = rng.multinomial(n, shares, size=trials), rng.multinomial(m, shares, size=trials)
    p = homogeneity_p_values(live, baseline, ordered=False)
    for alpha in (0.05, 0.01):
        error = np.sqrt(alpha / p.size)
        assert 0.5 * alpha - 3 * error <= (p <= alpha).mean() <= 1.2 * alpha + 3 * error


@pytest.mark.parametrize(("n", "mu"), [(200, 0.42), (1000, 0.19), (5000, 0.09)])
def test_a_shift_is_detected_in_nine_of_ten_windows(n: int, mu: float) -> None:
    p = homogeneity_p_values(*drawn(n, 20_000, 1000, mu=mu), ordered=True)
    assert (p <= 1e-4).mean() >= 0.9
