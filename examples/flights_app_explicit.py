"""Serve the flight-delay model over HTTP, watched through driftmeter's own API.

The same as ``flights_app.py`` but for three lines: `instrument`, `monitor`, `shutdown`. For services that set up
OpenTelemetry themselves, or want to say which model has which name and baseline:

    uvicorn flights_app_explicit:app
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import joblib
import pandas as pd
from fastapi import FastAPI
from opentelemetry import metrics, trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

import driftmeter

# What a service that speaks OpenTelemetry has already.
metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())]))
tracer_provider = TracerProvider()
tracer_provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(tracer_provider)
logger_provider = LoggerProvider()
logger_provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
set_logger_provider(logger_provider)

driftmeter.instrument()
model = driftmeter.monitor(
    joblib.load(os.environ["FLIGHT_MODEL"]), name="flight-delay", version="1", baseline=os.environ["FLIGHT_BASELINE"]
)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Send what the last minute recorded before the process ends."""
    yield
    driftmeter.shutdown()


app = FastAPI(title="Will the flight be late?", lifespan=lifespan)


@app.get("/health")
def health() -> dict[str, str]:
    """Say that the model is loaded."""
    return {"status": "ok"}


@app.post("/predict")
def predict(flights: list[dict[str, Any]]) -> list[str]:
    """Return 'late' or 'on time' for each flight."""
    if not flights:
        return []
    frame = pd.DataFrame(flights, columns=model.feature_names_in_)
    labels: list[str] = model.predict(frame).tolist()
    return labels
