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


def what_moved(baseline: dict, live: dict) -> str:
    """What the event says that a window's verdict gave."""
    known = Baseline.from_frame(baseline, model="m")
    columns = Baseline.from_frame(live, model="m").snapshot.columns
    processor = Processor(Config(window=10, step=10), baselines=lambda _: [known])
    processor.add([Snapshot(Model("m"), 1000 * SECOND, 1001 * SECOND, columns)])
    (event,) = [event for event in processor.advance(1010 * SECOND) if event.name == "ml.skew.detected"]
    return event.body


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


def test_a_stray_value_does_not_blur_the_other_edges() -> None:
    rng = np.random.default_rng(0)
    body = what_moved({"x": rng.normal(size=20_000)}, {"x": np.append(rng.normal(2.0, 1.0, 2000), 1e9)})
    edges = re.findall(rf"({NUMBER})(?:-| to )({NUMBER}) (?:went )?from", body)
    inner = sorted(float(text.replace(",", "")) for texts in edges for text in texts)[1:-1]
    assert all(0.2 < edge < 2.0 for edge in inner), body


def test_values_near_the_ends_of_float64_are_told_in_few_digits() -> None:
    values = np.repeat([-1.7e308, 1.0, 1.7e308], 1000)
    assert len(what_moved({"x": values}, {"x": values[1500:]})) < 150


def test_category_names_that_one_would_not_see_are_in_quotes() -> None:
    towns = np.repeat(np.array(["", "Köln", " ", "a\nb"], dtype=object), 1000)
    assert "'' went from 25 % to 100 %" in what_moved({"x": towns}, {"x": towns[:500]})
    assert "'a\\nb' went from 25 % to 100 %" in what_moved({"x": towns}, {"x": towns[3000:]})
    assert "Köln went from 25 % to 100 %" in what_moved({"x": towns}, {"x": towns[1000:2000]})
