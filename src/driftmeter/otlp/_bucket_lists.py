"""Buckets out of their wire form, many lists at once.

protobuf's Python containers give one integer at a time, a tenth of a microsecond each. But in the form that encoders
give it, a bucket list is nothing but varints: seven bits a byte, the lowest first, the top bit set on all but the last
byte. An offset of 150, and four counts in six bytes::

    wire     08 | ac 02 | 12 | 06 | 07 | 80 01 | ac 02 | 00
    means   tag |   150 | tag|   6 |  7 |  128  |  300  |  0        ac 02 is 0x2c + (0x02 << 7) = 300, the double of 150

What is before the counts is read for all lists together, and then overwritten with zeros: empty buckets, before the
first one, which do no harm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from driftmeter.exceptions import DecodeError
from driftmeter.otlp._varints import LONGEST, LONGEST_HERE, MORE, Octets, varints
from driftmeter.otlp._wire import parse
from driftmeter.typing import AnyArray, Int64Array

MAX_BUCKETS: Final = 1 << 16
"""Buckets of one sign that a point may have."""
MAX_BYTES: Final = 12 * MAX_BUCKETS
"""What they take at most, in whatever form."""

_OFFSET_TAG: Final = 0x08
_COUNTS_TAG: Final = 0x12
_HEADER: Final = 2 + 2 * LONGEST_HERE
"""Bytes before the counts, at most: so many may be looked at, whatever they are."""


@dataclass(frozen=True, slots=True)
class BucketLists:
    """Dense bucket lists, one after the other.

    ``counts``, of any integer type, has those of list k from ``starts[k]`` on, which is before ``starts[k + 1]``; one
    beyond int64 is negative. Its first bucket has the index ``firsts[k]``; ``sizes[k]`` is how many were sent.
    """

    counts: AnyArray
    starts: Int64Array
    sizes: Int64Array
    firsts: Int64Array


def read(wires: Sequence[bytes]) -> BucketLists:
    """Return the buckets in protobuf ``Buckets`` messages, of which there are some, none of them empty.

    Raises:
        DecodeError: The bytes are no such message.
    """
    padded: Octets = np.frombuffer(bytearray().join((*wires, bytes(_HEADER))), dtype=np.uint8)
    ends = np.fromiter(map(len, wires), dtype=np.int64, count=len(wires)).cumsum()
    starts = np.append(0, ends[:-1])
    offsets, counts_at, told_ends = _headers(padded, starts)
    unusual = np.flatnonzero(told_ends != ends)
    if len(unusual):
        usual = list(wires)
        for k in unusual.tolist():
            usual[k] = _in_usual_form(wires[k])
        return read(usual)
    headers = counts_at - starts
    for place in range(int(headers.max())):
        padded[starts[headers > place] + place] = 0
    octets = padded[: ends[-1]]
    counts, starts, lengths = _counts(octets, starts, ends)
    return BucketLists(counts, starts, lengths - headers, offsets - headers)


def _headers(octets: Octets, starts: Int64Array) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Return each list's offset, where its counts start, and where they should end: -1 if it has not the usual form."""
    has_offset = octets[starts] == _OFFSET_TAG
    zigzag, behind = varints(octets, starts + 1)
    offsets = np.where(has_offset, (zigzag >> 1) ^ -(zigzag & 1), 0)
    tags = np.where(has_offset, behind, starts)
    sizes, counts_at = varints(octets, tags + 1)
    usual = (octets[tags] == _COUNTS_TAG) & (sizes >= 0) & ~(has_offset & (zigzag >> 32 != 0))
    return offsets, counts_at, np.where(usual, counts_at + sizes, -1)


def _in_usual_form(wire: bytes) -> bytes:
    message = pb.ExponentialHistogramDataPoint.Buckets
    buckets = parse(message, wire)
    if not buckets.bucket_counts:
        return bytes((_COUNTS_TAG, 0))
    return message(offset=buckets.offset, bucket_counts=buckets.bucket_counts).SerializeToString()


def _counts(octets: Octets, starts: Int64Array, ends: Int64Array) -> tuple[AnyArray, Int64Array, Int64Array]:
    """Return the varints of all lists, where those of each start, and how many they are."""
    last = octets < MORE
    if last.all():
        return octets, starts, ends - starts
    if not last[ends - 1].all():
        raise DecodeError("it is not OTLP protobuf: a bucket count is cut off")
    last_octets = last.nonzero()[0]
    bounds = np.searchsorted(last_octets, ends)
    return _joined(octets, last_octets), np.append(0, bounds[:-1]), np.diff(bounds, prepend=0)


def _joined(octets: Octets, ends: Int64Array) -> Int64Array:
    """Return the varints whose last bytes are at the places."""
    starts = np.append(0, ends[:-1] + 1)
    digits = octets & (MORE - 1)
    values: Int64Array = digits[starts].astype(np.int64)
    longer = (ends > starts).nonzero()[0]
    for place in range(1, LONGEST):
        values[longer] += digits[starts[longer] + place].astype(np.int64) << (7 * place)
        longer = longer[ends[longer] - starts[longer] > place]
        if not len(longer):
            return values
    raise DecodeError(f"it is not OTLP protobuf: a bucket count takes more than {LONGEST} bytes")
