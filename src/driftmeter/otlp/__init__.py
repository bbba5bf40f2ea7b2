"""Sketches and signals as OTLP: to the SDK's metric objects, to protobuf and JSON, and back."""

from driftmeter.otlp._decode import scope_attributes, snapshots, split_scopes
from driftmeter.otlp._json import from_json, to_json, to_request
from driftmeter.otlp._points import (
    DELTA,
    column_attributes,
    gauge_metrics,
    model_attributes,
    point_count,
    sketch_metrics,
)

__all__ = [
    "DELTA",
    "column_attributes",
    "from_json",
    "gauge_metrics",
    "model_attributes",
    "point_count",
    "scope_attributes",
    "sketch_metrics",
    "snapshots",
    "split_scopes",
    "to_json",
    "to_request",
]
