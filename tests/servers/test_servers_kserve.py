"""KServe: REST through FastAPI, the model's name from the server, several workers that are spawned."""

from __future__ import annotations

import pytest

pytest.importorskip(
    "kserve", reason="kserve is not installed: it needs pandas 2 and protobuf 6, so not with the newest"
)

APP = """
import sys

import joblib
import pandas as pd
from kserve import Model, ModelServer


class Delay(Model):
    def load(self):
        self.model = joblib.load("model.joblib")
        self.ready = True

    def predict(self, payload, headers=None):
        return {"predictions": self.model.predict(pd.DataFrame(payload["instances"])).tolist()}


if __name__ == "__main__":
    model = Delay("delay")
    model.load()
    ModelServer(http_port=int(sys.argv[1]), enable_grpc=False, workers=int(sys.argv[2])).start([model])
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_requests_span_names_the_served_model_above_the_models_own(workers, serve, received, kit) -> None:
    server = serve(kit.python, "app.py", "{port}", workers, files={"app.py": APP})
    server.wait("/")
    for size in (1, 2, 3):
        assert len(server.post("/v1/models/delay:predict", {"instances": kit.rows(size)})["predictions"]) == size
    server.stop()
    assert received.column_counts() == {"temp": 6, "wind": 6, "prediction": 6}, server.log()
    known = {span.span_id: span for span in received.spans}
    kit.until(lambda: len(received.calls()) == 3, None, seconds=20)
    for call, asked in received.calls():
        assert kit.attributes(call)["ml.model.name"] == "delay"
        assert kit.attributes(asked) == {
            "ml.server.name": "kserve",
            "ml.model.name": "delay",
            "ml.operation.name": "predict",
        }
        request = kit.attributes(known[asked.parent_span_id])
        assert request["http.route"] == "/v1/models/{model_name}:predict"
