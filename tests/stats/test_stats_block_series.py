from __future__ import annotations

import numpy as np
import pytest

from driftmeter.stats._block_series import BlockSeries, blocks_per_independent_one


def alike(length: int, r: float) -> np.ndarray:
    """Correlations of a series that forgets geometrically."""
    return r ** np.abs(np.subtract.outer(np.arange(length), np.arange(length)))


@pytest.mark.parametrize("r", [0.0, 0.3, 0.8])
@pytest.mark.parametrize("count", [1, 2, 10])
def test_g_is_the_variance_of_a_mean_times_its_number(count: int, r: float) -> None:
    g = blocks_per_independent_one(np.array(float(count)), np.array(r))
    assert g == pytest.approx(alike(count, r).sum() / count)


@pytest.mark.parametrize("r", [0.0, 0.3, 0.8])
def test_degrees_are_what_a_mean_and_a_line_leave(r: float) -> None:
    # 10 blocks around a mean, and 16 past windows in two stretches of 8, each around a line.
    series = BlockSeries.of(np.ones((10, 1)), np.ones((16, 1)))
    assert series.starts.tolist() == [0, 10, 18]
    line = np.stack([np.ones(8), np.arange(8.0)], axis=1)
    off_line = np.eye(8) - line @ np.linalg.pinv(line)
    off_mean = np.eye(10) - np.full((10, 10), 0.1)
    expected = np.trace(off_mean @ alike(10, r)) + 2 * np.trace(off_line @ alike(8, r))
    assert series.degrees.tolist() == [10 - 1 + 2 * (8 - 2)]
    assert series.independent_degrees(np.array([r])) == pytest.approx([expected])
    assert (series.spread_degrees(np.array([r])) <= series.degrees).all()


def test_blocks_deviate_from_their_mean_and_past_windows_from_their_line() -> None:
    rng = np.random.default_rng(1)
    values, rows = rng.standard_normal((14, 1, 1)), rng.integers(50, 200, (14, 1)).astype(float)
    rows[[2, 9]] = 0.0
    deviations = BlockSeries.of(rows[:6], rows[6:]).deviations(values)[:, 0, 0]
    weight = rows[:, 0]
    mean = np.average(values[:6, 0, 0], weights=weight[:6])
    np.testing.assert_allclose(deviations[:6], np.sqrt(weight[:6]) * (values[:6, 0, 0] - mean))
    time = np.arange(8.0)
    counted = weight[6:] > 0
    line = np.polyfit(time[counted], values[6:, 0, 0][counted], 1, w=np.sqrt(weight[6:][counted]))
    expected = np.sqrt(weight[6:]) * (values[6:, 0, 0] - np.polyval(line, time))
    np.testing.assert_allclose(deviations[6:], expected, atol=1e-12)


def test_past_windows_that_move_steadily_do_not_deviate() -> None:
    series = BlockSeries.of(np.full((5, 1), 10.0), np.full((40, 1), 10.0))
    values = np.append(np.zeros(5), 3.0 + 0.7 * np.arange(40))[:, None, None]
    np.testing.assert_allclose(series.deviations(values), 0.0, atol=1e-9)


@pytest.mark.parametrize("r", [0.0, 0.5])
@pytest.mark.parametrize("past", [0, 48])
def test_the_correlation_of_neighbours_is_recovered(past: int, r: float) -> None:
    rng = np.random.default_rng([past, int(10 * r)])
    root = np.linalg.cholesky(alike(40 + past, r))
    values = np.einsum("st,tdk->sdk", root, rng.standard_normal((40 + past, 400, 3)))
    series = BlockSeries.of(np.ones((40, 400)), np.ones((past, 400)))
    # Values below 0 count as 0, and some of the standard error is added.
    assert r - 0.03 <= series.correlation(series.deviations(values)).mean() <= r + 0.07
    assert series.correlation(series.deviations(values)).max() <= 0.8


def test_without_blocks_there_is_nothing_to_learn() -> None:
    series = BlockSeries.of(np.zeros((0, 2)))
    assert series.seen.tolist() == series.degrees.tolist() == [0.0, 0.0]
    assert series.deviations(np.zeros((0, 2, 3))).shape == (0, 2, 3)
    assert series.correlation(np.zeros((0, 2, 3))).tolist() == [0.0, 0.0]
