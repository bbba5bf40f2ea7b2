"""OTLP JSON: the form that the collector's file exporter writes, and that a baseline file has.

A text is read scope by scope, each of which is brought into wire form as soon as it is read: as objects of Python, a
file of 16 MB takes 150. What `to_json` wrote is not even held as a text: what allocated and freed so large a block lets
much of what becomes free after it stay with the process.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TextIO, TypeAlias

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb
from opentelemetry.sdk.metrics.export import Metric, MetricsData, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from driftmeter import semconv
from driftmeter.exceptions import DecodeError


def to_request(scopes: Iterable[tuple[Mapping[str, Any], list[Metric]]]) -> ExportMetricsServiceRequest:
    """Return an OTLP request with an empty resource and a scope for each pair of attributes and metrics."""
    request = ExportMetricsServiceRequest()
    resource_metrics = request.resource_metrics.add()
    for attributes, metrics in scopes:
        # One at a time: the encoder keeps one of several scopes that differ in their attributes only.
        scope = InstrumentationScope(semconv.SCOPE_NAME, schema_url=semconv.SCHEMA_URL, attributes=attributes)
        alone = ResourceMetrics(Resource({}), [ScopeMetrics(scope, metrics, semconv.SCHEMA_URL)], schema_url="")
        encoded = encode_metrics(MetricsData([alone]))
        resource_metrics.scope_metrics.extend(encoded.resource_metrics[0].scope_metrics)
    return request


def to_json(request: ExportMetricsServiceRequest) -> str:
    """Return the request as one line of OTLP JSON."""
    return json.dumps(MessageToDict(request, use_integers_for_enums=True), separators=(",", ":"))


def from_json_file(file: TextIO) -> list[bytes]:
    """Return what is in a file of OTLP JSON; see `from_json`."""
    found = _as_written(file)
    if found is None:
        file.seek(0)
        found = from_json(file.read())
    return found


def from_json(text: str) -> list[bytes]:
    """Return what is in a text of OTLP JSON, a request in wire form for each scope.

    The text is one object, or one a line as the collector writes them.

    Raises:
        DecodeError: The text is not OTLP JSON, and where.
    """
    try:
        return [request for value in _values(text) for request in _requests(value)]
    except DecodeError:
        raise
    except RecursionError:
        raise DecodeError("it is not OTLP JSON: it is nested too deeply") from None
    except ValueError as error:  # an integer of thousands of digits too
        raise DecodeError(f"it is not JSON: {error}") from None


class _Scope(dict[str, Any]):
    """An object whose metrics are read already, and are no longer in it: all else is, wherever it is found."""

    __slots__ = ("wire",)

    wire: bytes


_Found: TypeAlias = dict[str, Any]

_BEFORE: Final = '{"resourceMetrics":[{"scopeMetrics":['
_AFTER: Final = "]}]}"
_PIECE: Final = 1 << 17
"""Characters that are read at once."""
_DECODER: Final = json.JSONDecoder()


def _as_written(file: TextIO) -> list[bytes] | None:
    """Return what `to_json` wrote, never holding more of it than a scope or two; None for whatever else it is."""
    found: list[bytes] = []
    text = file.read(len(_BEFORE) + _PIECE)
    separator = _BEFORE
    while text.startswith(separator):
        try:
            scope, text = _first_scope(text[len(separator) :], file)
        except (ValueError, RecursionError, ParseError):
            return None
        found.append(scope)
        text = text or file.read(_PIECE)
        separator = ","
    return found if (text + file.read()).rstrip() == _AFTER else None


def _first_scope(text: str, file: TextIO) -> tuple[bytes, str]:
    """Return the scope that a text begins with, which may go on in the file, and what of the text is behind it."""
    while True:
        try:
            scope, end = _DECODER.raw_decode(text)
            break
        except ValueError:
            more = file.read(max(_PIECE, len(text)))
            if not more:
                raise
            text += more
    request = ExportMetricsServiceRequest()
    resource_metrics = request.resource_metrics.add()
    resource_metrics.resource.SetInParent()  # the empty one, as `from_json` has it
    ParseDict(scope, resource_metrics.scope_metrics.add(), ignore_unknown_fields=True)
    return request.SerializeToString(), text[end:]


def _read_early(found: _Found) -> _Found:
    """Read the objects that hold a scope's metrics; what is wrong in them is told with the place that they are at."""
    if not isinstance(found.get("metrics"), list):
        return found
    scope = _Scope(found)
    del scope["metrics"]
    try:
        scope.wire = ParseDict(found, pb.ScopeMetrics(), ignore_unknown_fields=True).SerializeToString()
    except ParseError:
        return found
    return scope


def _values(text: str) -> list[Any]:
    if not text or text.isspace():
        return []
    try:
        return [json.loads(text, object_hook=_read_early)]
    except json.JSONDecodeError as error:
        if error.msg != _MORE:
            raise
        return [json.loads(line, object_hook=_read_early) for line in text.split("\n") if line.strip()]


_MORE: Final = "Extra data"
"""What the decoder says where another object follows."""


def _requests(value: Any) -> Iterator[bytes]:
    if not isinstance(value, dict) or "resourceMetrics" not in value:
        raise DecodeError("it is not OTLP JSON: an object with the key 'resourceMetrics' was expected")
    try:
        around = ParseDict(value, ExportMetricsServiceRequest(), ignore_unknown_fields=True)
    except ParseError as error:
        raise DecodeError(f"it is not OTLP JSON: {error}") from None
    for found, resource in zip(value["resourceMetrics"] or (), around.resource_metrics, strict=True):
        scopes = found.get("scopeMetrics") or found.get("scope_metrics") or ()
        for scope, read in zip(scopes, resource.scope_metrics, strict=True):
            alone = ExportMetricsServiceRequest()
            of_resource = alone.resource_metrics.add(resource=resource.resource, schema_url=resource.schema_url)
            of_resource.scope_metrics.append(
                pb.ScopeMetrics.FromString(scope.wire) if isinstance(scope, _Scope) else read
            )
            yield alone.SerializeToString()
