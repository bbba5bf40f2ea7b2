"""What tells baselines apart: a digest of their sketches."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Iterator

from driftmeter.schema import Column
from driftmeter.sketches import MIN_SCALE, CategoricalSketch, Sketch, Snapshot
from driftmeter.typing import Int64Array


def digest(snapshot: Snapshot) -> str:
    """Return eight hexadecimal digits that depend on the sketches alone, not on when or in what order.

    They depend on what a baseline file keeps, so that a file and what it was made from have the same.
    """
    found = hashlib.blake2b(digest_size=4)
    for column, sketch in sorted(snapshot.columns.items(), key=lambda item: item[0]):
        for part in _parts(column, sketch):
            # With its length, so that no two ways to part the bytes are the same.
            found.update(struct.pack("<q", len(part)) + part)
    return found.hexdigest()


def _parts(column: Column, sketch: Sketch) -> Iterator[bytes]:
    for name in (column.name, column.role, column.kind):
        yield name.encode()
    if isinstance(sketch, CategoricalSketch):
        yield struct.pack("<3q", sketch.other, sketch.missing, sketch.mismatched)
        for name, count in sorted(sketch.counts.items()):
            yield name.encode()
            yield struct.pack("<q", count)
        return
    yield struct.pack("<3q", sketch.missing, sketch.non_finite, sketch.mismatched)
    if not math.isnan(sketch.min):
        yield struct.pack("<q3d", sketch.zero_count, sketch.sum, sketch.min, sketch.max)
        # What is too wide for the wire travels at a coarser scale, at worst at this one.
        for buckets in (sketch.positive, sketch.negative):
            coarse = buckets.downscaled(sketch.scale - MIN_SCALE)
            yield _bytes(coarse.indexes)
            yield _bytes(coarse.counts)


def _bytes(numbers: Int64Array) -> bytes:
    return numbers.astype("<i8", copy=False).tobytes()
