"""Prometheus' native histograms, as its API tells them, against the sketch of the same values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from driftmeter.sketches import NumericSketch, key_edges


def scale_of(histogram: dict[str, Any]) -> int:
    """Return the scale of a histogram: its buckets grow by 2**(2**-scale)."""
    edges = [sorted((abs(float(low)), abs(float(high)))) for _, low, high, _ in histogram["buckets"]]
    near, far = next((near, far) for near, far in edges if near > 0)
    return round(-math.log2(math.log2(far / near)))


def assert_is_sketch_of(values: np.ndarray, histogram: dict[str, Any]) -> None:
    """Assert that a histogram has the very buckets that a sketch of the values has at the histogram's scale."""
    sketch = NumericSketch.from_values(values, max_buckets=len(values)).at_scale(scale_of(histogram))
    keys, counts = sketch.keys()
    lower, upper = key_edges(keys, sketch.scale)
    told = np.array([[float(low), float(high), float(count)] for _, low, high, count in histogram["buckets"]])
    np.testing.assert_allclose(told, np.column_stack([lower, upper, counts]), rtol=1e-12)
    assert float(histogram["count"]) == sketch.count
    np.testing.assert_allclose(float(histogram["sum"]), sketch.sum)


def assert_is_quantile(estimate: float, q: float, values: np.ndarray, *, scale: int) -> None:
    """Assert that an estimate lies in the bucket of the value at a quantile."""
    ordered = np.sort(values[np.isfinite(values)])
    exact = ordered[math.ceil(q * len(ordered)) - 1]
    assert abs(estimate / exact - 1) <= 2**2**-scale - 1, (q, estimate, exact)
