from __future__ import annotations

import numpy as np
import pytest

from driftmeter.stats import moved_share, total_variation


def test_with_many_rows_it_is_the_total_variation_distance() -> None:
    live, baseline = np.array([1e9, 3e9, 6e9]), np.array([2.5e9, 5e9, 2.5e9])
    assert moved_share(live, baseline) == pytest.approx(0.35, rel=1e-6)


@pytest.mark.parametrize(("rows", "bins"), [(200, 10), (1000, 50), (100_000, 50), (500, 200)])
def test_without_drift_next_to_nothing_moved_however_few_the_rows(rows: int, bins: int) -> None:
    rng = np.random.default_rng(rows)
    even = np.full(bins, 1 / bins)
    live, baseline = rng.multinomial(rows, even, size=500), rng.multinomial(20_000, even, size=500)
    raw = total_variation(live, baseline)
    assert np.median(moved_share(live, baseline)) < 0.25 * np.median(raw)


@pytest.mark.parametrize("rows", [2000, 20_000, 2_000_000])
def test_a_tenth_of_the_rows_moving_to_one_bin_reads_as_a_tenth(rows: int) -> None:
    rng = np.random.default_rng(rows)
    even = np.full(40, 1 / 40)
    moved = 0.9 * even
    moved[3] += 0.1
    live, baseline = rng.multinomial(rows, moved, size=200), rng.multinomial(50_000, even, size=200)
    assert moved_share(live, baseline).mean() == pytest.approx(0.1, abs=0.03)


def test_edges() -> None:
    assert moved_share([4, 0], [4, 0]) == 0.0
    assert moved_share([1e6, 0], [0, 1e6]) == pytest.approx(1.0)
    assert np.isnan(moved_share([[0, 0], [1, 2]], [[1, 2], [0, 0]])).all()
