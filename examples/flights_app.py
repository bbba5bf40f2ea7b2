"""Serve the flight-delay model over HTTP.

Nothing here knows of driftmeter or of OpenTelemetry. Watched, without a change:

    opentelemetry-instrument uvicorn flights_app:app
"""

from __future__ import annotations

import os
from typing import Any

import joblib
import pandas as pd
from fastapi import FastAPI

model = joblib.load(os.environ["FLIGHT_MODEL"])
app = FastAPI(title="Will the flight be late?")


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
