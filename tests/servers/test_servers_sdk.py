"""The ways that the SDK is set up and left: its declarative configuration file, and a collector that is not there."""

from __future__ import annotations

import os
import socket
import subprocess
import time

import pytest

PROGRAM = """
import sys

import driftmeter
from opentelemetry import metrics

metrics.get_meter("app").create_counter("requests").add(1)
driftmeter.record(model="m", features={"x": [1.0, 2.0]})
print("recorded", flush=True)
sys.stdin.readline()
"""

CONFIG = """
file_format: "1.0"
resource:
  attributes:
    - name: service.name
      value: service
meter_provider:
  readers:
    - periodic:
        interval: 3600000
        exporter:
          otlp_http:
            endpoint: {endpoint}/v1/metrics
            temporality_preference: delta
"""


def test_the_sdks_configuration_file_is_enough(received, kit, tmp_path) -> None:
    pytest.importorskip("opentelemetry.configuration", reason="opentelemetry-configuration is not installed")
    (tmp_path / "otel.yaml").write_text(CONFIG.format(endpoint=received.endpoint))
    environ = {key: value for key, value in kit.environment("").items() if not key.startswith("OTEL_")}
    command = [kit.instrument, kit.python, "-c", PROGRAM]
    environ["OTEL_CONFIG_FILE"] = "otel.yaml"
    subprocess.run(command, env=environ, cwd=tmp_path, input=b"\n", capture_output=True, timeout=60, check=True)
    assert received.column_counts() == {"x": 2}


def _seconds_to_exit(endpoint: str, kit, *, watched: bool) -> float:
    # A program that is not watched has nothing to record, and says so by doing nothing.
    environ = kit.environment(endpoint, OTEL_EXPORTER_OTLP_TIMEOUT="1", DRIFTMETER_ENABLED=str(watched).lower())
    with subprocess.Popen(
        [kit.instrument, kit.python, "-c", PROGRAM],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdin is not None
            assert process.stdout.readline() == f"recorded{os.linesep}".encode()
            begin = time.monotonic()
            process.stdin.write(b"\n")
            process.stdin.flush()
            assert process.wait(60) == 0
            return time.monotonic() - begin
        finally:
            process.kill()


@pytest.mark.slow
def test_with_a_dead_collector_a_program_ends_as_soon_as_it_would_unwatched(kit) -> None:
    # It listens and never answers: worse than a closed port.
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        dead.listen()
        endpoint = f"http://127.0.0.1:{dead.getsockname()[1]}"
        unwatched = _seconds_to_exit(endpoint, kit, watched=False)
        # One export more would take another second and its retries; the leeway is for a busy machine.
        assert _seconds_to_exit(endpoint, kit, watched=True) < 2 * unwatched + 10
