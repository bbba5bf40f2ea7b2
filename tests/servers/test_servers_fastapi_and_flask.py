"""Web frameworks through OpenTelemetry's own packages: a model's span is a child of its request's span."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

FASTAPI = """
import asyncio

import joblib
import pandas as pd
from fastapi import FastAPI

model = joblib.load("model.joblib")
app = FastAPI()


@app.get("/health")
def health():
    return "ok"


@app.post("/threads/{rows}")
def threads(rows: int, body: list[dict]):
    return model.predict(pd.DataFrame(body)).tolist()


@app.post("/tasks/{rows}")
async def tasks(rows: int, body: list[dict]):
    async def one(row):
        await asyncio.sleep(0.001)
        return model.predict(pd.DataFrame([row])).tolist()

    return sum(await asyncio.gather(*[one(row) for row in body]), [])


@app.post("/handed/{rows}")
async def handed(rows: int, body: list[dict]):
    return (await asyncio.to_thread(model.predict, pd.DataFrame(body))).tolist()
"""

FLASK = """
import joblib
import pandas as pd
from flask import Flask, jsonify, request

model = joblib.load("model.joblib")
app = Flask(__name__)


@app.get("/health")
def health():
    return "ok"


@app.post("/threads/<int:rows>")
def threads(rows):
    return jsonify(model.predict(pd.DataFrame(request.get_json())).tolist())
"""


def _check(server, received, kit, paths: tuple[str, ...], *, route: str) -> None:
    """Send requests of different sizes at once; each model's span must hang below the request of its size."""
    server.wait()
    wanted = [(path, size) for path in paths for size in range(1, 9)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda at: server.post(f"/{at[0]}/{at[1]}", kit.rows(at[1])), wanted))
    assert [len(answer) for answer in answers] == [size for _, size in wanted]
    server.stop()
    per_request: Counter[tuple[str, int]] = Counter()
    for span, request in received.calls():
        assert request is not None, server.log()
        told = kit.attributes(request)
        assert told["http.route"] == route.format(told["http.route"].split("/")[1])
        assert request.trace_id == span.trace_id
        path = told.get("url.path") or told.get("http.target")
        _, name, size = path.split("/")
        per_request[name, int(size)] += kit.attributes(span)["ml.batch.size"]
    assert per_request == {(path, size): size for path, size in wanted}
    total = sum(size for _, size in wanted)
    assert received.column_counts() == {"temp": total, "wind": total, "prediction": total}


def test_fastapi_keeps_the_context_of_threads_tasks_and_handed_over_work(serve, received, kit) -> None:
    server = serve(kit.python, "-m", "uvicorn", "app:app", "--port", "{port}", files={"app.py": FASTAPI})
    _check(server, received, kit, ("threads", "tasks", "handed"), route="/{}/{{rows}}")


def test_flask_keeps_the_context_of_its_threads(serve, received, kit) -> None:
    pytest.importorskip("flask", reason="Flask is not installed")
    pytest.importorskip(
        "opentelemetry.instrumentation.flask", reason="opentelemetry-instrumentation-flask is not installed"
    )
    pytest.importorskip("gunicorn", reason="gunicorn is not installed")
    server = serve(
        str(kit.bin / "gunicorn"), "app:app", "-b", "127.0.0.1:{port}", "--threads", "8", files={"app.py": FLASK}
    )
    _check(server, received, kit, ("threads",), route="/{}/<int:rows>")
