"""Sketches added up in a sheet are what merging them one by one gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from driftmeter import otlp
from driftmeter.gateway.streams import _arena
from driftmeter.gateway.streams._arena import Arena
from driftmeter.gateway.streams._identity import Series, Service
from driftmeter.gateway.streams._index import Index
from driftmeter.gateway.streams._readout import sketches_of
from driftmeter.gateway.streams._sheet import Sheet
from driftmeter.schema import Column, Model
from driftmeter.sketches import MAX_BUCKETS, NumericSketch, Snapshot

MODEL = Model("m")
KEY = (Service("", "s", ""), MODEL)
ROOM = 1000


def _series(column: str, part: str) -> Series:
    return Series(f"{column}/{part}".encode(), MODEL, MODEL, Column(column), "ml.column.value", part)


def _points(sketch: NumericSketch) -> tuple[list[bytes], list[str]]:
    """Return the points that carry a sketch, and the parts that they are."""
    snapshot = Snapshot(MODEL, 0, 1, {Column("x"): sketch})
    request: ExportMetricsServiceRequest = otlp.to_request(
        [({}, otlp.sketch_metrics([snapshot], temporality=otlp.DELTA))]
    )
    metrics = request.resource_metrics[0].scope_metrics[0].metrics
    points = [point for metric in metrics for point in metric.exponential_histogram.data_points]
    parts = [dict(map(otlp.key_and_value, point.attributes)).get("ml.column.part", "") for point in points]
    return [point.SerializeToString() for point in points], parts


def _as_sent(sketch: NumericSketch) -> NumericSketch:
    """Return a sketch as it comes out of its points, which may be coarser."""
    snapshot = Snapshot(MODEL, 0, 1, {Column("x"): sketch})
    request = otlp.to_request([({}, otlp.sketch_metrics([snapshot], temporality=otlp.DELTA))])
    (found,) = otlp.snapshots([request])[0].columns.values()
    assert isinstance(found, NumericSketch)
    return found


def _add(sheet: Sheet, index: Index, sketches: list[tuple[str, NumericSketch]]) -> None:
    """Add the sketches of columns to a sheet, all at once."""
    messages, series = [], []
    for column, sketch in sketches:
        points, parts = _points(sketch)
        messages += points
        series += [_series(column, part) for part in parts]
    points, histograms, _ = otlp.histogram_points(messages, max_attribute_bytes=1000)
    assert not points.faults.any()
    lanes = sheet.places(KEY, index, index.entries(series), room=ROOM)
    assert sheet.add_sketches(histograms, np.arange(len(messages)), lanes).all()


_values = st.lists(
    st.floats(1, 1000)
    | st.integers(-5, 5).map(float)
    | st.sampled_from([-999.0, 3.4e38, 1e-300, 2013.0, 2014.0, 1.7e308, -1e-3]),
    min_size=1,
    max_size=30,
)
_spread = st.tuples(st.integers(0, 99), st.floats(-3, 3), st.floats(0.001, 3), st.integers(300, 2000)).map(
    lambda drawn: np.random.default_rng(drawn[0]).lognormal(drawn[1], drawn[2], drawn[3])
)
_narrow = st.tuples(st.integers(0, 99), st.integers(1, 3000)).map(
    lambda drawn: np.random.default_rng(drawn[0]).uniform(1000, 1000.01, drawn[1])
)
_sketches = (_values.map(np.array) | _spread | _narrow).map(NumericSketch.from_values)


@settings(max_examples=40, deadline=None)
@given(
    batches=st.lists(
        st.lists(st.tuples(st.sampled_from("xy"), _sketches), min_size=1, max_size=4), min_size=1, max_size=4
    )
)
def test_a_column_is_what_merging_its_sketches_gives(batches) -> None:
    sheet, index = Sheet(), Index(10)
    for batch in batches:
        _add(sheet, index, batch)
    found = sketches_of(sheet, sheet.holdings[KEY])[MODEL]
    sent = [(column, _as_sent(sketch)) for batch in batches for column, sketch in batch]
    assert {column.name for column in found} == {column for column, _ in sent}
    for column, sketch in found.items():
        merged = NumericSketch.merge_all([part for name, part in sent if name == column.name])
        with np.errstate(over="ignore"):
            assert sketch.sum == pytest.approx(merged.sum, rel=1e-9)
        for name in ("scale", "positive", "negative", "zero_count", "min", "max"):
            assert getattr(sketch, name) == getattr(merged, name), name


def test_many_replicas_of_a_column_that_would_occupy_too_many_buckets() -> None:
    rng = np.random.default_rng(0)
    sheet, index, sent = Sheet(), Index(10), []
    for _ in range(40):
        sketches = [NumericSketch.from_values(rng.normal(50, 10, 30)) for _ in range(5)]
        _add(sheet, index, [("x", sketch) for sketch in sketches])
        sent += map(_as_sent, sketches)
    (found,) = sketches_of(sheet, sheet.holdings[KEY])[MODEL].values()
    merged = NumericSketch.merge_all(sent)
    assert merged.scale < min(sketch.scale for sketch in sent)
    assert len(merged.positive) <= MAX_BUCKETS
    assert (found.scale, found.positive, found.count) == (merged.scale, merged.positive, 40 * 5 * 30)


def test_columns_that_are_lowered_later_and_parts_that_come_later_are_at_one_scale() -> None:
    fine, coarse = NumericSketch.from_values(np.array([1000.0])), NumericSketch.from_values(np.array([7.0])).at_scale(5)
    far = NumericSketch.from_values(np.array([1.0] * 5 + [3.4e38]))
    for order in ([fine, coarse, far], [far, coarse, fine], [coarse, far, fine]):
        sheet, index = Sheet(), Index(10)
        for sketch in order:
            _add(sheet, index, [("x", sketch)])
        (found,) = sketches_of(sheet, sheet.holdings[KEY])[MODEL].values()
        assert found == NumericSketch.merge_all([fine, coarse, far])


def _brute(lists: list[tuple[int, int, dict[int, int]]], scales: dict[int, int]) -> dict[tuple[int, int], int]:
    counts: dict[tuple[int, int], int] = {}
    for side, scale, buckets in lists:
        for index, count in buckets.items():
            at = side, index >> (scale - scales[side])
            counts[at] = counts.get(at, 0) + count
    return counts


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_an_arena_loses_no_bucket_whatever_moves(data) -> None:
    indexes = st.integers(-40, 40) | st.integers(-(2**30), 2**30) | st.integers(10_000, 14_200)
    buckets = st.dictionaries(indexes, st.integers(1, 9), min_size=1, max_size=8)
    arena = Arena()
    sides, scales, added = 5, dict.fromkeys(range(5), 20), []
    arena.open(sides)
    for _ in range(data.draw(st.integers(1, 8))):
        if data.draw(st.integers(0, 3)) == 0:
            side = data.draw(st.integers(0, sides - 1))
            scales[side] = data.draw(st.integers(10, scales[side]))
            arena.coarsen(np.array([side]), np.array([scales[side]]))
            continue
        lists = [
            (side, data.draw(st.integers(scales[side], 20)), data.draw(buckets))
            for side in data.draw(st.lists(st.integers(0, sides - 1), min_size=1, max_size=4))
        ]
        added += lists
        ordered = [sorted(held.items()) for _, _, held in lists]
        arena.add(
            np.array([side for side, _, _ in lists]),
            np.array([scale for _, scale, _ in lists]),
            np.array([len(held) for held in ordered]),
            np.array([index for held in ordered for index, _ in held]),
            np.array([count for held in ordered for _, count in held]),
            wide=100,
        )
        if data.draw(st.integers(0, 3)) == 0:
            arena._collect(0)
    asked = np.array(sorted(data.draw(st.sets(st.integers(0, sides - 1), min_size=1))))
    held = arena.occupied(asked)
    found = {
        (int(side), int(held.indexes[at])): int(held.counts[at])
        for place, side in enumerate(asked)
        for at in range(held.starts[place], held.ends[place])
    }
    assert found == {at: count for at, count in _brute(added, scales).items() if at[0] in asked}
    assert all(np.all(np.diff(held.indexes[a:b]) > 0) for a, b in zip(held.starts, held.ends, strict=True))


def test_an_arena_is_bounded_by_what_is_in_it_not_by_what_has_moved(monkeypatch) -> None:
    monkeypatch.setattr(_arena, "_BESIDE", 100)
    rng = np.random.default_rng(0)
    arena = Arena()
    arena.open(4)
    expected: dict[tuple[int, int], int] = {}
    for step in range(300):
        side = step % 4
        indexes = np.unique(rng.integers(-(10**6), 10**6, 20) if side == 0 else rng.integers(0, 5 * step + 10, 20))
        counts = rng.integers(1, 9, len(indexes))
        arena.add(np.array([side]), np.array([20]), np.array([len(indexes)]), indexes, counts, wide=100)
        for index, count in zip(indexes.tolist(), counts.tolist(), strict=True):
            expected[side, index] = expected.get((side, index), 0) + count
    held = arena.occupied(np.arange(4))
    found = {
        (side, int(held.indexes[at])): int(held.counts[at])
        for side in range(4)
        for at in range(held.starts[side], held.ends[side])
    }
    assert found == expected
    assert len(arena._cells) < 8 * 4 * _arena.MAX_WIDTH
    assert arena._beside_size <= sum(side == 0 for side, _ in expected)
