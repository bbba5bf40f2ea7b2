from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as reference

from driftmeter.stats import excess_among_blocks_p_value, excess_p_value

VARIED = np.array([20, 90, 30, 80, 25, 100, 15, 70])[:, None]
THOUSAND = np.full((8, 1), 1000)


def p_value(k: float, n: float, block_k: np.ndarray, block_n: np.ndarray, **options: np.ndarray) -> float:
    return float(excess_among_blocks_p_value([k], [n], block_k=block_k, block_n=block_n, **options)[0])


def logit(k: np.ndarray, n: float) -> np.ndarray:
    return np.log((k + 0.5) / (n - k + 0.5))


def test_rates_that_vary_get_a_t_test_of_log_odds() -> None:
    y = logit(VARIED[:, 0], 1000)
    t = (logit(np.array(200), 1000) - y.mean()) / (y.std(ddof=1) * np.sqrt(1 + 1 / 8))
    assert p_value(200, 1000, VARIED, THOUSAND) == pytest.approx(reference.t.sf(t, 7))
    assert excess_p_value(200, 1000, 430, 8000) < 1e-20


def test_a_small_window_is_given_the_room_that_its_rows_need() -> None:
    y = logit(VARIED[:, 0], 1000)
    rate = 430.5 / 8001
    chance = (1 / 100 - 1 / 1000) / (rate * (1 - rate))
    t = (logit(np.array(20), 100) - y.mean()) / np.sqrt(y.var(ddof=1) * (1 + 1 / 8) + chance)
    assert p_value(20, 100, VARIED, THOUSAND) == pytest.approx(reference.t.sf(t, 7))


def test_a_constant_rate_is_tested_exactly() -> None:
    # Blocks that vary less than chance would have them.
    steady = np.array([50, 52, 49, 51, 50, 48, 50, 50])[:, None]
    assert p_value(80, 1000, steady, THOUSAND) == excess_p_value(80, 1000, 400, 8000)
    # Never seen in the baseline, and there is nothing that could vary.
    assert p_value(3, 1000, np.zeros((8, 1)), THOUSAND) == excess_p_value(3, 1000, 0, 8000)


def test_blocks_that_may_vary_make_the_exact_test_less_sure() -> None:
    blocks = np.array([40, 60, 43, 57, 44, 58, 46, 52])[:, None]
    dispersion = ((blocks - 50.0) ** 2).sum() / (50 * 0.95) / 7
    exact = excess_p_value(80, 1000, 400, 8000)
    assert 1.0 < dispersion < 1.9
    assert p_value(80, 1000, blocks, THOUSAND) == pytest.approx(
        reference.norm.sf(reference.norm.isf(exact) / np.sqrt(dispersion))
    )


def test_what_two_blocks_have_exceeded_is_not_rare() -> None:
    bursts = np.array([2, 3, 2, 300, 1, 2, 3, 280, 2, 1, 2, 2, 3, 2, 1, 2, 2, 3, 1, 2])[:, None]
    rows = np.full((20, 1), 1000)
    assert p_value(270, 1000, bursts, rows) >= 3 / 21
    assert p_value(290, 1000, bursts, rows) < 3 / 21


def test_too_few_blocks_count_as_one_constant_rate() -> None:
    assert p_value(200, 1000, VARIED[:3], THOUSAND[:3]) == excess_p_value(200, 1000, 140, 3000)
    assert np.isnan(p_value(2, 10, np.zeros((0, 1)), np.zeros((0, 1))))
    assert np.isnan(p_value(0, 0, VARIED, THOUSAND))


def test_a_block_without_rows_does_not_count() -> None:
    with_gap = np.insert(VARIED, 8, 0, axis=0), np.insert(THOUSAND, 8, 0, axis=0)
    assert p_value(200, 1000, *with_gap) == pytest.approx(p_value(200, 1000, VARIED, THOUSAND))


def test_past_windows_make_it_surer_and_those_left_out_do_not_count() -> None:
    rng = np.random.default_rng(1)
    past = rng.permutation(np.tile(VARIED, (6, 1)))
    rows = np.full(past.shape, 1000)
    alone = p_value(300, 1000, VARIED, THOUSAND)
    assert p_value(300, 1000, VARIED, THOUSAND, history_k=past, history_n=rows) < alone / 3
    assert p_value(300, 1000, VARIED, THOUSAND, history_k=past * 0, history_n=rows * 0) == pytest.approx(alone)


@pytest.mark.parametrize("spread", [0.0, 0.5, 1.0])
def test_rates_that_vary_as_ever_do_not_raise_false_alarms(spread: float) -> None:
    rng = np.random.default_rng([1, int(10 * spread)])
    rate = 1 / (1 + np.exp(3.0 - spread * rng.standard_normal((25, 10_000))))
    k = rng.binomial(2000, rate)
    n = np.full(k.shape, 2000)
    p = excess_among_blocks_p_value(k[-1], n[-1], block_k=k[:-1], block_n=n[:-1])
    for alpha in (0.05, 0.01):
        assert (p <= alpha).mean() <= 1.2 * alpha + 3 * np.sqrt(alpha / p.size)
    if spread:
        assert (excess_p_value(k[-1], n[-1], k[:-1].sum(axis=0), n[:-1].sum(axis=0)) <= 0.01).mean() > 0.2


def test_a_rate_that_trebles_is_seen_all_the_same() -> None:
    rng = np.random.default_rng(3)
    k, n = rng.binomial(1000, 0.01, (24, 500)), np.full((24, 500), 1000)
    p = excess_among_blocks_p_value(rng.binomial(1000, 0.03, 500), n[0], block_k=k, block_n=n)
    assert (p <= 0.001).mean() > 0.8


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(ValueError, match=r"block_k and block_n must have shape \(T, d\)"):
        excess_among_blocks_p_value([1], [2], block_k=[1], block_n=[2])
    with pytest.raises(ValueError, match=r"k and n must have shape \(1,\)"):
        excess_among_blocks_p_value([1, 1], [2, 2], block_k=VARIED, block_n=THOUSAND)
    with pytest.raises(ValueError, match=r"history_n must both have shape \(H, d\)"):
        excess_among_blocks_p_value([1], [2], block_k=VARIED, block_n=THOUSAND, history_k=VARIED)
    with pytest.raises(ValueError, match="outside its rows"):
        excess_among_blocks_p_value([3], [2], block_k=VARIED, block_n=THOUSAND)
