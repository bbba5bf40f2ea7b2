"""OTLP JSON: the form that the collector's file exporter writes, and that a baseline file has."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
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


def from_json(text: str) -> list[ExportMetricsServiceRequest]:
    """Return the requests in a text of OTLP JSON: one object, or one a line as the collector writes them.

    Raises:
        DecodeError: The text is not OTLP JSON, and where.
    """
    try:
        return [_request(value) for value in _values(text)]
    except DecodeError:
        raise
    except RecursionError:
        raise DecodeError("it is not OTLP JSON: it is nested too deeply") from None
    except ValueError as error:  # an integer of thousands of digits too
        raise DecodeError(f"it is not JSON: {error}") from None


def _values(text: str) -> list[Any]:
    try:
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    except json.JSONDecodeError:
        # Not one object a line: perhaps one object over many lines.
        return [json.loads(text)]


def _request(value: Any) -> ExportMetricsServiceRequest:
    if not isinstance(value, dict) or "resourceMetrics" not in value:
        raise DecodeError("it is not OTLP JSON: an object with the key 'resourceMetrics' was expected")
    request = ExportMetricsServiceRequest()
    try:
        ParseDict(value, request, ignore_unknown_fields=True)
    except ParseError as error:
        raise DecodeError(f"it is not OTLP JSON: {error}") from None
    return request
