"""Sketches and signals as OTLP: to the SDK's metric objects, to protobuf and JSON, and back.

What turns snapshots into points is imported with the package. What reads and writes requests is when it is asked for: a
service that serves without a baseline's file never does.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from driftmeter.otlp._exemplars import TracedRow, add_exemplars
from driftmeter.otlp._parts import Layout
from driftmeter.otlp._points import (
    CUMULATIVE,
    DELTA,
    Attributes,
    Layouts,
    Points,
    column_attributes,
    gauge_metrics,
    model_attributes,
    points_metrics,
    sketch_metrics,
    sketch_points,
)

if TYPE_CHECKING:
    from driftmeter.otlp._attributes import column_of, key_and_value, model_of, text_of
    from driftmeter.otlp._decode import snapshots
    from driftmeter.otlp._encode import encode_request, key_values
    from driftmeter.otlp._histograms import MAX_COUNT, Histograms, Sides, outer_edges, sides_of
    from driftmeter.otlp._json import from_json, from_json_file, to_json, to_request
    from driftmeter.otlp._point_arrays import NUMBER, POINT_RULES, PointArrays, histogram_points, number_points
    from driftmeter.otlp._scopes import scope_attributes, split_scopes
    from driftmeter.otlp._wire import REQUEST, Request, parse, slim

__all__ = [
    "CUMULATIVE",
    "DELTA",
    "MAX_COUNT",
    "NUMBER",
    "POINT_RULES",
    "REQUEST",
    "Attributes",
    "Histograms",
    "Layout",
    "Layouts",
    "PointArrays",
    "Points",
    "Request",
    "Sides",
    "TracedRow",
    "add_exemplars",
    "column_attributes",
    "column_of",
    "encode_request",
    "from_json",
    "from_json_file",
    "gauge_metrics",
    "histogram_points",
    "key_and_value",
    "key_values",
    "model_attributes",
    "model_of",
    "number_points",
    "outer_edges",
    "parse",
    "points_metrics",
    "scope_attributes",
    "sides_of",
    "sketch_metrics",
    "sketch_points",
    "slim",
    "snapshots",
    "split_scopes",
    "text_of",
    "to_json",
    "to_request",
]

_REQUESTS: Final = ("_attributes", "_decode", "_encode", "_histograms", "_json", "_point_arrays", "_scopes", "_wire")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    for module in _REQUESTS:
        found = vars(import_module(f"{__name__}.{module}"))
        globals().update({known: found[known] for known in __all__ if known in found})
    return globals()[name]
