"""Fine everywhere: what sketches tell of a shift is what the raw values tell."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp
from sketch_distributions import DISTRIBUTIONS

from driftmeter.sketches import BlockSketcher, NumericSketch

SIZES = [1, 30, 1_000, 10_000, 100_000]


def ks_distance(a: NumericSketch, b: NumericSketch) -> float:
    scale = min(a.scale, b.scale)
    keys, steps = [], []
    for sketch, sign in ((a, 1), (b, -1)):
        sketch_keys, counts = sketch.at_scale(scale).keys()
        keys.append(sketch_keys)
        steps.append(sign * counts / sketch.count)
    order, at = np.unique(np.concatenate(keys), return_inverse=True)
    return float(np.abs(np.cumsum(np.bincount(at, np.concatenate(steps), len(order)))).max())


def assert_close(name: str, size: int) -> None:
    draw, shift = DISTRIBUTIONS[name]
    rng = np.random.default_rng(size)
    before, after = draw(rng, size), draw(rng, size) + shift
    sketches = []
    for column in (before, after):
        sketcher = BlockSketcher(1)
        sketcher.add(column[:, np.newaxis])
        sketches += sketcher.take()
    expected = ks_2samp(before, after, method="asymp").statistic
    assert ks_distance(*sketches) == pytest.approx(expected, abs=0.01)


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_distance_to_a_shifted_copy_is_that_of_the_raw_values(name: str, size: int) -> None:
    assert_close(name, size)


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_distance_stays_true_for_a_million_values(name: str) -> None:
    assert_close(name, 1_000_000)


@pytest.mark.parametrize(("size", "told"), [(10_000, True), (1_000_000, False)])
def test_a_narrow_bulk_amid_wide_heavy_tails_is_told_apart_while_the_tails_leave_room(size: int, *, told: bool) -> None:
    rng = np.random.default_rng(0)
    before, after = 1_000 + rng.standard_cauchy(size), 1_001 + rng.standard_cauchy(size)
    distance = ks_distance(NumericSketch.from_values(before), NumericSketch.from_values(after))
    # The limit that the documentation names, held here so that it stays true.
    off = abs(distance - ks_2samp(before, after, method="asymp").statistic)
    assert off < 0.01 if told else 0.1 < off < 0.25
