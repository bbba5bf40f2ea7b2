"""What moved, in words that people can read and tell apart."""

from __future__ import annotations

import re

import numpy as np
import pytest

from driftmeter import Baseline
from driftmeter.config import Config
from driftmeter.processor import Processor
from driftmeter.schema import Model
from driftmeter.sketches import Snapshot

SECOND = 1_000_000_000
NUMBER = r"-?[\d,]+(?:\.\d+)?(?:e[+-]\d+)?"


@pytest.mark.parametrize(
    ("offset", "spread"),
    [(0.0, 1.0), (0.0, 1e9), (0.0, 1e-6), (1e7, 1e3), (1e9, 1e4), (-1e9, 1e5), (1.7e9, 1e6), (1e12, 1e8), (1e-5, 1e-9)],
)
def test_the_edges_of_a_range_are_told_apart_however_far_from_zero_they_are(offset, spread) -> None:
    rng = np.random.default_rng(0)
    baseline = Baseline.from_frame({"x": offset + spread * rng.normal(size=20_000)}, model="m")
    live = Baseline.from_frame({"x": offset + spread * rng.normal(2.0, 1.0, 2000)}, model="m").snapshot.columns
    processor = Processor(Config(window=10, step=10), baselines=lambda _: [baseline])
    processor.add([Snapshot(Model("m"), 1000 * SECOND, 1001 * SECOND, live)])
    (event,) = [event for event in processor.advance(1010 * SECOND) if event.name == "ml.skew.detected"]
    ranges = re.findall(rf"({NUMBER})(?:-| to )({NUMBER}) (?:went )?from", event.body)
    assert len(ranges) == 2, event.body
    for texts in ranges:
        low, high = (float(text.replace(",", "")) for text in texts)
        assert low < high, event.body
        assert offset - 5 * spread < low
        assert high < offset + 8 * spread
