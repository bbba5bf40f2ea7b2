"""Requests as bytes, in every form that protobuf allows, and in some that it does not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from google.protobuf.message import DecodeError as ProtobufDecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from driftmeter import DecodeError, otlp
from driftmeter.schema import Column, Model
from driftmeter.sketches import Buckets, CategoricalSketch, NumericSketch, Snapshot

COLUMN = Column("x")
_varints = st.integers(0, 2**40) | st.integers(0, 300) | st.just(0)


def _varint(value: int, *, bytes_more: int = 0) -> bytes:
    """Encode an integer, in more bytes than it needs if wanted."""
    octets = []
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    padding = [0x80] * (bytes_more - 1) + [0] if bytes_more else []
    return bytes([*octets, value | (0x80 if padding else 0), *padding])


def _field(number: int, wire_type: int, content: bytes) -> bytes:
    size = _varint(len(content)) if wire_type == 2 else b""
    return _varint(number << 3 | wire_type) + size + content


def _zigzag(value: int) -> int:
    return value * 2 if value >= 0 else -value * 2 - 1


def _request(positive: bytes, *, count: int, negative: bytes = b"", scale: int = 3) -> bytes:
    """Encode a request of one point with the bucket lists as they are."""
    point = pb.ExponentialHistogramDataPoint(count=count, scale=scale, start_time_unix_nano=1, time_unix_nano=2)
    for key, value in (("ml.model.name", "m"), ("ml.column.name", "x")):
        point.attributes.add(key=key).value.string_value = value
    wire = point.SerializeToString() + _field(8, 2, positive) + (_field(9, 2, negative) if negative else b"")
    metric = pb.Metric(name="ml.column.value", exponential_histogram={"aggregation_temporality": 1}).SerializeToString()
    # Two pieces of one message: protobuf joins them.
    metric += _field(10, 2, _field(1, 2, wire))
    return _field(1, 2, _field(2, 2, _field(2, 2, metric)))


def _read(wire: bytes) -> NumericSketch:
    (snapshot,) = otlp.snapshots([wire])
    sketch = snapshot.columns[COLUMN]
    assert isinstance(sketch, NumericSketch)
    return sketch


def _sparse(offset: int, counts: Sequence[int]) -> Buckets:
    occupied = np.flatnonzero(counts)
    return Buckets(occupied + offset, np.array(counts, dtype=np.int64)[occupied])


def _usual(offset: int, counts: list[int]) -> bytes:
    return pb.ExponentialHistogramDataPoint.Buckets(offset=offset, bucket_counts=counts).SerializeToString()


@settings(max_examples=200, deadline=None)
@given(
    positive=st.tuples(st.integers(-8000, 8000), st.lists(_varints, max_size=200)),
    negative=st.tuples(st.integers(-8000, 8000), st.lists(_varints, max_size=200)),
)
def test_bucket_counts_of_any_size_are_read_as_protobuf_reads_them(positive, negative) -> None:
    sketch = _read(_request(_usual(*positive), negative=_usual(*negative), count=sum(positive[1] + negative[1])))
    assert sketch.positive == _sparse(*positive)
    assert sketch.negative == _sparse(*negative)


_octets = st.sampled_from([0x00, 0x01, 0x03, 0x07, 0x08, 0x12, 0x7F, 0x80, 0x81, 0xFF])
_short = st.lists(_octets, min_size=1, max_size=14).map(bytes)


@settings(max_examples=1000, deadline=None)
@given(lists=st.lists(_short, min_size=2, max_size=2))
def test_whatever_bytes_buckets_are_they_are_read_as_protobuf_reads_them_or_refused(lists) -> None:
    try:
        buckets = [pb.ExponentialHistogramDataPoint.Buckets.FromString(wire) for wire in lists]
    except ProtobufDecodeError:
        with pytest.raises(DecodeError):
            otlp.snapshots([_request(lists[0], negative=lists[1], count=0)])
        return
    count = sum(sum(read.bucket_counts) for read in buckets)
    if count < 2**53 and all(abs(read.offset) < 8000 for read in buckets):
        sketch = _read(_request(lists[0], negative=lists[1], count=count))
        assert [sketch.positive, sketch.negative] == [_sparse(read.offset, read.bucket_counts) for read in buckets]
    # Near 8192, which is float64's range at scale 3, either may be.
    elif count >= 2**53 or any(abs(read.offset) > 9000 and any(read.bucket_counts) for read in buckets):
        with pytest.raises(DecodeError):
            otlp.snapshots([_request(lists[0], negative=lists[1], count=count % 2**64)])


UNUSUAL = {
    "counts before the offset": _field(2, 2, bytes([1, 0, 2])) + _field(1, 0, _varint(_zigzag(-5))),
    "counts one by one": _field(1, 0, _varint(_zigzag(-5))) + b"".join(_field(2, 0, bytes([n])) for n in (1, 0, 2)),
    "counts in two runs": _field(1, 0, _varint(_zigzag(-5))) + _field(2, 2, b"\1") + _field(2, 2, b"\0\2"),
    "an offset twice": _field(1, 0, b"\2") + _field(1, 0, _varint(_zigzag(-5))) + _field(2, 2, bytes([1, 0, 2])),
    "an offset in more bytes": _field(1, 0, _varint(9, bytes_more=6)) + _field(2, 2, bytes([1, 0, 2])),
    "a count in more bytes": _field(1, 0, b"\x09") + _field(2, 2, b"\1" + _varint(0, bytes_more=4) + b"\2"),
    "an unknown field before": _field(7, 2, b"abc") + _field(1, 0, b"\x09") + _field(2, 2, bytes([1, 0, 2])),
    "an unknown field after": _field(1, 0, b"\x09") + _field(2, 2, bytes([1, 0, 2])) + _field(9, 0, b"\7"),
}


@pytest.mark.parametrize("form", UNUSUAL)
def test_buckets_in_a_form_that_few_encoders_give_are_the_same(form) -> None:
    expected = _sparse(-5, [1, 0, 2])
    assert _read(_request(UNUSUAL[form], count=3)).positive == expected
    beside = _read(_request(UNUSUAL[form], negative=_usual(2, [300, 1]), count=304))
    assert (beside.positive, beside.negative) == (expected, _sparse(2, [300, 1]))


@pytest.mark.parametrize("wire", [_field(1, 0, b"\x09"), _field(2, 2, b""), _field(1, 0, b"\x09") + _field(2, 2, b"")])
def test_an_offset_without_counts_is_no_bucket(wire) -> None:
    assert _read(_request(wire, negative=_usual(2, [1]), count=1)).positive == _sparse(0, [])


@pytest.mark.parametrize(
    "wire",
    [
        b"\x08",
        b"\x12",
        b"\x12\x05\x01",
        b"\xff" * 40,
        b"\x08" + b"\xff" * 4000,
        _field(2, 2, b"\x01\x80"),
        _field(2, 2, b"\x80" * 10 + b"\x01"),
        _field(2, 2, b"\x80"),
    ],
    ids=[
        "no offset",
        "no size",
        "too few",
        "no tag",
        "an endless offset",
        "cut off",
        "an endless count",
        "half a count",
    ],
)
def test_bytes_that_are_no_buckets_are_refused(wire) -> None:
    for request in (_request(wire, count=1), _request(wire, negative=b"\x12\x01\x01", count=1)):
        with pytest.raises(DecodeError, match="not OTLP protobuf"):
            otlp.snapshots([request])


def test_bytes_that_are_no_request_are_refused() -> None:
    with pytest.raises(DecodeError, match="not OTLP protobuf"):
        otlp.snapshots([b"\x0a\x05abc"])


def test_more_bytes_than_the_most_buckets_take_are_refused() -> None:
    with pytest.raises(DecodeError, match="at most 65536 buckets"):
        otlp.snapshots([_request(_field(2, 2, b"\x01" * 800_000), count=800_000)])


def test_the_most_buckets_are_read_and_one_more_is_refused() -> None:
    counts = [1] + [0] * 65_534 + [200]
    sketch = _read(_request(_usual(-68_000, counts), count=201, scale=6))
    assert sketch.positive == _sparse(-68_000, counts)
    with pytest.raises(DecodeError, match="at most 65536 buckets; got 65537"):
        otlp.snapshots([_request(_usual(-68_000, [*counts, 0]), count=201, scale=6)])


def _snapshot() -> Snapshot:
    columns: dict[Column, NumericSketch | CategoricalSketch] = {
        Column("x"): NumericSketch.from_values(np.array([1.0, -2.0, 0.0, 900.0, np.inf, np.nan])),
        Column("c", kind="categorical"): CategoricalSketch({"a": 2, "b": 300}, other=1, missing=1),
    }
    return Snapshot(Model("m", "7"), 5, 9, columns)


def _wire(snapshot: Snapshot) -> bytes:
    return otlp.to_request([({}, otlp.sketch_metrics([snapshot], temporality=otlp.DELTA))]).SerializeToString()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_bytes_and_the_message_they_hold_are_read_alike(snapshots, data) -> None:
    wire = _wire(data.draw(snapshots))
    message = ExportMetricsServiceRequest.FromString(wire)
    assert otlp.snapshots([wire]) == otlp.snapshots([message])
    assert otlp.snapshots([wire, message]) == otlp.snapshots([message, wire])


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_damaged_bytes_are_read_or_refused_and_nothing_else(data) -> None:
    wire = bytearray(_wire(_snapshot()))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(wire) - 1))
        end = at + data.draw(st.integers(0, 3))
        wire[at:end] = data.draw(st.binary(max_size=3))
    try:
        decoded = otlp.snapshots([bytes(wire)])
    except DecodeError:
        return
    assert all(sketch.total >= 0 for snapshot in decoded for sketch in snapshot.columns.values())


def test_columns_beyond_what_is_read_at_once_are_read() -> None:
    values = np.concatenate([np.geomspace(1e-3, 1e3, 700), -np.geomspace(1e-3, 1e3, 300)])
    columns = {Column(f"x{i}"): NumericSketch.from_values(values * (i + 1)) for i in range(400)}
    wire = _wire(Snapshot(Model("m"), 0, 1, columns))
    assert len(wire) > 300_000
    (decoded,) = otlp.snapshots([wire])
    assert list(decoded.columns) == list(columns)
    for column, sketch in decoded.columns.items():
        assert isinstance(sketch, NumericSketch)
        assert sketch == columns[column].at_scale(sketch.scale)
