"""Columns as explicit-bucket histograms, of readers that ask for them."""

from __future__ import annotations

import numpy as np
from opentelemetry.sdk.metrics.export import AggregationTemporality

from driftmeter import Baseline
from driftmeter.exporter._bins import ColumnBins
from driftmeter.exporter._streams import Stream
from driftmeter.processor import PLAIN_BINS, baseline_bins
from driftmeter.schema import Column, Model
from driftmeter.sketches import NumericSketch, Snapshot

CUMULATIVE, DELTA = AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA
MODEL, X = Model("m"), Column("x")
RNG = np.random.default_rng(3)
BASELINE = Baseline.from_frame({"x": RNG.normal(2000.0, 2.0, 8000)}, model="m")


def _snapshot(values: np.ndarray) -> Snapshot:
    return Snapshot(MODEL, 0, 1, {X: NumericSketch.from_values(values)})


def _stream(temporality: AggregationTemporality, *baselines: Baseline) -> Stream:
    return Stream(temporality, start=10, bins=ColumnBins(lambda _: baselines), exponential=False)


def _point(stream: Stream, now: int):
    metrics = {metric.name: metric for metric in stream.collect(now, limit=100)}
    assert "ml.column.value" not in metrics
    (point,) = metrics["ml.column.bins"].data.data_points
    return point


def test_running_totals_are_exact_though_a_sketch_of_all_would_be_too_coarse() -> None:
    stream, bins = _stream(CUMULATIVE, BASELINE), baseline_bins([BASELINE])[X]
    expected = np.zeros(len(bins.last_keys) + 1, dtype=int)
    before = None
    for at in range(6):
        # The wide values make the sketch of all that came coarser than the bins.
        sketched = _snapshot(np.concatenate((RNG.normal(2000.0, 2.0, 300), 10.0 ** RNG.uniform(-at, at, 200))))
        stream.add([sketched])
        expected += bins.count(sketched.columns[X])
        point = _point(stream, 20 + at)
        assert point.bucket_counts == expected.tolist()
        assert point.explicit_bounds == bins.bounds.tolist()
        assert (point.count, point.start_time_unix_nano, point.time_unix_nano) == (500 * (at + 1), 10, 20 + at)
        assert before is None or all(a >= b for a, b in zip(point.bucket_counts, before, strict=True))
        before = point.bucket_counts
    assert stream._snapshots[MODEL].columns[X].scale < bins.scale


def test_changes_are_told_once_to_a_delta_reader() -> None:
    stream = _stream(DELTA, BASELINE)
    stream.add([_snapshot(np.array([1990.0, 2001.0]))])
    assert _point(stream, 20).count == 2
    assert [metric.name for metric in stream.collect(25, limit=100)] == []
    stream.add([_snapshot(np.array([2001.0]))])
    point = _point(stream, 30)
    assert (point.count, point.sum, point.min, point.max) == (1, 2001.0, 2001.0, 2001.0)
    assert (point.start_time_unix_nano, point.time_unix_nano) == (25, 30)


def test_a_baseline_that_comes_later_begins_a_series_of_its_own() -> None:
    given: list[Baseline] = []
    stream = Stream(CUMULATIVE, start=10, bins=ColumnBins(lambda _: given))
    stream.add([_snapshot(np.array([1990.0, 2001.0]))])
    metrics = {metric.name: metric for metric in stream.collect(20, limit=100)}
    assert metrics["ml.column.bins"].data.data_points[0].explicit_bounds == PLAIN_BINS.bounds.tolist()
    given.append(BASELINE)
    stream.add([_snapshot(np.array([1995.0]))])
    metrics = {metric.name: metric for metric in stream.collect(30, limit=100)}
    (point,) = metrics["ml.column.bins"].data.data_points
    assert point.explicit_bounds == baseline_bins([BASELINE])[X].bounds.tolist()
    assert (point.count, point.start_time_unix_nano) == (1, 20)
    (sketch,) = metrics["ml.column.value"].data.data_points
    assert sketch.count == 3


def test_bins_are_sent_beside_the_sketches_where_the_configuration_asks(sdk) -> None:
    import driftmeter

    sdk.watch(emit="bins", baseline=())
    driftmeter.record(model="m", features={"x": [1.0, 2.0]})
    points = sdk.collect(sdk.cumulative)
    assert points["ml.column.bins"][0].count == points["ml.column.value"][0].count == 2
    driftmeter.shutdown()
    sdk.watch()
    driftmeter.record(model="m", features={"x": [1.0, 2.0]})
    assert "ml.column.bins" not in sdk.collect(sdk.cumulative)
