"""A change in one segment is found there and named, though the whole hardly shows it."""

from __future__ import annotations

import numpy as np

from driftmeter import Baseline
from driftmeter.config import Config
from driftmeter.processor import Processor
from driftmeter.recorder import Registry
from driftmeter.schema import Model
from driftmeter.tables import tabulate

SECOND = 1_000_000_000
RNG = np.random.default_rng(6)


def rows(count: int, *, moved: float = 0.0) -> dict:
    origin = RNG.choice(["JFK", "LGA", "EWR", "SWF"], count, p=[0.55, 0.3, 0.1, 0.05])
    return {"origin": origin.tolist(), "x": RNG.normal(0.0, 1.0, count) + np.where(origin == "EWR", moved, 0.0)}


def served(*, moved: float) -> Processor:
    baseline = Baseline.from_frame(rows(20_000), model="m", segments=["origin"], max_segments=3)
    config = Config(window=60, step=60, segments=("origin",), max_segments=3)
    registry = Registry(config, baselines=[baseline], clock=lambda: 1000 * SECOND)
    registry.record(registry.recorder(Model("m")), [("feature", tabulate(rows(2000, moved=moved)))])
    processor = Processor(config, baselines=registry.baselines)
    processor.add(registry.take())
    processor.events = processor.advance(1020 * SECOND)
    return processor


def test_a_change_of_one_segment_is_found_in_that_segment() -> None:
    processor = served(moved=1.0)
    told = {
        (event.name, event.attributes.get("ml.segment.origin"), event.attributes["ml.column.name"])
        for event in processor.events
    }
    assert told == {("ml.skew.detected", "EWR", "x")}
    detected = {
        attributes.get("ml.segment.origin"): value
        for metric, pairs in processor.signals().items()
        for attributes, value in pairs
        if metric.name == "ml.skew.detected" and attributes["ml.column.name"] == "x"
    }
    assert detected == {None: 0, "JFK": 0, "LGA": 0, "EWR": 1, "__other__": 0}


def test_without_a_change_all_segments_are_quiet_and_have_their_rows() -> None:
    processor = served(moved=0.0)
    assert processor.events == []
    counted = {
        attributes.get("ml.segment.origin", "all"): value
        for metric, pairs in processor.signals().items()
        for attributes, value in pairs
        if metric.name == "ml.window.rows"
    }
    assert counted.pop("all") == sum(counted.values()) == 2000
