"""From a request's bytes to points that keep every rule, each with the stream that it belongs to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from driftmeter import otlp, semconv
from driftmeter.exceptions import DecodeError
from driftmeter.gateway._identity import Series, Service, ShardKey
from driftmeter.gateway._limits import Limits
from driftmeter.gateway._origins import Origin, Origins
from driftmeter.gateway._requests import Block, part
from driftmeter.sketches import OTHER, NumericSketch

__all__ = ["Decoder", "Received", "Service"]


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a stream: what it counts, a sketch or a number, from ``start`` to ``time``."""

    origin: Origin
    series: Series
    cumulative: bool
    start: int
    time: int
    value: NumericSketch | int

    @property
    def shard(self) -> ShardKey:
        """The part of the state that it changes."""
        return self.origin.service, self.series.whole


@dataclass(frozen=True, slots=True)
class Received:
    """A request, read.

    Attributes:
        points: Those that keep every rule.
        refused: How many points of ours do not, by reason.
        rest: The request without what is ours, to be passed on; None if nothing is left.
        baselines: Requests that hold a baseline, or some of its blocks, each with the service that sent it.
    """

    points: Sequence[Point] = ()
    refused: Mapping[str, int] = field(default_factory=dict)
    rest: bytes | None = None
    baselines: Sequence[tuple[Service, bytes]] = ()

    @property
    def shards(self) -> frozenset[ShardKey]:
        """The parts of the state that it changes."""
        return frozenset(point.shard for point in self.points)


class Decoder:
    """Reads requests; what repeats in them is read once. It keeps nothing that a result depends on."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._origins = Origins(limits.resource_bytes)

    def decode(self, body: bytes) -> Received:
        """Return what a request holds.

        Args:
            body: An ``ExportMetricsServiceRequest`` as protobuf, decompressed.

        Raises:
            DecodeError: It is none.
        """
        parted = part(body, self._origins)
        refused: Counter[str] = Counter()
        points: list[Point] = []
        for block in parted.blocks:
            for wire in block.points:
                reason, point = self._point(block, wire, len(points))
                if point is None:
                    refused[reason] += 1
                else:
                    points.append(point)
        return Received(points, refused, parted.rest, parted.baselines)

    def _point(self, block: Block, wire: bytes, taken: int) -> tuple[str, Point | None]:
        """Return a point, or why it is refused."""
        kind = _HISTOGRAM if block.metric == semconv.COLUMN_VALUE.name else _NUMBER
        point = otlp.parse(kind, wire)
        reason = self._beyond(block, point, taken)
        if reason:
            return reason, None
        start = point.start_time_unix_nano or (0 if block.cumulative else point.time_unix_nano)
        try:
            series = _series(block.metric, point.attributes)
            value = _sketch(point) if kind is _HISTOGRAM else _count(point)
        except DecodeError:
            return "value", None
        return "", Point(block.origin, series, block.cumulative, start, point.time_unix_nano, value)

    def _beyond(self, block: Block, point: Any, taken: int) -> str:
        """Return which bound a point breaks."""
        if block.origin.is_too_large:
            return "resource"
        if taken >= self._limits.points:
            return "points"
        if point.flags & pb.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK:
            return "no_value"
        if sum(map(len, point.attributes)) > self._limits.attribute_bytes:
            return "attributes"
        return "" if point.start_time_unix_nano <= point.time_unix_nano < _LAST else "times"


_LAST: Final = 1 << 63
_HISTOGRAM: Final = otlp.slim(
    "opentelemetry.proto.metrics.v1.ExponentialHistogramDataPoint",
    (
        "ExponentialHistogramDataPoint.attributes",
        "ExponentialHistogramDataPoint.positive",
        "ExponentialHistogramDataPoint.negative",
    ),
)
_NUMBER: Final = otlp.slim("opentelemetry.proto.metrics.v1.NumberDataPoint", ("NumberDataPoint.attributes",))


def _series(metric: str, attributes: Sequence[bytes]) -> Series:
    pairs = dict(otlp.key_and_value(otlp.parse(KeyValue, wire)) for wire in attributes)
    model = otlp.model_of(pairs, metric)
    key = metric.encode() + b"".join(len(wire).to_bytes(4, "big") + wire for wire in sorted(attributes))
    return Series(key, model, model.whole, otlp.column_of(pairs, metric), metric, _detail(metric, pairs))


def _detail(metric: str, pairs: Mapping[str, Any]) -> str:
    if metric == semconv.COLUMN_VALUE.name:
        return str(pairs.get(semconv.ML_COLUMN_PART, ""))
    if metric == semconv.COLUMN_CATEGORIES.name:
        return otlp.text_of(pairs, semconv.ML_CATEGORY, metric, OTHER)
    if metric == semconv.COLUMN_INVALID.name:
        return str(pairs.get(semconv.ML_QUALITY_CHECK, ""))
    return ""


def _sketch(point: Any) -> NumericSketch:
    (sketch,) = otlp.numeric_sketches([(point, (0, 0, 0))])
    return sketch


def _count(point: Any) -> int:
    value = point.as_int or point.as_double
    if not (math.isfinite(value) and 0 <= value < otlp.MAX_COUNT and value == int(value)):
        raise DecodeError(f"a point must hold a count; got {value}")
    return int(value)
