"""Columns to the SDK's metric points, through the SDK's encoder, and back from protobuf.

pytest benchmarks/otlp --benchmark-timer=time.process_time --benchmark-json=otlp.json
python benchmarks/otlp/table.py otlp.json

Half of the columns are normal and half lognormal; ``mixed`` ones are categorical in every fifth place. What is timed is
asserted first.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.metrics.export import AggregationTemporality

from driftmeter import otlp
from driftmeter.schema import Column, Model
from driftmeter.sketches import CategoricalSketch, NumericSketch, Snapshot

ROWS = 5_000
CATEGORIES = 20


def _snapshot(columns: int, *, mixed: bool = False, rows: int = ROWS) -> Snapshot:
    rng = np.random.default_rng(0)
    sketches: dict[Column, NumericSketch | CategoricalSketch] = {}
    for i in range(columns):
        if mixed and i % 5 == 0:
            values = rng.integers(0, CATEGORIES, rows)
            sketches[Column(f"column_{i}", kind="categorical")] = CategoricalSketch.from_values(values)
        else:
            numbers = rng.normal(size=rows) if i % 2 else rng.lognormal(size=rows)
            sketches[Column(f"column_{i}")] = NumericSketch.from_values(numbers)
    return Snapshot(Model("model"), 1, 2, sketches)


def _metrics(snapshot: Snapshot) -> list:
    return otlp.sketch_metrics([snapshot], temporality=otlp.DELTA)


def _wire(snapshot: Snapshot) -> bytes:
    return otlp.to_request([({}, _metrics(snapshot))]).SerializeToString()


def _assert_same(decoded: list[Snapshot], snapshot: Snapshot) -> None:
    (back,) = decoded
    assert (back.model, back.start, back.end) == (snapshot.model, snapshot.start, snapshot.end)
    assert back.columns.keys() == snapshot.columns.keys()
    for column, sketch in back.columns.items():
        wanted = snapshot.columns[column]
        assert sketch == (wanted.at_scale(sketch.scale) if isinstance(sketch, NumericSketch) else wanted)


def _assert_whole(metrics: list, snapshot: Snapshot) -> None:
    (values,) = (metric for metric in metrics if metric.name == "ml.column.value")
    numeric = [sketch for sketch in snapshot.columns.values() if isinstance(sketch, NumericSketch)]
    assert sum(point.count for point in values.data.data_points) == sum(sketch.count for sketch in numeric)
    assert {type(count) for point in values.data.data_points for count in point.positive.bucket_counts} == {int}
    _assert_same(otlp.snapshots([_wire(snapshot)]), snapshot)


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return _snapshot(200)


@pytest.fixture(scope="module")
def mixed() -> Snapshot:
    return _snapshot(200, mixed=True)


def test_full_columns_are_measured(snapshot):
    occupied = [len(sketch.positive) + len(sketch.negative) for sketch in snapshot.columns.values()]
    assert min(occupied) > 400


@pytest.mark.parametrize("columns", [50, 200, 800])
def test_numeric_to_sdk_points(benchmark, columns):
    full = _snapshot(columns)
    _assert_whole(_metrics(full), full)
    benchmark.extra_info["columns"] = columns
    benchmark(_metrics, full)


@pytest.mark.parametrize("columns", [50, 200, 800])
def test_numeric_from_protobuf_bytes_parsing_included(benchmark, columns):
    full = _snapshot(columns)
    wire = _wire(full)
    _assert_same(otlp.snapshots([wire]), full)
    benchmark.extra_info |= {"columns": columns, "bytes_a_column": round(len(wire) / columns)}
    benchmark(lambda: otlp.snapshots([wire]))


def test_numeric_from_a_message_parsing_included(benchmark, snapshot):
    wire = _wire(snapshot)

    def read() -> list[Snapshot]:
        return otlp.snapshots([ExportMetricsServiceRequest.FromString(wire)])

    _assert_same(read(), snapshot)
    benchmark.extra_info["columns"] = 200
    benchmark(read)


def test_numeric_of_100_000_rows_from_protobuf_bytes_parsing_included(benchmark):
    full = _snapshot(200, rows=100_000)
    wire = _wire(full)
    _assert_same(otlp.snapshots([wire]), full)
    benchmark.extra_info["columns"] = 200
    benchmark(lambda: otlp.snapshots([wire]))


def test_running_totals_to_sdk_points(benchmark, snapshot):
    layouts: otlp.Layouts = defaultdict(otlp.Layout)

    def write() -> list:
        points = otlp.sketch_points(snapshot, layouts=layouts)
        return otlp.points_metrics([points], temporality=AggregationTemporality.CUMULATIVE)

    _assert_whole(write(), snapshot)
    benchmark.extra_info["columns"] = 200
    benchmark(write)


def test_mixed_to_sdk_points(benchmark, mixed):
    _assert_whole(_metrics(mixed), mixed)
    benchmark.extra_info["columns"] = 200
    benchmark(_metrics, mixed)


def test_mixed_from_protobuf_bytes_parsing_included(benchmark, mixed):
    wire = _wire(mixed)
    _assert_same(otlp.snapshots([wire]), mixed)
    benchmark.extra_info["columns"] = 200
    benchmark(lambda: otlp.snapshots([wire]))


def test_what_the_sdks_encoder_adds(benchmark, snapshot):
    metrics = _metrics(snapshot)
    request = otlp.to_request([({}, metrics)])
    assert len(request.resource_metrics[0].scope_metrics[0].metrics) == len(metrics)
    benchmark.extra_info["columns"] = 200
    benchmark(otlp.to_request, [({}, metrics)])


def test_what_protobuf_takes_to_parse_all_of_it(benchmark, snapshot):
    wire = _wire(snapshot)
    assert len(ExportMetricsServiceRequest.FromString(wire).resource_metrics) == 1
    benchmark.extra_info["columns"] = 200
    benchmark(ExportMetricsServiceRequest.FromString, wire)
