"""To and from the sketches of Datadog's ``ddsketch`` package.

The two are one kind of sketch: with ``gamma = base`` Datadog's bin ``i + 1`` is OpenTelemetry's bucket ``i``, both
holding ``(base ** i, base ** (i + 1)]``. What a DDSketch has no place for (missing, non-finite and mismatched values)
is left behind; no other count is lost, on no way. Datadog's protobuf leaves sum, minimum and maximum behind too.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from driftmeter.sketches._buckets import Buckets, collect
from driftmeter.sketches._mapping import MAX_SCALE, MIN_SCALE
from driftmeter.sketches._numeric import MAX_BUCKETS, NumericSketch, key_values
from driftmeter.typing import AnyArray, Int64Array

if TYPE_CHECKING:
    from ddsketch.ddsketch import BaseDDSketch

MAX_BINS: Final = 1 << 16

_NEARLY: Final = 1e-6
_SAME_GAMMA: Final = 1e-15
"""Float64 holds a gamma of ours to 1e-16, and Datadog's arithmetic leaves it within twice that."""


def to_ddsketch(sketch: NumericSketch, *, max_bins: int = MAX_BINS) -> BaseDDSketch:
    """Return the sketch as one of the ``ddsketch`` package.

    Args:
        sketch: A sketch.
        max_bins: Datadog's stores are dense: a sketch whose buckets span more than so many bins for either sign
            goes down in scale, exactly, until they do not, or to scale 3.
    """
    from ddsketch.ddsketch import BaseDDSketch
    from ddsketch.mapping import LogarithmicMapping

    while sketch.scale > MIN_SCALE and max(_span(sketch.positive), _span(sketch.negative)) > max_bins:
        sketch = sketch.at_scale(sketch.scale - 1)
    # gamma = (1 + a) / (1 - a), solved for a; the direct (gamma - 1) / (gamma + 1) loses ten digits at scale 20.
    mapping = LogarithmicMapping(math.tanh(math.ldexp(math.log(2), -sketch.scale - 1)))
    converted = BaseDDSketch(mapping, _store(sketch.positive), _store(sketch.negative), float(sketch.zero_count))
    if sketch.count:
        converted._sum, converted._min, converted._max = sketch.sum, sketch.min, sketch.max  # noqa: SLF001  # no setters
    return converted


def from_ddsketch(sketch: BaseDDSketch | Any, *, max_buckets: int = MAX_BUCKETS) -> NumericSketch:
    """Return a sketch of the ``ddsketch`` package, or a message of Datadog's protobuf, as one of ours.

    If its gamma is ``2 ** (2 ** -scale)`` for a scale from 3 to 20, bins become buckets one to one. If not, each
    bin's count goes to the bucket, at the coarsest scale that is not coarser than gamma, of the value that the bin
    stands for: within the relative accuracy of the DDSketch. Where sum, minimum and maximum are not known, as in a
    message, they are told from the buckets.

    Raises:
        ValueError: If the mapping is not logarithmic or a count is not a whole number.
    """
    from ddsketch.pb.proto import DDSketchProto

    to_message: Any = DDSketchProto.to_proto  # has no types
    message: Any = sketch if hasattr(sketch, "SerializeToString") else to_message(sketch)
    if message.mapping.interpolation != message.mapping.NONE:
        raise ValueError("the sketch's mapping must be logarithmic; an interpolated one has bins of other edges")
    gamma, offset = message.mapping.gamma, message.mapping.indexOffset
    converted = NumericSketch(
        scale=_scale(gamma),
        positive=_buckets(message.positiveValues, gamma, offset),
        negative=_buckets(message.negativeValues, gamma, offset),
        zero_count=int(_whole([message.zeroCount])[0]),
    )
    if not converted.count:
        return converted
    least, greatest = getattr(sketch, "_min", math.inf), getattr(sketch, "_max", -math.inf)
    if least <= greatest:
        return replace(converted, sum=float(sketch.sum), min=least, max=greatest).compacted(max_buckets)
    keys, counts = converted.keys()
    values = key_values(keys, converted.scale)
    total = float(values @ counts)
    return replace(converted, sum=total, min=float(values[0]), max=float(values[-1])).compacted(max_buckets)


def _span(buckets: Buckets) -> int:
    return int(buckets.indexes[-1] - buckets.indexes[0]) + 1 if len(buckets) else 0


def _store(buckets: Buckets) -> Any:
    from ddsketch.store import DenseStore

    store = DenseStore()
    for index, count in zip(buckets.indexes.tolist(), buckets.counts.tolist(), strict=True):
        store.add(index + 1, float(count))
    return store


def _scale(gamma: float) -> int:
    return min(max(math.ceil(-math.log2(_octaves(gamma)) - _NEARLY), MIN_SCALE), MAX_SCALE)


def _octaves(gamma: float) -> float:
    return math.log1p(gamma - 1) / math.log(2)


def _buckets(store: Any, gamma: float, offset: float) -> Buckets:
    scale = _scale(gamma)
    first = store.contiguousBinIndexOffset
    dense = np.array(store.contiguousBinCounts, dtype=np.float64)
    keys = np.concatenate((np.arange(first, first + len(dense)), np.array([*store.binCounts], dtype=np.int64)))
    counts = _whole(np.concatenate((dense, np.array([*store.binCounts.values()], dtype=np.float64))))
    keys, counts = keys[counts > 0], counts[counts > 0]
    if abs(2.0 ** math.ldexp(1, -scale) - gamma) <= _SAME_GAMMA and offset == int(offset):
        return collect(keys - int(offset) - 1, counts)
    middle = math.log2(2 / (1 + gamma))
    return collect(np.floor(((keys - offset) * _octaves(gamma) + middle) * 2**scale).astype(np.int64), counts)


def _whole(counts: AnyArray | list[float]) -> Int64Array:
    whole = np.asarray(counts).astype(np.int64)
    if (whole != counts).any():
        raise ValueError("the sketch's counts must be whole numbers; values were added with fractional weights")
    return whole
