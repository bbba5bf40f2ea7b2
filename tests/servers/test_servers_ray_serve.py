"""Ray Serve: replicas are workers of Ray's, which kills them when they have shut down."""

from __future__ import annotations

import pytest

pytest.importorskip("ray.serve", reason="ray[serve] is not installed")

APP = """
import os
import signal
import sys
import time

import ray
from ray import serve

os.environ["MODEL"] = os.path.abspath("model.joblib")


@serve.deployment(name="Delay", num_replicas=2, ray_actor_options={"num_cpus": 0.1})
class Delay:
    def __init__(self):
        import joblib

        self.model = joblib.load(os.environ["MODEL"])

    async def __call__(self, request):
        import pandas as pd

        return self.model.predict(pd.DataFrame(await request.json())).tolist()


def stop(*_):
    serve.shutdown()
    ray.shutdown()
    sys.exit(0)


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, _node_ip_address="127.0.0.1")
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Delay.bind(), name="app", route_prefix="/predict")
    signal.signal(signal.SIGTERM, stop)
    open("ready", "w").close()
    while True:
        time.sleep(0.1)
"""

TRACE = "0af7651916cd43dd8448eb211c80319c"


def test_replicas_send_all_before_they_are_killed_and_join_the_callers_trace(serve, received, kit, folder) -> None:
    server = serve(kit.python, "app.py", "{port}", files={"app.py": APP}, RAY_USAGE_STATS_ENABLED="0")
    kit.until((folder / "ready").exists, server)
    for size in (1, 2, 3):
        assert len(server.post("/predict", kit.rows(size), traceparent=f"00-{TRACE}-b7ad6b7169203331-01")) == size
    server.stop()
    assert received.column_counts() == {"temp": 6, "wind": 6, "prediction": 6}, server.log()
    kit.until(lambda: len(received.calls()) == 3, None, seconds=20)
    for span, asked in received.calls():
        assert span.trace_id.hex() == TRACE
        assert kit.attributes(span)["ml.model.name"] == "Delay"
        assert kit.attributes(asked) == {
            "ml.server.name": "ray_serve",
            "ml.model.name": "Delay",
            "ml.operation.name": "predict",
            "http.route": "/predict",
        }
