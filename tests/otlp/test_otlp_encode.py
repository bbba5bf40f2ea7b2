"""Our encoder says what the SDK's says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.metrics.export import (
    Gauge,
    Histogram,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from driftmeter import Baseline, otlp

RESOURCE = {"service.name": "s", "n": 1, "f": 1.5, "b": True, "l": ["x", "y"]}


def both(metrics: list[Metric]) -> tuple[ExportMetricsServiceRequest, ExportMetricsServiceRequest]:
    scope = ScopeMetrics(InstrumentationScope("scope", schema_url="url"), metrics, "url")
    theirs = encode_metrics(MetricsData([ResourceMetrics(Resource(RESOURCE), [scope], "")]))
    ours = otlp.encode_request(metrics, resource=RESOURCE, scope="scope", schema_url="url")
    return ExportMetricsServiceRequest.FromString(ours), theirs


VALUES = st.one_of(st.text(max_size=200), st.integers(-(2**63), 2**63 - 1), st.booleans(), st.floats(allow_nan=False))
ATTRIBUTES = st.dictionaries(st.text(min_size=1, max_size=20), VALUES, max_size=4)
TIMES = st.integers(0, 2**63 - 1)
NUMBERS = st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))


@given(points=st.lists(st.tuples(ATTRIBUTES, TIMES, TIMES, NUMBERS), min_size=1, max_size=4), monotonic=st.booleans())
def test_gauges_and_sums_are_what_the_sdks_encoder_makes_of_them(points, monotonic) -> None:
    made = [NumberDataPoint(*point) for point in points]
    for data in (Gauge(made), Sum(made, otlp.DELTA, is_monotonic=monotonic)):
        ours, theirs = both([Metric("name", "says", "1", data)])
        assert ours == theirs


@pytest.mark.parametrize("rows", [1, 10, 1000, 100_000])
def test_sketches_are_what_the_sdks_encoder_makes_of_them(rows) -> None:
    rng = np.random.default_rng(rows)
    frame = {
        "normal": rng.normal(size=rows),
        "negative": -rng.lognormal(size=rows),
        "zeros": np.zeros(rows),
        "sentinel": np.where(rng.random(rows) < 0.1, -999.0, rng.normal(2000, 5, rows)),
        "missing": np.full(rows, np.nan),
        "category": rng.choice(["a", "b", "ü"], rows),
    }
    snapshot = Baseline.from_frame(frame, model="m", version="1").snapshot
    ours, theirs = both(otlp.sketch_metrics([snapshot], temporality=otlp.DELTA))
    assert ours == theirs
    assert otlp.snapshots([ours]) == otlp.snapshots([theirs])


def test_other_kinds_are_refused() -> None:
    with pytest.raises(TypeError, match="gauge, a sum or an exponential histogram; got Histogram"):
        otlp.encode_request([Metric("h", "", "", Histogram([], otlp.DELTA))], resource={}, scope="s")
