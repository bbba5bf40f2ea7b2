"""Worker processes: every row is counted exactly once, children start empty, SIGTERM loses nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

# The model answers before the fork too: a child that kept the parent's rows would send them a second time.
APP = """
import joblib
import pandas as pd

model = joblib.load("model.joblib")
WARM = pd.DataFrame({"temp": [1.0] * 7, "wind": [2.0] * 7})


def warm():
    model.predict(WARM)


def answer(body):
    return model.predict(pd.DataFrame(body)).tolist()
"""

FLASK = """
from flask import Flask, jsonify, request

from work import answer, warm

warm()
app = Flask(__name__)


@app.get("/health")
def health():
    return "ok"


@app.post("/predict")
def predict():
    return jsonify(answer(request.get_json()))
"""

FASTAPI = """
from fastapi import FastAPI, Request

from work import answer, warm

warm()
app = FastAPI()


@app.get("/health")
def health():
    return "ok"


@app.post("/predict")
async def predict(request: Request):
    return answer(await request.json())
"""

WARM = 7
FILES = {"work.py": APP, "flaskapp.py": FLASK, "fastapiapp.py": FASTAPI}


def _gunicorn(kit, framework: str, *options: str) -> list[str]:
    pytest.importorskip("gunicorn", reason="gunicorn is not installed")
    pytest.importorskip(framework, reason=f"{framework} is not installed")
    return [str(kit.bin / "gunicorn"), f"{framework}app:app", "-b", "127.0.0.1:{port}", "-w", "2", *options]


UVICORN = ("-k", "uvicorn.workers.UvicornWorker")
WAYS = {
    # What the model answered when the application was loaded: in both workers, or once, in the parent.
    "one by one": ("flask", (), 2 * WARM),
    "preload, threads": ("flask", ("-k", "gthread", "--threads", "4", "--preload"), WARM),
    # These undo the parent's signal handlers, and end by a signal.
    "uvicorn's workers": ("fastapi", UVICORN, 2 * WARM),
    "preload, uvicorn's workers": ("fastapi", (*UVICORN, "--preload"), WARM),
}


@pytest.mark.parametrize("way", list(WAYS))
def test_two_gunicorn_workers_send_every_row_once_when_sigterm_ends_them(way, serve, received, kit) -> None:
    framework, options, warmed = WAYS[way]
    server = serve(*_gunicorn(kit, framework, *options), files=FILES)
    server.wait()
    sizes = [1 + at % 5 for at in range(60)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda size: server.post("/predict", kit.rows(size)), sizes))
    server.stop()
    total = sum(sizes) + warmed
    assert received.column_counts() == {"temp": total, "wind": total, "prediction": total}, server.log()
