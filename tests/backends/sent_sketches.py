"""Requests as replicas of services send them, without the replicas."""

from __future__ import annotations

import urllib.request
from typing import Any

import numpy as np

from backend_kit import OPENER
from driftmeter import otlp
from driftmeter.schema import Column, Model
from driftmeter.sketches import NumericSketch, Snapshot

SECOND = 1_000_000_000


def metrics(service: str, replica: int, *, start: int, values: Any) -> Any:
    """Return a request with a column of one replica's, of a second from ``start`` in Unix nanoseconds, as deltas."""
    sketch = NumericSketch.from_values(np.asarray(values, dtype=float))
    snapshot = Snapshot(Model("m"), start, start + SECOND, {Column("x"): sketch})
    request = otlp.to_request([({}, otlp.sketch_metrics([snapshot], temporality=otlp.DELTA))])
    return of(service, replica, request, request.resource_metrics[0].resource)


def of(service: str, replica: int, request: Any, resource: Any) -> Any:
    """Name a replica as the one that a request, with one resource, is of."""
    for name, value in {"service.name": service, "service.instance.id": str(replica)}.items():
        resource.attributes.add(key=name).value.string_value = value
    return request


def send(url: str, signal: str, message: Any) -> None:
    """Send a request by OTLP/HTTP."""
    headers = {"Content-Type": "application/x-protobuf"}
    request = urllib.request.Request(f"{url}/v1/{signal}", message.SerializeToString(), headers)
    with OPENER.open(request, timeout=10) as response:
        assert response.status == 200
