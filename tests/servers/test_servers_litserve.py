"""LitServe: workers are spawned, and stopped by the main process when that is interrupted."""

from __future__ import annotations

import signal

import pytest

pytest.importorskip("litserve", reason="litserve is not installed")

APP = """
import signal
import sys

import joblib
import litserve
import pandas as pd


class Delay(litserve.LitAPI):
    def setup(self, device):
        self.model = joblib.load("model.joblib")

    def decode_request(self, request):
        return pd.DataFrame(request["rows"])

    def predict(self, x):
        return self.model.predict(x).tolist()

    def encode_response(self, output):
        return {"predictions": output}


class Awaited(Delay):
    async def decode_request(self, request):
        return pd.DataFrame(request["rows"])

    async def predict(self, x):
        return self.model.predict(x).tolist()

    async def encode_response(self, output):
        return {"predictions": output}


if __name__ == "__main__":
    # It may be ignored, as the shell does for what runs in its background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    api = Awaited(enable_async=True) if sys.argv[2] == "Awaited" else Delay()
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=2)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, num_api_servers=1)
"""


@pytest.mark.parametrize("api", ["Delay", "Awaited"])
def test_both_workers_are_watched_and_send_all_when_the_server_is_interrupted(api, serve, received, kit) -> None:
    server = serve(kit.python, "app.py", "{port}", api, files={"app.py": APP})
    server.wait()
    for size in (1, 2, 3):
        assert len(server.post("/predict", {"rows": kit.rows(size)})["predictions"]) == size
    # LitServe has no handler for SIGTERM, which leaves its workers behind.
    server.stop(signal.SIGINT)
    assert received.column_counts() == {"temp": 6, "wind": 6, "prediction": 6}, server.log()
    kit.until(lambda: len(received.calls()) == 3, None, seconds=20)
    for call, asked in received.calls():
        assert kit.attributes(call)["ml.model.name"] == api
        assert kit.attributes(asked) == {
            "ml.server.name": "litserve",
            "ml.model.name": api,
            "ml.operation.name": "predict",
            "http.route": "/predict",
        }
