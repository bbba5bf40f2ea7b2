"""Many sparse bins: moments as enumerated, as many false alarms as promised, and changes that pooling would hide."""

from __future__ import annotations

import numpy as np
import pytest

from driftmeter.stats import estimate_design_effect, homogeneity_p_values, sparse_bins_p_values
from driftmeter.stats._sparse_bins import _standardised, _third_moment

ALIKE = np.full(200, 1 / 200)
RANKED = 1.0 / np.arange(1, 201) / np.sum(1.0 / np.arange(1, 201))


def drawn(live: np.ndarray, baseline: np.ndarray, rows: int, rows0: int, *, columns: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    return rng.multinomial(rows, live, columns), rng.multinomial(rows0, baseline, columns)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.8])
@pytest.mark.parametrize("rows", [1, 2, 7, 40])
def test_the_third_moment_of_a_bin_is_that_of_its_binomial_count(rows, share) -> None:
    from scipy.stats import binom

    counts = np.arange(rows + 1.0)
    x, v = counts - rows * share, rows * share * (1.0 - share)
    expected = (x * x - (1.0 - 2.0 * share) * x - v) ** 3 @ binom.pmf(counts, rows, share)
    assert _third_moment(np.array([[v]]), np.array([[share]]))[0, 0] == pytest.approx(expected, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("law", [ALIKE, RANKED], ids=["alike", "1 / rank"])
def test_mean_and_spread_are_those_of_draws_without_replacement(law) -> None:
    rng = np.random.default_rng(3)
    both = rng.multinomial(1100, law)
    live = rng.multivariate_hypergeometric(both, 100, size=20_000).astype(float)
    excess, variance, third = _standardised(live, np.broadcast_to(both, live.shape), np.full((len(live), 1), 1 / 11))
    assert excess.mean() == pytest.approx(0.0, abs=4 * np.sqrt(variance[0] / len(live)))
    assert excess.var() == pytest.approx(variance[0], rel=0.06)
    assert np.mean(excess**3) == pytest.approx(third[0], rel=0.3)


@pytest.mark.parametrize("law", [ALIKE, RANKED], ids=["alike", "1 / rank"])
@pytest.mark.parametrize(("rows", "rows0"), [(100, 1000), (1000, 1000), (100, 1_000_000)])
def test_without_a_change_no_more_columns_are_called_than_alpha(law, rows, rows0) -> None:
    p = sparse_bins_p_values(*drawn(law, law, rows, rows0, columns=8000))
    for alpha in (0.05, 0.01, 0.001):
        assert np.mean(p <= alpha) <= 1.2 * alpha + 3 * np.sqrt(alpha / len(p))
    assert np.mean(p <= 0.05) >= 0.3 * 0.05


def test_half_of_the_categories_vanish_and_pooled_bins_do_not_show_it() -> None:
    half = np.where(np.arange(200) % 2, 2.0, 0.0) / 200
    live, baseline = drawn(half, ALIKE, 150, 1_000_000, columns=200)
    assert np.mean(sparse_bins_p_values(live, baseline) <= 1e-4) >= 0.9
    assert np.mean(homogeneity_p_values(live, baseline, ordered=False) <= 1e-4) <= 0.2


def test_one_category_that_grows_is_found_among_those_that_do_not() -> None:
    grown = ALIKE.copy()
    grown[7] = 0.06
    live, baseline = drawn(grown / grown.sum(), ALIKE, 1000, 1000, columns=200)
    assert np.mean(sparse_bins_p_values(live, baseline) <= 1e-3) >= 0.95


def test_padding_and_empty_bins_change_nothing() -> None:
    live, baseline = drawn(RANKED, ALIKE, 100, 1000, columns=5)
    padded = [np.hstack([side, np.zeros((5, 30))]) for side in (live, baseline)]
    assert sparse_bins_p_values(*padded) == pytest.approx(sparse_bins_p_values(live, baseline))


def test_a_side_without_rows_has_no_p_value_and_bins_of_one_row_say_nothing() -> None:
    live, baseline = [[0, 0, 0, 0], [1, 1, 0, 0], [3, 0, 0, 0]], [[5, 5, 0, 0], [0, 0, 1, 1], [2, 0, 0, 0]]
    p = sparse_bins_p_values(live, baseline)
    assert np.isnan(p[0])
    assert (p[1:] >= 0.5).all()
    with pytest.raises(ValueError, match=r"shape \(d, B\), got \(2,\) and \(2,\)"):
        sparse_bins_p_values([1, 2], [1, 2])


def test_where_no_blocks_are_known_it_is_combined_with_that_of_the_pooled_bins() -> None:
    live, baseline = drawn(ALIKE, ALIKE, 1000, 1000, columns=3)
    alone = homogeneity_p_values(live, baseline, ordered=False)
    both = homogeneity_p_values(live, baseline, ordered=False, sparse_bins_p=[np.nan, 1e-9, 0.5])
    assert both[0] == alone[0]
    assert both[1] == pytest.approx(2e-9, rel=1e-3)
    assert 0.0 < both[2] < 1.0
    blocks = np.random.default_rng(4).multinomial(500, ALIKE, size=(8, 3))
    effect = estimate_design_effect(blocks, ordered=False)
    with_blocks = homogeneity_p_values(live, baseline, ordered=False, design_effect=effect)
    told = homogeneity_p_values(live, baseline, ordered=False, design_effect=effect, sparse_bins_p=np.full(3, 1e-9))
    assert told.tolist() == with_blocks.tolist()
