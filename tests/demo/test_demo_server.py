"""The served process, really started and really stopped."""

from __future__ import annotations

import os
import signal
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from driftmeter.demo import DemoError
from driftmeter.demo._server import Server, command, environment, find_app

HEALTHY = """
from fastapi import FastAPI
app = FastAPI()

@app.get("/health")
def health():
    return {}
"""


def _server(folder: Path, source: str) -> Server:
    app = folder / "some_app.py"
    app.write_text(source)
    # Uninstrumented: what is tested here is the process. The end-to-end tests have the rest.
    environ = {**os.environ, "OTEL_SDK_DISABLED": "true", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"}
    return Server(app, environ=environ, folder=folder)


def _group_is_gone(server: Server) -> bool:
    try:
        os.killpg(server._process.pid, 0)
    except ProcessLookupError:
        return True
    return False


def _is_gone(process: psutil.Process) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            # An orphan that nobody reaps yet is dead too.
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)  # a killed process runs for another instant
    return False


def test_it_serves_until_it_is_stopped_and_leaves_nothing(tmp_path):
    server = _server(tmp_path, HEALTHY)
    server.start()
    try:
        server.wait_ready()
        with urllib.request.urlopen(f"{server.url}/health") as response:
            assert response.status == 200
    finally:
        server.stop()
    assert _group_is_gone(server)
    assert server._process.returncode == -signal.SIGTERM  # uvicorn ends in an orderly way, then by the signal
    server.stop()  # again, as after an interrupt within the first


def test_a_server_that_does_not_end_is_killed_with_its_children(tmp_path):
    stubborn = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n{HEALTHY}\n"
        "import time\napp.router.on_shutdown.append(lambda: time.sleep(60))\n"
    )
    server = _server(tmp_path, stubborn)
    server.start()
    try:
        server.wait_ready()
        [child] = psutil.Process(server._process.pid).children()
    finally:
        server.stop(timeout=0.3)
    assert server._process.returncode == -signal.SIGKILL
    assert _is_gone(child)


def test_a_server_that_cannot_start_is_told_with_its_last_words(tmp_path):
    server = _server(tmp_path, "raise RuntimeError('the model file is broken')")
    server.start()
    try:
        with pytest.raises(DemoError, match=r"ended with exit code 1: .*the model file is broken"):
            server.wait_ready()
    finally:
        server.stop()


def test_a_server_that_does_not_answer_in_time_is_told(tmp_path):
    server = _server(tmp_path, "import time; time.sleep(60)")
    server.start()
    try:
        with pytest.raises(DemoError, match=r"did not answer within 0 s"):
            server.wait_ready(timeout=0.2)
    finally:
        server.stop()
    assert _group_is_gone(server)


def test_the_environment_holds_the_demos_settings_and_none_of_the_users_for_other_services(tmp_path):
    inherited = {
        "PATH": "/bin",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "https://elsewhere",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "https://elsewhere",
        "OTEL_SDK_DISABLED": "true",
        "OTEL_RESOURCE_ATTRIBUTES": "team=ml",
        "DRIFTMETER_CONFIG": "/etc/driftmeter.yaml",
    }
    made = environment(
        inherited, endpoint="http://127.0.0.1:1", model=tmp_path / "m", baseline=tmp_path / "b", window_seconds=2
    )
    assert made["PATH"] == "/bin"
    assert made["OTEL_RESOURCE_ATTRIBUTES"] == "team=ml"
    assert made["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://127.0.0.1:1"
    assert made["DRIFTMETER_WINDOW"] == made["DRIFTMETER_STEP"] == "2s"
    assert made["DRIFTMETER_BASELINE"] == str(tmp_path / "b")
    assert not {"OTEL_SDK_DISABLED", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "DRIFTMETER_CONFIG"} & made.keys()


def test_the_app_that_is_served_has_no_line_of_driftmeter():
    source = find_app().read_text()
    code = source.split('"""', 2)[2]
    assert "driftmeter" not in code
    assert "opentelemetry" not in code
    assert any("opentelemetry" in part for part in command(find_app(), port=1))
