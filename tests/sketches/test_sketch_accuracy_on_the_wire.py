"""What sketches tell of a shift they tell after a way over OTLP too: as protobuf, as JSON."""

from __future__ import annotations

import numpy as np
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from scipy.stats import ks_2samp
from sketch_distributions import DISTRIBUTIONS
from test_sketch_accuracy import SIZES, ks_distance

from driftmeter import otlp
from driftmeter.schema import Column, Model
from driftmeter.sketches import NumericSketch, Snapshot

MOST_BYTES = 2500
"""What a column's points may take before compression, their attributes included."""


def _sent(sketch: NumericSketch):
    snapshot = Snapshot(Model("m"), 1, 2, {Column("x"): sketch})
    return otlp.to_request([({}, otlp.sketch_metrics([snapshot], temporality=otlp.DELTA))])


def _bytes_of_points(request) -> int:
    metrics = request.resource_metrics[0].scope_metrics[0].metrics
    return sum(
        point.ByteSize()
        for metric in metrics
        for data in (metric.exponential_histogram, metric.sum)
        for point in data.data_points
    )


def _by_protobuf(request):
    return [ExportMetricsServiceRequest.FromString(request.SerializeToString())]


def _by_json(request):
    return otlp.from_json(otlp.to_json(request))


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@pytest.mark.parametrize("way", [_by_protobuf, _by_json])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_distance_to_a_shifted_copy_is_that_of_the_raw_values(name, size, way) -> None:
    draw, shift = DISTRIBUTIONS[name]
    rng = np.random.default_rng(size)
    before, after = draw(rng, size), draw(rng, size) + shift
    arrived = []
    for values in (before, after):
        request = _sent(NumericSketch.from_values(np.asarray(values, dtype=np.float64)))
        assert _bytes_of_points(request) <= MOST_BYTES
        (snapshot,) = otlp.snapshots(way(request))
        arrived.append(snapshot.columns[Column("x")])
    expected = ks_2samp(before, after, method="asymp").statistic
    assert ks_distance(*arrived) == pytest.approx(expected, abs=0.01)
