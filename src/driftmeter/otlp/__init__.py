"""Sketches and signals as OTLP: to the SDK's metric objects, to protobuf and JSON, and back."""

from driftmeter.otlp._decode import snapshots
from driftmeter.otlp._json import from_json, to_json, to_request
from driftmeter.otlp._parts import Layout
from driftmeter.otlp._points import (
    DELTA,
    Layouts,
    Points,
    column_attributes,
    gauge_metrics,
    model_attributes,
    points_metrics,
    sketch_metrics,
    sketch_points,
)
from driftmeter.otlp._scopes import scope_attributes, split_scopes

__all__ = [
    "DELTA",
    "Layout",
    "Layouts",
    "Points",
    "column_attributes",
    "from_json",
    "gauge_metrics",
    "model_attributes",
    "points_metrics",
    "scope_attributes",
    "sketch_metrics",
    "sketch_points",
    "snapshots",
    "split_scopes",
    "to_json",
    "to_request",
]
