"""The scopes of requests: parted by an attribute, and read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from driftmeter import semconv
from driftmeter.otlp._attributes import key_and_value


def split_scopes(
    requests: Iterable[ExportMetricsServiceRequest], attribute: str
) -> tuple[list[ExportMetricsServiceRequest], list[list[ExportMetricsServiceRequest]]]:
    """Part scopes with the attribute from those without; the former by its value, in its order."""
    without: list[ExportMetricsServiceRequest] = []
    by_value: defaultdict[int, list[ExportMetricsServiceRequest]] = defaultdict(list)
    for request in requests:
        for resource_metrics in request.resource_metrics:
            for scope_metrics in resource_metrics.scope_metrics:
                alone = request if _has_one(request) else _alone(resource_metrics, scope_metrics)
                value = dict(map(key_and_value, scope_metrics.scope.attributes)).get(attribute)
                if isinstance(value, int):
                    by_value[value].append(alone)
                else:
                    without.append(alone)
    return without, [by_value[value] for value in sorted(by_value)]


def _has_one(request: ExportMetricsServiceRequest) -> bool:
    return len(request.resource_metrics) == len(request.resource_metrics[0].scope_metrics) == 1


def _alone(resource_metrics: pb.ResourceMetrics, scope_metrics: pb.ScopeMetrics) -> ExportMetricsServiceRequest:
    alone = ExportMetricsServiceRequest()
    taken = alone.resource_metrics.add(resource=resource_metrics.resource)
    taken.scope_metrics.append(scope_metrics)
    return alone


def scope_attributes(requests: Iterable[ExportMetricsServiceRequest]) -> dict[str, Any]:
    """Return the attributes of the scopes that hold our metrics, all of them together."""
    found: dict[str, Any] = {}
    for request in requests:
        for resource_metrics in request.resource_metrics:
            for scope_metrics in resource_metrics.scope_metrics:
                if scope_metrics.scope.name == semconv.SCOPE_NAME:
                    found |= dict(map(key_and_value, scope_metrics.scope.attributes))
    return found
