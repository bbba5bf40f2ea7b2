from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as reference

from driftmeter.stats import block_mean_p_values, winsor_limits

EVEN = np.full((8, 1), 100.0)


def p_value(live: float, blocks: np.ndarray, **options: np.ndarray) -> float:
    rows = options.pop("live_rows", np.array([100.0]))
    return float(
        block_mean_p_values([live], blocks, live_rows=rows, block_rows=np.full(blocks.shape, 100.0), **options)[0]
    )


def test_it_is_the_t_test_of_one_value_against_a_sample() -> None:
    # Neighbours that alternate are taken for independent ones.
    blocks = np.array([3.0, 5.0, 2.0, 6.0, 3.0, 6.0, 1.0, 5.0])[:, None]
    t = (9.0 - 31 / 8) / (np.std(blocks, ddof=1) * np.sqrt(1 + 1 / 8))
    assert p_value(9.0, blocks) == pytest.approx(2 * reference.t.sf(t, 7))
    assert p_value(31 / 8, blocks) == pytest.approx(1.0)


@pytest.mark.parametrize("blocks", [4, 8, 40])
def test_means_of_unchanged_columns_alarm_as_often_as_alpha_says(blocks: int) -> None:
    rng = np.random.default_rng(blocks)
    x = rng.standard_normal((blocks + 1, 20_000))
    rows = np.full(x.shape, 50.0)
    p = block_mean_p_values(x[-1], x[:-1], live_rows=rows[-1], block_rows=rows[:-1])
    for alpha in (0.05, 0.01):
        # With four blocks a correlation cannot be told from chance, and is allowed for.
        assert (0.5 if blocks < 10 else 0.8) * alpha <= (p <= alpha).mean() <= 1.1 * alpha + 3 * np.sqrt(alpha / p.size)


def test_blocks_that_are_like_their_neighbours_do_not_raise_false_alarms() -> None:
    rng = np.random.default_rng(3)
    noise = rng.standard_normal((140, 5000))
    x = np.empty_like(noise)
    x[0] = noise[0]
    for i in range(1, len(x)):
        x[i] = 0.5 * x[i - 1] + np.sqrt(0.75) * noise[i]
    rows = np.full(x.shape, 50.0)
    # The live window came a hundred blocks later.
    p = block_mean_p_values(x[-1], x[:40], live_rows=rows[-1], block_rows=rows[:40])
    assert (p <= 0.01).mean() <= 1.5 * 0.01


def test_past_windows_make_it_surer_of_the_spread_but_do_not_move_the_centre() -> None:
    rng = np.random.default_rng(4)
    blocks, past = rng.standard_normal((6, 1)), rng.standard_normal((60, 1))
    alone = p_value(5.0, blocks)
    assert p_value(5.0, blocks, history=past, history_rows=np.full((60, 1), 100.0)) < alone / 5
    moved = p_value(5.0, blocks, history=past + 5.0, history_rows=np.full((60, 1), 100.0))
    assert moved == pytest.approx(p_value(5.0, blocks, history=past, history_rows=np.full((60, 1), 100.0)))
    assert p_value(5.0, blocks, history=past, history_rows=np.zeros((60, 1))) == pytest.approx(alone)


def test_an_outlandish_past_window_hardly_counts() -> None:
    rng = np.random.default_rng(5)
    blocks, past = rng.standard_normal((6, 1)), rng.standard_normal((60, 1))
    rows = np.full((60, 1), 100.0)
    spoilt = past.copy()
    spoilt[[10, 30]] = 100.0
    assert p_value(5.0, blocks, history=spoilt, history_rows=rows) < 20 * p_value(
        5.0, blocks, history=past, history_rows=rows
    )


def test_a_window_with_fewer_rows_is_given_more_room() -> None:
    blocks = np.array([3.0, 5.0, 2.0, 6.0, 3.0, 6.0, 1.0, 5.0])[:, None]
    t = (9.0 - 31 / 8) / (np.std(blocks, ddof=1) * np.sqrt(4 + 1 / 8))
    assert p_value(9.0, blocks, live_rows=np.array([25.0])) == pytest.approx(2 * reference.t.sf(t, 7))
    assert p_value(9.0, blocks, live_rows=np.array([400.0])) == pytest.approx(p_value(9.0, blocks))


def test_what_cannot_be_tested_has_no_p_value() -> None:
    rows = np.full((5, 4), 10.0)
    rows[:2, 0] = 0.0
    means = np.arange(20.0).reshape(5, 4) ** 2
    means[:, 1] = 0.1
    p = block_mean_p_values([1.0] * 4, means, live_rows=[10, 10, 0, 10], block_rows=rows)
    # Three blocks; means that do not vary; no live rows; all there.
    np.testing.assert_array_equal(np.isnan(p), [True, True, True, False])
    assert np.isnan(block_mean_p_values([1.0], np.zeros((0, 1)), live_rows=[9], block_rows=np.zeros((0, 1)))).all()


def test_a_block_without_rows_may_have_any_mean() -> None:
    blocks = np.array([3.0, 5.0, 2.0, np.nan, 6.0, 3.0])[:, None]
    rows = np.where(np.isnan(blocks), 0.0, 100.0)
    p = block_mean_p_values([9.0], blocks, live_rows=[100.0], block_rows=rows)
    assert p == pytest.approx([p_value(9.0, blocks[rows > 0][:, None])], rel=0.05)


def test_limits_lie_one_range_of_the_inner_bins_beyond_them() -> None:
    assert winsor_limits([-999.0, 10.0, 20.0, 30.0, 40.0], [10.0, 20.0, 30.0, 40.0, 58.0]) == (-20.0, 70.0)
    assert winsor_limits([0.0, 1.0], [0.0, 1.0]) == (-1.0, 2.0)
    with pytest.raises(ValueError, match=r"shape \(B,\) with B of 1 or more"):
        winsor_limits([], [])


def test_shapes_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match=r"blocks and block_rows must have shape \(T, d\)"):
        block_mean_p_values([1.0], np.ones((4, 1)), live_rows=[1.0], block_rows=np.ones((4, 2)))
    with pytest.raises(ValueError, match=r"live and live_rows must have shape \(2,\)"):
        block_mean_p_values([1.0], np.ones((4, 2)), live_rows=[1.0], block_rows=np.ones((4, 2)))
    with pytest.raises(ValueError, match=r"history_rows must both have shape \(H, d\)"):
        block_mean_p_values([1.0], EVEN, live_rows=[1.0], block_rows=EVEN, history=np.ones((3, 1)))
