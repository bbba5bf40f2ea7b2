"""Bucket indexes are the SDK's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from opentelemetry.sdk.metrics._internal.exponential_histogram.mapping.logarithm_mapping import LogarithmMapping

from driftmeter.sketches import MAX_SCALE, MIN_SCALE, lower_boundary, map_to_index

SCALES = range(MIN_SCALE, MAX_SCALE + 1)


def neighbours(values: np.ndarray, *, ulps: tuple[int, ...] = (0, 1, 2, 3, 50, 500)) -> np.ndarray:
    bits = np.ascontiguousarray(values).view(np.int64)
    near = np.concatenate([bits + sign * ulp for ulp in ulps for sign in (-1, 1)]).view(np.float64)
    return near[np.isfinite(near) & (near > 0)]


def sdk_index(values: np.ndarray, scale: int) -> list[int]:
    mapping = LogarithmMapping(scale)
    return [mapping.map_to_index(value) for value in values.tolist()]


@pytest.mark.parametrize("scale", SCALES)
def test_indexes_equal_the_sdks_on_random_values(scale: int) -> None:
    values = np.exp2(np.random.default_rng(scale).uniform(-1074, 1024, 2_000))
    assert map_to_index(values, scale).tolist() == sdk_index(values, scale)


@pytest.mark.parametrize("scale", [3, 7, 12, 20])
def test_indexes_equal_the_sdks_beside_every_power_of_two(scale: int) -> None:
    values = neighbours(np.ldexp(1.0, np.arange(-1074, 1024, 3)), ulps=(0, 1, 100))
    assert map_to_index(values, scale).tolist() == sdk_index(values, scale)


@pytest.mark.parametrize("scale", SCALES)
def test_indexes_equal_the_sdks_beside_boundaries(scale: int) -> None:
    indexes = np.random.default_rng(scale).integers(-1022 << scale, 1024 << scale, 200)
    values = neighbours(lower_boundary(indexes, scale))
    assert map_to_index(values, scale).tolist() == sdk_index(values, scale)


@pytest.mark.parametrize("scale", SCALES)
def test_indexes_equal_the_sdks_at_the_ends_of_float64(scale: int) -> None:
    least, tiny, greatest = 5e-324, 2.0**-1022, np.finfo(float).max
    values = np.array(
        [least, 3 * least, tiny / 2, tiny, math.nextafter(tiny, 1), math.nextafter(greatest, 0), greatest]
    )
    assert map_to_index(values, scale).tolist() == sdk_index(values, scale)


def test_buckets_nest() -> None:
    values = neighbours(np.exp2(np.random.default_rng(1).uniform(-1074, 1024, 5_000)))
    finest = map_to_index(values, MAX_SCALE)
    for scale in SCALES:
        assert np.array_equal(map_to_index(values, scale), finest >> (MAX_SCALE - scale))
