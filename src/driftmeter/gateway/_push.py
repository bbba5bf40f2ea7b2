"""A baseline over the wire: from a training job, or whoever has the file, to the gateway."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.resources import Resource

from driftmeter import otlp
from driftmeter.baseline import Baseline
from driftmeter.exceptions import BaselineError, ConfigError
from driftmeter.gateway.sender._attempt import Outcome, Sent
from driftmeter.gateway.sender._sender import transport
from driftmeter.gateway.sender._sender_config import SenderConfig
from driftmeter.gateway.sender._target import Target, targets


def push(baseline: Baseline, *, endpoint: str = "", environ: Mapping[str, str] | None = None) -> None:
    """Send a baseline to a gateway, straight or through collectors, under this process's resource attributes.

    The gateway compares the model of the baseline's name with it, in the service that these attributes name
    (``OTEL_SERVICE_NAME``, ``OTEL_RESOURCE_ATTRIBUTES``).

    Args:
        baseline: The baseline.
        endpoint: Where to; by default, like headers and certificates, as ``OTEL_EXPORTER_OTLP_*`` say.
        environ: Environment variables; the process's own by default.

    Raises:
        ConfigError: There is no endpoint, or a setting breaks its rule.
        BaselineError: It did not arrive, and why.
    """
    environ = os.environ if environ is None else environ
    target = targets(SenderConfig(export_endpoint=endpoint), environ).get("metrics")
    if target is None:
        raise ConfigError("a baseline needs an endpoint to be pushed to: name one, or set OTEL_EXPORTER_OTLP_ENDPOINT")
    request = ExportMetricsServiceRequest.FromString(baseline.to_otlp())
    request.resource_metrics[0].resource.attributes.extend(otlp.key_values(Resource.create().attributes))
    outcome = asyncio.run(_send(target, request.SerializeToString()))
    if not isinstance(outcome, Sent):
        raise BaselineError(f"the baseline did not arrive at {target.endpoint}: {outcome.reason}")
    if outcome.rejected:
        raise BaselineError(f"the baseline was refused at {target.endpoint}: {outcome.message}")


async def _send(target: Target, body: bytes) -> Outcome:
    way = transport(target)
    try:
        return await way.send(body)
    finally:
        await way.close()
