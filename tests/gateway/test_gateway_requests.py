"""What is ours is taken out of a request, and the rest is passed on as it came."""

from __future__ import annotations

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from driftmeter import DecodeError, otlp, semconv
from driftmeter.gateway.streams._origins import Origins
from driftmeter.gateway.streams._requests import part
from driftmeter.schema import Column, Model
from driftmeter.sketches import CategoricalSketch, Snapshot

SNAPSHOT = Snapshot(Model("m"), 1, 2, {Column("c", kind="categorical"): CategoricalSketch({"a": 1})})
UNKNOWN = bytes([0xFA, 0x07, 3]) + b"new"
"""A field of the number 127, which OTLP does not have."""


def _ours(attributes=None) -> ExportMetricsServiceRequest:
    return otlp.to_request([(attributes or {}, otlp.sketch_metrics([SNAPSHOT], temporality=otlp.DELTA))])


def _foreign() -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    scope = request.resource_metrics.add().scope_metrics.add()
    scope.metrics.add(name="http.server.request.duration").histogram.data_points.add(count=3)
    scope.metrics.add(name="ml.drift.detected").gauge.data_points.add(as_double=1)
    scope.metrics.add(name="ml.column.value").gauge.data_points.add(as_double=1)
    return request


def _part(body: bytes):
    return part(body, Origins(1 << 16))


def test_a_request_without_anything_of_ours_is_passed_on_byte_for_byte() -> None:
    body = _foreign().SerializeToString() + UNKNOWN
    parted = _part(body)
    assert (parted.rest, parted.blocks, parted.baselines) == (body, [], [])


def test_of_a_request_of_ours_alone_nothing_is_left() -> None:
    parted = _part(_ours().SerializeToString())
    assert parted.rest is None
    assert [block.metric for block in parted.blocks] == ["ml.column.categories", "ml.column.missing"]


def test_an_empty_request_is_nothing() -> None:
    parted = _part(b"")
    assert (parted.rest, parted.blocks, parted.baselines) == (None, [], [])


def test_metrics_of_others_in_the_same_scope_are_left_and_ours_are_not() -> None:
    request = _ours()
    scope = request.resource_metrics[0].scope_metrics[0]
    scope.metrics.extend(_foreign().resource_metrics[0].scope_metrics[0].metrics)
    parted = _part(request.SerializeToString())
    left = ExportMetricsServiceRequest.FromString(parted.rest)
    assert left.resource_metrics[0].scope_metrics[0].metrics == _foreign().resource_metrics[0].scope_metrics[0].metrics
    assert left.resource_metrics[0].scope_metrics[0].scope == scope.scope
    assert len(parted.blocks) == 2


@pytest.mark.parametrize("place", ["request", "resource", "scope", "metric", "point"])
def test_unknown_fields_survive_wherever_they_are(place) -> None:
    def with_unknown(request: ExportMetricsServiceRequest) -> ExportMetricsServiceRequest:
        resource = request.resource_metrics[0]
        scope = resource.scope_metrics[0]
        metric = scope.metrics[0]
        at = {"request": request, "resource": resource, "scope": scope, "metric": metric}
        (at[place] if place != "point" else metric.histogram.data_points[0]).MergeFromString(UNKNOWN)
        return request

    foreign = with_unknown(_foreign())
    both = ExportMetricsServiceRequest.FromString(_ours().SerializeToString() + foreign.SerializeToString())
    assert ExportMetricsServiceRequest.FromString(_part(both.SerializeToString()).rest) == foreign


def test_a_scope_or_resource_that_tells_something_unknown_is_left_even_without_metrics() -> None:
    request = _ours()
    request.resource_metrics[0].scope_metrics[0].MergeFromString(UNKNOWN)
    left = ExportMetricsServiceRequest.FromString(_part(request.SerializeToString()).rest)
    (scope,) = left.resource_metrics[0].scope_metrics
    assert not scope.metrics
    assert scope.SerializeToString().endswith(UNKNOWN)


def test_baselines_are_taken_out_whole_with_their_blocks_and_their_resource() -> None:
    request = _ours({semconv.ML_BASELINE_KIND: "training"})
    request.resource_metrics[0].scope_metrics.extend(
        _ours({semconv.ML_BASELINE_BLOCK: 0}).resource_metrics[0].scope_metrics
    )
    request.resource_metrics[0].resource.attributes.add(key="service.name").value.string_value = "trainer"
    traffic = _ours()
    traffic.resource_metrics[0].resource.CopyFrom(request.resource_metrics[0].resource)
    parted = _part(request.SerializeToString() + traffic.SerializeToString())
    ((service, baseline),) = parted.baselines
    assert service.name == "trainer"
    assert ExportMetricsServiceRequest.FromString(baseline) == request
    assert len(parted.blocks) == 2
    assert parted.rest is None


@pytest.mark.parametrize("body", [b"\x0a\x05abc", b"\xff", b"not protobuf at all", _ours().SerializeToString()[:-1]])
def test_bytes_that_are_no_request_are_refused(body) -> None:
    with pytest.raises(DecodeError, match="not OTLP protobuf"):
        _part(body)


def test_what_is_wrong_deep_inside_of_what_would_be_passed_on_is_refused() -> None:
    request = _foreign()
    body = request.SerializeToString().replace(b"ml.drift.detected", b"ml.drift.\xff\xffected")
    with pytest.raises(DecodeError, match="not OTLP protobuf"):
        _part(body)
    with pytest.raises(DecodeError, match="not OTLP protobuf"):
        _part(_ours().SerializeToString() + body)
