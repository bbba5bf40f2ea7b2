"""The public fallback: an OTLP exporter that adds sketches and signals to what it exports.

For an SDK whose readers cannot be joined, ``OTEL_METRICS_EXPORTER=driftmeter_otlp`` in place of ``otlp``.
"""

from __future__ import annotations

import os
from typing import Any

from opentelemetry.sdk.environment_variables import (
    OTEL_EXPORTER_OTLP_METRICS_PROTOCOL,
    OTEL_EXPORTER_OTLP_PROTOCOL,
)
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.resources import Resource

from driftmeter.exporter import _sdk
from driftmeter.exporter._lifecycle import host
from driftmeter.recorder import guard


class SketchExporter(MetricExporter):
    """Wraps the OTLP exporter of the configured protocol."""

    adds_sketches = True

    def __init__(self, inner: MetricExporter | None = None) -> None:
        self._inner = inner or _otlp_exporter()
        super().__init__(
            preferred_temporality=self._inner._preferred_temporality,  # noqa: SLF001  # as the SDK's own readers do
            preferred_aggregation=self._inner._preferred_aggregation,  # noqa: SLF001
        )

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        """Export the metrics, and ours beside them."""
        with guard:
            metrics_data = self._with_ours(metrics_data)
        return self._inner.export(metrics_data, timeout_millis=timeout_millis, **kwargs)

    def _with_ours(self, metrics_data: MetricsData) -> MetricsData:
        running = host()
        if running is None:
            return metrics_data
        running.add_reader(self, _sdk.temporality_of(self))
        return _sdk.appended(metrics_data, running.collect(self), Resource.create) or metrics_data

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """As the wrapped exporter does."""
        return self._inner.force_flush(timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """As the wrapped exporter does."""
        self._inner.shutdown(timeout_millis, **kwargs)


def _otlp_exporter() -> MetricExporter:
    protocol = os.environ.get(OTEL_EXPORTER_OTLP_METRICS_PROTOCOL) or os.environ.get(OTEL_EXPORTER_OTLP_PROTOCOL, "")
    if protocol == "http/protobuf":
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpExporter

        return HttpExporter()
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcExporter

    return GrpcExporter()
