"""A baseline as a model's traffic is told."""

from __future__ import annotations

import numpy as np

from driftmeter import Baseline
from driftmeter.baseline import as_configured
from driftmeter.config import ColumnConfig, Config, ModelConfig
from driftmeter.schema import Column, Model, Segment
from driftmeter.sketches import Disguise

M = Model("m")
HASHED = Config(models={"m": ModelConfig(columns={"origin": ColumnConfig(category_names="hashed")})})
ORIGINS = ["JFK"] * 50 + ["LGA"] * 30 + ["EWR"] * 20 + ["SWF"] * 8 + [None] * 2
ROWS = {"origin": ORIGINS, "x": np.arange(110.0), "carrier": ["AA", "UA"] * 55}


def _baseline(**options) -> Baseline:
    return Baseline.from_frame(ROWS, model="m", segments=["origin"], **options)


def _segments(baseline: Baseline) -> dict[str, int]:
    return {part.model.segment.value: part.snapshot.rows for part in baseline.segments}


def test_a_baseline_that_needs_no_change_is_the_very_same() -> None:
    baseline = _baseline()
    assert as_configured(baseline, Config(), M) is baseline
    assert as_configured(baseline, HASHED, Model("other")) is baseline


def test_hashed_names_are_so_in_blocks_and_segments_and_nothing_else_is() -> None:
    baseline = _baseline(time=np.arange(110.0), block=54)
    hashed = as_configured(baseline, HASHED, M)
    name = Disguise("hashed").name
    origin, carrier = Column("origin", kind="categorical"), Column("carrier", kind="categorical")
    for part in (hashed, *hashed.segments):
        for snapshot in (part.snapshot, *part.blocks):
            assert {"JFK", "LGA", "EWR", "SWF"}.isdisjoint(snapshot.columns[origin].counts)
            assert set(snapshot.columns[carrier].counts) <= {"AA", "UA"}
    assert len(hashed.blocks) == len(baseline.blocks) == 2
    assert _segments(hashed) == {name("JFK"): 50, name("LGA"): 30, name("EWR"): 20, name("SWF"): 8, "__other__": 2}
    assert hashed.id == baseline.id


def test_more_segments_than_are_told_apart_are_one() -> None:
    fewer = as_configured(_baseline(), Config(max_segments=2), M)
    assert _segments(fewer) == {"JFK": 50, "LGA": 30, "__other__": 30}
    other = fewer.of_segment(Segment("origin", "__other__"))
    assert other.snapshot.columns[Column("x")].count == 30
    assert (other.snapshot.columns[Column("x")].min, other.snapshot.columns[Column("x")].max) == (80.0, 109.0)


def test_their_blocks_are_those_of_the_same_time() -> None:
    rows = {"origin": ["EWR", "JFK", "LGA", "SWF"] * 25, "x": np.arange(100.0)}
    baseline = Baseline.from_frame(rows, model="m", segments=["origin"], time=np.arange(100.0), block=49.5)
    (_, other) = as_configured(baseline, Config(max_segments=1), M).segments
    assert [block.columns[Column("x")].max for block in other.blocks] == [49.0, 98.0]


def test_as_many_as_are_told_apart_stay_as_they_are() -> None:
    baseline = _baseline(max_segments=2)
    assert as_configured(baseline, Config(max_segments=2), M) is baseline
    baseline = _baseline()
    assert as_configured(baseline, Config(max_segments=4), M) is baseline
