"""200 columns to the SDK's metric points, through the SDK's encoder, and back from protobuf."""

from __future__ import annotations

import numpy as np
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from driftmeter import otlp
from driftmeter.schema import Column, Model
from driftmeter.sketches import NumericSketch, Snapshot


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    rng = np.random.default_rng(0)
    columns = {Column(f"n{i}"): NumericSketch.from_values(rng.normal(size=10_000)) for i in range(100)}
    columns |= {Column(f"l{i}"): NumericSketch.from_values(rng.lognormal(size=10_000)) for i in range(100)}
    return Snapshot(Model("m"), 1, 2, columns)


def test_200_columns_to_sdk_points(benchmark, snapshot):
    metrics = benchmark(otlp.sketch_metrics, [snapshot], temporality=otlp.DELTA)
    (values,) = (metric for metric in metrics if metric.name == "ml.column.value")
    assert sum(point.count for point in values.data.data_points) == 200 * 10_000


def test_200_columns_from_protobuf(benchmark, snapshot):
    metrics = otlp.sketch_metrics([snapshot], temporality=otlp.DELTA)
    wire = otlp.to_request([({}, metrics)]).SerializeToString()

    def read():
        return otlp.snapshots([ExportMetricsServiceRequest.FromString(wire)])

    (back,) = benchmark(read)
    for column, sketch in snapshot.columns.items():
        assert back.columns[column] == sketch.at_scale(back.columns[column].scale)
    benchmark.extra_info["bytes_a_column"] = round(len(wire) / 200)


def test_what_the_sdks_encoder_adds(benchmark, snapshot):
    metrics = otlp.sketch_metrics([snapshot], temporality=otlp.DELTA)
    request = benchmark(otlp.to_request, [({}, metrics)])
    assert len(request.resource_metrics[0].scope_metrics[0].metrics) == len(metrics)
