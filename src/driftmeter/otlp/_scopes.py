"""The scopes of requests: parted by an attribute, and read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from driftmeter import semconv
from driftmeter.otlp._attributes import key_and_value
from driftmeter.otlp._wire import Request, parse


def split_scopes(requests: Iterable[Request], attribute: str) -> tuple[list[bytes], list[list[bytes]]]:
    """Part scopes, in wire form, with the attribute from those without; the former by its value, in its order."""
    without: list[bytes] = []
    by_value: defaultdict[int, list[bytes]] = defaultdict(list)
    for request in requests:
        scopes = list(_scopes(request))
        for resource, scope in scopes:
            value = dict(map(key_and_value, scope.scope.attributes)).get(attribute)
            found = by_value[value] if isinstance(value, int) else without
            found.append(request if isinstance(request, bytes) and len(scopes) == 1 else _alone(resource, scope))
    return without, [by_value[value] for value in sorted(by_value)]


def _alone(resource: pb.ResourceMetrics, scope: pb.ScopeMetrics) -> bytes:
    alone = ExportMetricsServiceRequest()
    alone.resource_metrics.add(resource=resource.resource).scope_metrics.append(scope)
    return alone.SerializeToString()


def scope_attributes(requests: Iterable[Request]) -> dict[str, Any]:
    """Return the attributes of the scopes that hold our metrics, all of them together."""
    found: dict[str, Any] = {}
    for request in requests:
        for _, scope_metrics in _scopes(request):
            if scope_metrics.scope.name == semconv.SCOPE_NAME:
                found |= dict(map(key_and_value, scope_metrics.scope.attributes))
    return found


def _scopes(request: Request) -> Iterator[tuple[pb.ResourceMetrics, pb.ScopeMetrics]]:
    read = parse(ExportMetricsServiceRequest, request) if isinstance(request, bytes) else request
    for resource_metrics in read.resource_metrics:
        for scope_metrics in resource_metrics.scope_metrics:
            yield resource_metrics, scope_metrics
