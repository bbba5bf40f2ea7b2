"""MLflow's scoring server: a FastAPI application of MLflow's own, in uvicorn's workers."""

from __future__ import annotations

import pytest

pytest.importorskip("mlflow.models.cli", reason="mlflow is not installed")

SAVE = """
import joblib
import mlflow.sklearn
import pandas as pd
from mlflow.models import infer_signature

model = joblib.load("model.joblib")
frame = pd.DataFrame({"temp": [1.0], "wind": [2.0]})
mlflow.sklearn.save_model(
    model,
    "saved",
    signature=infer_signature(frame, model.predict(frame)),
    metadata={"model_name": "delay", "model_version": "3"},
    serialization_format="cloudpickle",
    pip_requirements=[],
)
"""


@pytest.mark.slow
def test_two_workers_send_all_under_the_name_of_the_models_metadata(serve, received, kit, folder) -> None:
    (folder / "save.py").write_text(SAVE)
    kit.run([kit.python, "save.py"], folder)
    options = ("-h", "127.0.0.1", "-p", "{port}", "--env-manager", "local", "--workers", "2")
    server = serve(str(kit.bin / "mlflow"), "models", "serve", "-m", "saved", *options)
    server.wait("/ping")
    for size in (1, 2, 3):
        body = {"dataframe_records": kit.rows(size)}
        assert len(server.post("/invocations", body)["predictions"]) == size
    server.stop()
    kit.until(lambda: received.column_counts() == {"temp": 6, "wind": 6, "prediction": 6}, None, seconds=20)
    kit.until(lambda: len(received.calls()) == 3, None, seconds=20)
    for span, request in received.calls():
        told = kit.attributes(span)
        assert (told["ml.model.name"], told["ml.model.version"]) == ("delay", "3")
        assert kit.attributes(request)["http.route"] == "/invocations"
