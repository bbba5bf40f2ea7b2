"""Bucket counts out of their wire form.

protobuf's Python containers give one integer at a time, a tenth of a microsecond each. The packed varints of a whole
bucket list are read at once instead: seven bits a byte, the lowest first, the top bit set on all but the last byte::

    wire      07 | 80 01 | ac 02 | 00
    counts     7 |   128 |   300 |  0        300 = 0x2c + (0x02 << 7)
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from driftmeter.typing import Int64Array

_OFFSET_TAG: Final = 0x08
_COUNTS_TAG: Final = 0x12
_MORE: Final = 0x80


def bucket_counts(buckets: Any) -> Int64Array:
    """Return the counts of a protobuf ``ExponentialHistogramDataPoint.Buckets``, shape (buckets,)."""
    wanted = len(buckets.bucket_counts)
    packed = _packed(buckets.SerializeToString())
    counts = _varints(packed) if packed is not None else None
    if counts is None or len(counts) != wanted:
        # Another order of the fields than protobuf's usual one.
        return np.fromiter(buckets.bucket_counts, dtype=np.int64, count=wanted)
    return counts


def _packed(wire: bytes) -> bytes | None:
    """Return the bytes of field 2, which follows field 1, the offset."""
    at = 0
    if wire[:1] == bytes([_OFFSET_TAG]):
        _, at = _varint(wire, 1)
    if wire[at : at + 1] != bytes([_COUNTS_TAG]):
        return None
    length, start = _varint(wire, at + 1)
    return wire[start : start + length]


def _varint(wire: bytes, at: int) -> tuple[int, int]:
    """Return the varint at a place, and the place behind it."""
    value = shift = 0
    while wire[at] & _MORE:
        value |= (wire[at] - _MORE) << shift
        shift += 7
        at += 1
    return value | (wire[at] << shift), at + 1


def _varints(packed: bytes) -> Int64Array:
    octets = np.frombuffer(packed, dtype=np.uint8)
    last = octets < _MORE
    if last.all():
        return octets.astype(np.int64)
    ends = last.nonzero()[0]
    starts = np.empty_like(ends)
    starts[0] = 0
    np.add(ends[:-1], 1, out=starts[1:])
    lengths = ends - starts
    digits = (octets & (_MORE - 1)).astype(np.int64)
    values = digits[starts]
    for place in range(1, int(lengths.max()) + 1):
        longer = (lengths >= place).nonzero()[0]
        values[longer] += digits[starts[longer] + place] << (7 * place)
    return values
