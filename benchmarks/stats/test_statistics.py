"""All distances and p-values of 200 columns on 300 bins.

pytest benchmarks/stats --benchmark-timer=time.process_time
"""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special  # noqa: F401  # imported when it is first needed
from scipy import stats as scipy_stats

from driftmeter import stats

COLUMNS, BINS = 200, 300


@pytest.fixture(scope="module", params=["every bin filled", "most bins empty"])
def counts(request) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    rows = 100_000 if request.param == "every bin filled" else 400
    shares = np.full(BINS, 1 / BINS)
    return tuple(rng.multinomial(rows, shares, COLUMNS).astype(float) for _ in range(2))


def test_distances_and_p_values_of_200_columns_on_300_bins(benchmark, counts) -> None:
    live, baseline = counts
    positions = np.broadcast_to(np.arange(BINS, dtype=float), live.shape)
    scale = np.full(COLUMNS, BINS / 12**0.5)

    def run() -> tuple[dict[str, np.ndarray], np.ndarray]:
        measured = stats.distances(live, baseline, names=set(stats.DISTANCES), positions=positions, scale=scale)
        return measured, stats.homogeneity_p_values(live, baseline, ordered=True)

    measured, p_values = run()
    p, q = live[0] / live[0].sum(), baseline[0] / baseline[0].sum()
    assert measured["total_variation"][0] == pytest.approx(np.abs(p - q).sum() / 2)
    wasserstein = scipy_stats.wasserstein_distance(np.arange(BINS), np.arange(BINS), p, q) / scale[0]
    assert measured["wasserstein"][0] == pytest.approx(wasserstein)
    assert 0.3 < np.mean(p_values) < 0.7  # nothing differs but by chance
    benchmark(run)
