"""Data points in wire form to arrays, many at once: sketches, counts, when they are from, and what they are called.

A point's attributes stay in their wire form: they name its stream, and most of them come again and again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from driftmeter.otlp._fields import SKIPPED, Fields, find
from driftmeter.otlp._histograms import MAX_COUNT, RULES, Faults, Heads, Histograms, blame, read_histograms
from driftmeter.otlp._wire import parse, slim
from driftmeter.typing import BoolArray, Int64Array

NUMBER: Final = slim("opentelemetry.proto.metrics.v1.NumberDataPoint", ("NumberDataPoint.attributes",))

POINT_RULES: Final = (*RULES, "attributes", "times", "value")
"""What can be wrong with a point, by number; the first is that nothing is."""
_ATTRIBUTES, _TIMES, _VALUE = range(len(RULES), len(POINT_RULES))

_ATTRIBUTE, _START, _TIME, _FLAGS = range(4)
_COUNT, _SUM, _SCALE, _ZERO_COUNT, _POSITIVE, _NEGATIVE, _MIN, _MAX, _ZERO_THRESHOLD = range(4, 13)
_HISTOGRAM_SLOTS: Final = {
    0x0A: _ATTRIBUTE,
    0x11: _START,
    0x19: _TIME,
    0x21: _COUNT,
    0x29: _SUM,
    0x30: _SCALE,
    0x39: _ZERO_COUNT,
    0x42: _POSITIVE,
    0x4A: _NEGATIVE,
    0x50: _FLAGS,
    0x5A: SKIPPED,  # exemplars
    0x61: _MIN,
    0x69: _MAX,
    0x71: _ZERO_THRESHOLD,
}
_AS_DOUBLE, _AS_INT = 4, 5
_NUMBER_SLOTS: Final = {
    0x11: _START,
    0x19: _TIME,
    0x21: _AS_DOUBLE,
    0x2A: SKIPPED,  # exemplars
    0x31: _AS_INT,
    0x3A: _ATTRIBUTE,
    0x40: _FLAGS,
}


@dataclass(frozen=True, slots=True)
class PointArrays:
    """What n points of any type tell: Unix nanoseconds, and attributes in wire form.

    ``without_value`` are those that say that there is none. Of points with a fault nothing else holds.
    """

    names: list[bytes]
    starts: Int64Array
    times: Int64Array
    without_value: BoolArray
    faults: Faults


def histogram_points(
    messages: Sequence[bytes], *, max_attribute_bytes: int
) -> tuple[PointArrays, Histograms, list[bytes]]:
    """Read ``ExponentialHistogramDataPoint`` messages; also return their bucket lists: 2i is the positive of point i.

    Raises:
        DecodeError: One is no such message.
    """
    messages, fields, faults = _found(messages, pb.ExponentialHistogramDataPoint, _HISTOGRAM_SLOTS, 0x0A)
    told = fields.starts >= 0
    heads = Heads(
        scales=_zigzag(fields.varint(_SCALE)),
        counts=fields.fixed64(_COUNT),
        zero_counts=fields.fixed64(_ZERO_COUNT),
        sums=fields.double(_SUM),
        least=fields.double(_MIN),
        most=fields.double(_MAX),
        tell_least=told[_MIN],
        tell_most=told[_MAX],
        zero_thresholds=fields.double(_ZERO_THRESHOLD),
    )
    lists = [b""] * (2 * len(messages))
    lists[::2] = _slices(messages, fields, _POSITIVE)
    lists[1::2] = _slices(messages, fields, _NEGATIVE)
    sizes = np.fromiter(map(len, lists), dtype=np.int64, count=len(lists))
    histograms, wrong = read_histograms(heads, list(filter(None, lists)), np.flatnonzero(sizes))
    points = _points(messages, fields, np.where(faults > 0, faults, wrong), max_attribute_bytes)
    return points, histograms, lists


def number_points(messages: Sequence[bytes], *, max_attribute_bytes: int) -> tuple[PointArrays, Int64Array]:
    """Read ``NumberDataPoint`` messages that hold counts; also return these.

    Raises:
        DecodeError: One is no such message.
    """
    messages, fields, faults = _found(messages, pb.NumberDataPoint, _NUMBER_SLOTS, 0x3A)
    values = fields.fixed64(_AS_INT)
    doubles = fields.double(_AS_DOUBLE)
    whole = (doubles >= 0) & (doubles < MAX_COUNT) & (doubles == np.floor(doubles))
    values = np.where(fields.starts[_AS_DOUBLE] >= 0, np.where(whole, doubles, -1.0).astype(np.int64), values)
    points = _points(messages, fields, faults, max_attribute_bytes)
    blame(points.faults, (values < 0) | (values >= MAX_COUNT), _VALUE)
    return points, values


def _found(
    messages: Sequence[bytes], kind: Any, slots: dict[int, int], repeated: int
) -> tuple[Sequence[bytes], Fields, Faults]:
    """Find the fields; where a message has an unusual form, after all have been brought into the usual one."""
    faults: Faults = np.zeros(len(messages), dtype=np.int8)
    fields = find(messages, slots, repeated=repeated)
    unusual = fields.unusual
    if kind is pb.NumberDataPoint:
        # Of the two the one that comes last counts.
        unusual = unusual | ((fields.starts[_AS_INT] >= 0) & (fields.starts[_AS_DOUBLE] >= 0))
    if unusual.any():
        messages = [_in_usual_form(kind, message) for message in messages]
        fields = find(messages, slots, repeated=repeated)
        # They have more attributes than any point of ours.
        faults[fields.unusual] = _ATTRIBUTES
    return messages, fields, faults


def _in_usual_form(kind: Any, wire: bytes) -> bytes:
    message = parse(kind, wire)
    message.DiscardUnknownFields()
    message.ClearField("exemplars")
    usual: bytes = message.SerializeToString(deterministic=True)
    return usual


def _points(messages: Sequence[bytes], fields: Fields, faults: Faults, max_attribute_bytes: int) -> PointArrays:
    too_long = fields.ends[_ATTRIBUTE] - fields.starts[_ATTRIBUTE] > max_attribute_bytes
    blame(faults, too_long, _ATTRIBUTES)
    starts, times = fields.fixed64(_START), fields.fixed64(_TIME)
    # What is beyond int64 is negative here.
    blame(faults, (starts < 0) | (times < starts), _TIMES)
    names = _slices(messages, fields, _ATTRIBUTE, but=faults == _ATTRIBUTES)
    flags = fields.varint(_FLAGS)
    without_value = flags & pb.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK != 0
    return PointArrays(names, starts, times, without_value, faults)


def _slices(messages: Sequence[bytes], fields: Fields, slot: int, *, but: BoolArray | None = None) -> list[bytes]:
    """Return a field's content of each message; nothing where there is none, or it is not to be returned."""
    starts, ends = fields.starts[slot], fields.ends[slot]
    there = (starts >= 0) & ~fields.unusual
    if but is not None:
        there &= ~but
    if not there.any():
        return [b""] * len(messages)
    starts = np.where(there, starts - fields.offsets, 0).tolist()
    ends = np.where(there, ends - fields.offsets, 0).tolist()
    return [message[start:end] for message, start, end in zip(messages, starts, ends, strict=True)]


def _zigzag(values: Int64Array) -> Int64Array:
    return (values >> 1) ^ -(values & 1)
