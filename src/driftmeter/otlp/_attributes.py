"""Attributes as Python values, and the model and column that those of a point name."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Final, cast

from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from driftmeter import semconv
from driftmeter.exceptions import DecodeError
from driftmeter.otlp._wire import parse
from driftmeter.schema import KINDS, ROLES, Column, Kind, Model, Segment


class Pairs(dict[bytes, tuple[str, Any]]):
    """Attributes, key and value, by their wire form: each is read once, however many points have it."""

    def __missing__(self, wire: bytes) -> tuple[str, Any]:
        pair = self[wire] = key_and_value(parse(KeyValue, wire))
        return pair

    def of(self, point: Any) -> dict[str, Any]:
        """Return the attributes of a point that has them in wire form."""
        return dict(map(self.__getitem__, point.attributes[:]))  # a slice is a list: quicker than one after the other


def key_and_value(pair: Any) -> tuple[str, Any]:
    """Return a protobuf KeyValue as Python values, all of them hashable."""
    return pair.key, pair.value.string_value or _any_value(pair.value)


def _any_value(value: Any) -> Hashable:
    kind = value.WhichOneof("value") or "string_value"
    if kind == "array_value":
        return tuple(map(_any_value, value.array_value.values))
    if kind == "kvlist_value":
        return tuple(map(key_and_value, value.kvlist_value.values))
    return cast("Hashable", getattr(value, kind))


def text_of(attributes: Mapping[str, Any], key: str, name: str, default: str | None = None) -> str:
    """Return the text that an attribute of a point of the metric ``name`` holds.

    Raises:
        DecodeError: It is missing, or no text.
    """
    value = attributes.get(key, default)
    if not isinstance(value, str):
        raise DecodeError(f"a point of {name} must have the attribute {key}, a string; it has {_shown(attributes)}")
    return value


def _shown(attributes: Mapping[str, Any]) -> str:
    return " ".join(str(attributes).split())


def model_of(attributes: dict[str, Any], name: str) -> Model:
    """Return the model that a point of the metric ``name`` tells of."""
    version = text_of(attributes, semconv.ML_MODEL_VERSION, name, "")
    segment = segment_of(attributes)
    if segment is not None and not isinstance(segment[1], str):
        raise DecodeError(f"a point of {name} must have texts as segments; it has {_shown(attributes)}")
    return Model(text_of(attributes, semconv.ML_MODEL_NAME, name), version, Segment(*segment) if segment else None)


_SEGMENT: Final = semconv.ML_SEGMENT


def segment_of(attributes: dict[str, Any]) -> tuple[str, Any] | None:
    """Return the column and the value of the segment that a point tells of, unchecked; None for all of the rows."""
    for key, value in attributes.items():
        if key.startswith(_SEGMENT):
            return key[len(_SEGMENT) :], value
    return None


def column_of(attributes: dict[str, Any], name: str) -> Column:
    """Return the column that a point of the metric ``name`` tells of."""
    kind, role = kind_of(attributes, name), attributes.get(semconv.ML_COLUMN_ROLE, "feature")
    if kind not in KINDS:
        raise DecodeError(f"{semconv.ML_COLUMN_KIND} must be one of {', '.join(KINDS)}; got {kind!r}")
    if role not in ROLES:
        raise DecodeError(
            f"a point of {name} must have a {semconv.ML_COLUMN_ROLE} out of {', '.join(ROLES)}; "
            f"it has {_shown(attributes)}"
        )
    return Column(text_of(attributes, semconv.ML_COLUMN_NAME, name), role, kind)


_KINDS: Final[dict[str, Kind]] = {semconv.COLUMN_VALUE.name: "numeric", semconv.COLUMN_CATEGORIES.name: "categorical"}


def kind_of(attributes: dict[str, Any], name: str) -> Any:
    """Return the kind of the column that a point of the metric ``name`` tells of, unchecked."""
    return _KINDS.get(name) or attributes.get(semconv.ML_COLUMN_KIND, "numeric")
