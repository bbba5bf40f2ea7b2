"""Segments: baselines of parts of the rows, kept in the same file."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from driftmeter import Baseline, BaselineError
from driftmeter.schema import Column, Model, Segment

RNG = np.random.default_rng(5)
ROWS = 3000


def frame() -> pd.DataFrame:
    origin = RNG.choice(["JFK", "LGA", "EWR", "rare", "rarer"], ROWS, p=[0.4, 0.3, 0.2, 0.07, 0.03])
    # An index that is no position: rows must be found by place.
    index = RNG.permutation(ROWS) + 0.5
    return pd.DataFrame(
        {"origin": origin, "year": RNG.choice([2013, 2014], ROWS), "x": np.where(origin == "JFK", 10.0, 0.0)},
        index=index,
    )


def test_each_of_the_most_frequent_values_has_a_baseline_and_the_rest_one_together() -> None:
    rows = frame()
    baseline = Baseline.from_frame(rows, model="m", segments=["origin", "year"], max_segments=3)
    by_segment = {part.model.segment: part for part in baseline.segments}
    counts = rows["origin"].value_counts()
    assert {segment: part.snapshot.rows for segment, part in by_segment.items()} == {
        Segment("origin", "JFK"): counts["JFK"],
        Segment("origin", "LGA"): counts["LGA"],
        Segment("origin", "EWR"): counts["EWR"],
        Segment("origin", "__other__"): counts["rare"] + counts["rarer"],
        Segment("year", "2013"): (rows["year"] == 2013).sum(),
        Segment("year", "2014"): (rows["year"] == 2014).sum(),
    }
    jfk = baseline.of_segment(Segment("origin", "JFK"))
    assert jfk.model == Model("m", "", Segment("origin", "JFK"))
    assert jfk.snapshot.columns[Column("x")].min == 10.0
    assert baseline.of_segment(Segment("origin", "rare")) is None


@pytest.mark.parametrize("source", ["frame", "mapping"])
def test_segments_and_their_blocks_come_back_from_the_file(tmp_path, source) -> None:
    rows = frame()
    baseline = Baseline.from_frame(
        rows if source == "frame" else {name: rows[name].to_numpy() for name in rows},
        model="m",
        version="2",
        predictions=RNG.choice(["late", "on time"], ROWS),
        segments=["origin"],
        block_rows=500,
    )
    baseline.save(tmp_path / "b.json")
    loaded = Baseline.load(tmp_path / "b.json")
    assert loaded.id == baseline.id
    assert loaded.model == Model("m", "2")
    assert len(loaded.blocks) == 6
    assert [part.model for part in loaded.segments] == [part.model for part in baseline.segments]
    for part, original in zip(loaded.segments, baseline.segments, strict=True):
        assert part.id == original.id
        assert part.snapshot.columns.keys() == original.snapshot.columns.keys()
        assert Column("prediction", "prediction", "categorical") in part.snapshot.columns
        assert [block.rows for block in part.blocks] == [block.rows for block in original.blocks]
        assert sum(block.rows for block in part.blocks) == part.snapshot.rows


def test_a_baseline_takes_its_segments_along_under_another_name() -> None:
    baseline = Baseline.from_frame(frame(), model="m", segments=["year"]).renamed(Model("n", "3"))
    assert baseline.model == Model("n", "3")
    assert {part.model for part in baseline.segments} == {
        Model("n", "3", Segment("year", "2013")),
        Model("n", "3", Segment("year", "2014")),
    }


def test_a_segment_that_is_no_feature_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(BaselineError, match=r"segments must be features; got 'orgin'.*origin"):
        Baseline.from_frame(frame(), model="m", segments=["orgin"])
