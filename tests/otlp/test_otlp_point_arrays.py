"""Points as arrays: whatever form protobuf allows is read as protobuf reads it, and every rule is kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError as ProtobufDecodeError
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from driftmeter import DecodeError, otlp
from driftmeter.otlp import POINT_RULES, histogram_points, number_points

Histogram, Number = pb.ExponentialHistogramDataPoint, pb.NumberDataPoint
MANY = 10_000


def _histogram(**fields: Any) -> Histogram:
    fields = {
        "scale": 3,
        "count": 7,
        "zero_count": 1,
        "sum": 12.5,
        "positive": {"offset": -4, "bucket_counts": [1, 0, 3]},
        "negative": {"offset": 2, "bucket_counts": [2]},
        "start_time_unix_nano": 100,
        "time_unix_nano": 200,
        "min": -1.2,
        "max": 0.9,
        **fields,
    }
    point = Histogram(**{name: value for name, value in fields.items() if value is not None})
    for key, value in (("ml.model.name", "m"), ("ml.column.name", "x" * 150)):
        point.attributes.add(key=key).value.string_value = value
    return point


def _fields(wire: bytes) -> list[bytes]:
    """Return the fields of a message, each with its tag."""
    found, at = [], 0
    while at < len(wire):
        start, tag = at, wire[at]
        at += 1
        if tag & 7 == 1:
            at += 8
        else:
            size = shift = 0
            while True:
                size |= (wire[at] & 0x7F) << shift
                shift, at = shift + 7, at + 1
                if wire[at - 1] < 0x80:
                    break
            at += size if tag & 7 == 2 else 0
        found.append(wire[start:at])
    return found


def _read(*wires: bytes) -> tuple[Any, Any]:
    points, histograms, _ = histogram_points(wires, max_attribute_bytes=MANY)
    return points, histograms


def _assert_read_as(wire: bytes, point: Histogram) -> None:
    for beside in ((), (_histogram().SerializeToString(),) * 2):  # alone, and among others
        points, histograms = _read(wire, *beside)
        assert POINT_RULES[points.faults[0]] == ""
        assert (points.starts[0], points.times[0]) == (point.start_time_unix_nano, point.time_unix_nano)
        assert histograms.counts[0] == point.count
        assert histograms.zero_counts[0] == point.zero_count
        assert histograms.scales[0] == point.scale
        assert histograms.sums[0] == point.sum
        sides = histograms.sides
        for side, buckets in enumerate((point.positive, point.negative)):
            held = slice(sides.starts[side], sides.ends[side])
            occupied = np.flatnonzero(list(buckets.bucket_counts))
            assert sides.indexes[held].tolist() == (occupied + buckets.offset).tolist()
            assert sides.counts[held].tolist() == [buckets.bucket_counts[at] for at in occupied]


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_fields_are_read_in_whatever_order_they_come(data) -> None:
    point = _histogram()
    parts = data.draw(st.permutations(_fields(point.SerializeToString())))
    _assert_read_as(b"".join(parts), point)


def test_attributes_that_are_not_together_are_the_same_series() -> None:
    first, second, *rest = _fields(_histogram().SerializeToString())
    points, _ = _read(b"".join([first, *rest, second]), _histogram().SerializeToString())
    assert points.names[0] == points.names[1]


@pytest.mark.parametrize(
    "more",
    [
        Histogram(exemplars=[{"as_double": 1.0}]).SerializeToString(),
        bytes([0xFA, 0x07, 3]) + b"new",
        bytes([0x7A, 3]) + b"new",
        bytes([0x7D]) + b"1234",
        Histogram(sum=3.0).SerializeToString() + Histogram(sum=12.5).SerializeToString(),
        Histogram(positive={"offset": -4, "bucket_counts": []}).SerializeToString(),
    ],
    ids=["an exemplar", "a field of a high number", "an unknown field", "32 bits", "a field twice", "buckets twice"],
)
def test_what_is_unusual_is_read_as_protobuf_reads_it(more) -> None:
    for wire in (_histogram().SerializeToString() + more, more + _histogram().SerializeToString()):
        point = Histogram.FromString(wire)
        _assert_read_as(wire, point)


def test_points_with_and_without_any_field_are_read_together() -> None:
    points = [
        _histogram(),
        _histogram(count=3, negative=None, positive={"bucket_counts": [2]}, min=None, max=1.05),
        _histogram(sum=None, max=None),
        Histogram(scale=3),
        _histogram(flags=2, zero_threshold=1e-9),
    ]
    read, histograms = _read(*(point.SerializeToString() for point in points))
    assert read.faults.tolist() == [0] * len(points)
    assert histograms.counts.tolist() == [point.count for point in points]
    assert histograms.sums.tolist() == [point.sum for point in points]
    assert np.isnan(histograms.least[3])


def test_a_point_without_a_value_says_so() -> None:
    flag = pb.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
    points, _ = _read(Histogram(flags=flag, scale=3).SerializeToString(), _histogram().SerializeToString())
    assert points.without_value.tolist() == [True, False]
    numbers, _ = number_points([Number(flags=flag).SerializeToString(), b""], max_attribute_bytes=MANY)
    assert numbers.without_value.tolist() == [True, False]


@pytest.mark.parametrize(
    ("rule", "fields"),
    [
        ("scale", {"scale": 21}),
        ("scale", {"scale": -(2**31)}),
        ("buckets", {"positive": {"bucket_counts": [1] * 65_537}, "count": 65_540}),
        ("buckets", {"positive": {"bucket_counts": [1] * 800_000}, "count": 800_003}),
        ("counts", {"positive": {"bucket_counts": [2**53]}, "count": 2**53 + 3}),
        ("counts", {"positive": {"bucket_counts": [2**64 - 1, 1]}, "count": 3}),
        ("range", {"positive": {"offset": 2**31 - 1, "bucket_counts": [4]}}),
        ("range", {"negative": {"offset": -(2**31), "bucket_counts": [2]}}),
        ("count", {"count": 8}),
        ("count", {"count": 2**64 - 1}),
        ("count", {"zero_count": 2**64 - 1, "count": 5}),
        ("extremes", {"max": float("nan")}),
        ("extremes", {"min": 0.8}),
        ("extremes", {"min": 3.0, "max": 2.0}),
        ("times", {"start_time_unix_nano": 201}),
        ("times", {"start_time_unix_nano": 2**63, "time_unix_nano": 2**63 + 1}),
    ],
)
def test_a_point_that_breaks_a_rule_is_told_by_itself(rule, fields) -> None:
    points, histograms = _read(*(_histogram(**given).SerializeToString() for given in ({}, fields, {})))
    assert [POINT_RULES[fault] for fault in points.faults] == ["", rule, ""]
    assert histograms.counts[[0, 2]].tolist() == [7, 7]


def test_attributes_beyond_the_limit_are_not_even_copied() -> None:
    long, many = _histogram(), _histogram()
    long.attributes.add(key="k").value.string_value = "v" * 10_000_000
    for i in range(200):
        many.attributes.add(key=f"k{i}").value.int_value = 1
    points, _ = _read(*(point.SerializeToString() for point in (long, _histogram(), many)))
    assert [POINT_RULES[fault] for fault in points.faults] == ["attributes", "", "attributes"]
    assert points.names[0] == points.names[2] == b""


@pytest.mark.parametrize(
    ("value", "count"),
    [
        ({"as_int": 3}, 3),
        ({"as_int": 0}, 0),
        ({}, 0),
        ({"as_double": 3.0}, 3),
        ({"as_int": -1}, None),
        ({"as_int": 2**53}, None),
        ({"as_double": 0.5}, None),
        ({"as_double": -1.0}, None),
        ({"as_double": float("nan")}, None),
        ({"as_double": float("inf")}, None),
    ],
)
def test_a_number_is_a_count_or_is_refused(value, count) -> None:
    wires = [Number(**given).SerializeToString() for given in ({"as_int": 1}, value, {"as_double": 2.0})]
    points, counts = number_points(wires, max_attribute_bytes=MANY)
    assert [POINT_RULES[fault] for fault in points.faults] == ["", "value" if count is None else "", ""]
    assert counts[[0, 2]].tolist() == [1, 2]
    assert count is None or counts[1] == count


def test_of_two_values_of_a_number_the_last_one_counts() -> None:
    double, integer = Number(as_double=4.0).SerializeToString(), Number(as_int=3).SerializeToString()
    points, counts = number_points([double + integer, integer + double], max_attribute_bytes=MANY)
    assert not points.faults.any()
    assert counts.tolist() == [3, 4]


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_damaged_points_are_what_protobuf_takes_them_for(data) -> None:
    good = _histogram().SerializeToString()
    wire = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(wire) - 1))
        wire[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        points, histograms = _read(good, bytes(wire), good)
    except DecodeError:
        return
    assert points.faults[[0, 2]].tolist() == [0, 0]
    try:
        point = Histogram.FromString(bytes(wire))
    except ProtobufDecodeError:
        # Only attributes are not looked into: who reads them finds out.
        with pytest.raises(ProtobufDecodeError):
            Histogram.FromString(points.names[1])
        return
    assert histograms.counts[1] == np.array(point.count, dtype=np.uint64).view(np.int64)
    assert points.times[1] == np.array(point.time_unix_nano, dtype=np.uint64).view(np.int64)


_changes = st.fixed_dictionaries(
    {},
    optional={
        "scale": st.integers(-1, 22),
        "count": st.integers(0, 12),
        "zero_count": st.integers(0, 3),
        "sum": st.floats() | st.none(),
        "min": st.floats() | st.none() | st.floats(-2, 2),
        "max": st.floats() | st.none() | st.floats(-2, 2),
        "positive": st.fixed_dictionaries(
            {"offset": st.integers(-(2**31), 2**31 - 1) | st.integers(-20, 20)},
            optional={"bucket_counts": st.lists(st.integers(0, 3), max_size=5)},
        ),
    },
)


@settings(max_examples=300, deadline=None)
@given(changes=_changes)
def test_points_keep_the_rules_that_snapshots_keep(changes) -> None:
    point = _histogram(**changes)
    if "count" not in changes:
        point.count = point.zero_count + sum((*point.positive.bucket_counts, *point.negative.bucket_counts))
    assume(point.count or point.zero_count)
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="ml.column.value")
    metric.exponential_histogram.data_points.append(point)
    points, histograms = _read(point.SerializeToString())
    try:
        (snapshot,) = otlp.snapshots([request])
    except DecodeError:
        assert points.faults[0]
        return
    assert not points.faults[0]
    (sketch,) = snapshot.columns.values()
    assert (sketch.scale, sketch.zero_count, sketch.count) == (
        histograms.scales[0],
        histograms.zero_counts[0],
        histograms.counts[0],
    )
    assert np.array_equal((sketch.min, sketch.max, sketch.sum), _told(histograms), equal_nan=True)


def _told(histograms: Any) -> tuple[float, float, float]:
    return histograms.least[0], histograms.most[0], histograms.sums[0]
