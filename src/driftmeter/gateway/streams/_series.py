"""What points are called, read once for each form in which it comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from driftmeter import otlp, semconv
from driftmeter.exceptions import DecodeError
from driftmeter.gateway.streams._identity import Series
from driftmeter.schema import Model
from driftmeter.sketches import OTHER

_KEPT_BYTES: Final = 64 << 20
"""Names that are remembered; a fleet of more has them read anew, which costs time alone."""
_ENTRY_BYTES: Final = 800
"""What a remembered name takes beside its bytes, roughly."""
_KEY_BYTES: Final = 16
_RUN: Final = otlp.slim("opentelemetry.proto.common.v1.KeyValueList", ("KeyValueList.values",))
"""Attributes one after the other, as a histogram's point has them: both have the field number 1."""


class Names(dict[bytes, "Series | None"]):
    """The series by the wire form of the attributes of one metric's points; None for names that are not in order."""

    def __init__(self, metric: str, models: dict[Model, Model]) -> None:
        super().__init__()
        self._metric = metric
        self._models = models
        self._bytes = 0

    def __missing__(self, wire: bytes) -> Series | None:
        series = self[wire] = self._read(wire)
        self._bytes += len(wire) + _ENTRY_BYTES
        return series

    def forget(self) -> None:
        """Forget all, if that has become too much."""
        if self._bytes > _KEPT_BYTES:
            self.clear()
            self._models.clear()
            self._bytes = 0

    def _read(self, wire: bytes) -> Series | None:
        attributes = _attributes(self._metric, wire)
        pairs = dict(otlp.key_and_value(otlp.parse(KeyValue, pair)) for pair in attributes)
        try:
            model = otlp.model_of(pairs, self._metric)
            column = otlp.column_of(pairs, self._metric)
            detail = _detail(self._metric, pairs)
        except DecodeError:
            return None
        whole = self._models.setdefault(model.whole, model.whole)
        return Series(
            _key(self._metric, attributes), self._models.setdefault(model, model), whole, column, self._metric, detail
        )


def _key(metric: str, attributes: Sequence[bytes]) -> bytes:
    """Return what stands for a stream: short, since all streams keep it, however long their names are."""
    parts = (metric.encode(), *(len(pair).to_bytes(4, "big") + pair for pair in sorted(attributes)))
    return blake2b(b"".join(parts), digest_size=_KEY_BYTES).digest()


def _attributes(metric: str, wire: bytes) -> Sequence[bytes]:
    """Return the attributes in the wire form of a point's fields that hold them."""
    message = otlp.parse(_RUN if metric == semconv.COLUMN_VALUE.name else otlp.NUMBER, wire)
    found: Sequence[bytes] = message.values[:] if metric == semconv.COLUMN_VALUE.name else message.attributes[:]
    return found


def _detail(metric: str, pairs: Mapping[str, Any]) -> str:
    if metric == semconv.COLUMN_VALUE.name:
        return str(pairs.get(semconv.ML_COLUMN_PART, ""))
    if metric == semconv.COLUMN_CATEGORIES.name:
        return otlp.text_of(pairs, semconv.ML_CATEGORY, metric, OTHER)
    if metric == semconv.COLUMN_INVALID.name:
        return str(pairs.get(semconv.ML_QUALITY_CHECK, ""))
    return ""
