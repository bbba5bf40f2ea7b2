"""BentoML: workers are started by circus; its own tracing must not hide the model's spans."""

from __future__ import annotations

import pytest

pytest.importorskip("_bentoml_sdk", reason="BentoML 1.2 or later is not installed")

APP = """
import bentoml
import joblib
import pandas as pd


@bentoml.service(workers=2)
class Delay:
    def __init__(self):
        self.model = joblib.load("model.joblib")

    @bentoml.api(route="/predict")
    def predict(self, rows: list[dict]) -> list[bool]:
        return self.model.predict(pd.DataFrame(rows)).tolist()

    @bentoml.api(route="/awaited")
    async def awaited(self, rows: list[dict]) -> list[bool]:
        return self.model.predict(pd.DataFrame(rows)).tolist()
"""


def test_two_workers_send_all_and_no_span_is_left_out(serve, received, kit, tmp_path) -> None:
    server = serve(
        *(str(kit.bin / "bentoml"), "serve", "app:Delay", "--host", "127.0.0.1", "--port", "{port}"),
        files={"app.py": APP},
        BENTOML_DO_NOT_TRACK="True",
        BENTOML_HOME=str(tmp_path / "home"),
    )
    server.wait("/livez")
    for size in (1, 2, 3):
        for path in ("/predict", "/awaited"):
            assert len(server.post(path, {"rows": kit.rows(size)})) == size
    server.stop()
    assert received.column_counts() == {"temp": 12, "wind": 12, "prediction": 12}, server.log()
    known = {span.span_id: span for span in received.spans}
    asked = [kit.attributes(request) for _, request in received.calls()]
    assert sorted(told.pop("http.route") for told in asked) == ["/awaited"] * 3 + ["/predict"] * 3
    for told in asked:
        assert told.pop("ml.operation.name") in {"predict", "awaited"}
        assert told == {"ml.server.name": "bentoml", "ml.model.name": "Delay"}
    for call, request in received.calls():
        assert kit.attributes(call)["ml.model.name"] == "Delay"
        assert known[request.parent_span_id].name in {"POST /predict", "POST /awaited"}
