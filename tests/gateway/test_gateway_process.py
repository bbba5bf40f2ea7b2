"""The gateway as users start it: a process that is killed, ended, started anew, and given a wrong configuration."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from click.testing import CliRunner
from gateway_core import request, rows
from gateway_process import Backend, GatewayProcess, until
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from driftmeter import Baseline, otlp
from driftmeter.cli import main

ROWS = 300


@pytest.fixture
def backend() -> Iterator[Backend]:
    backend = Backend()
    yield backend
    backend.close()


@pytest.fixture
def gateway(tmp_path: Path, backend: Backend) -> Iterator[GatewayProcess]:
    gateway = GatewayProcess(tmp_path, backend)
    yield gateway
    gateway.close()


def merged_rows(backend: Backend) -> int:
    """Rows of the merged sketches that arrived, each of which may have been sent twice."""
    return sum(snapshot.rows for snapshot in otlp.snapshots(list(backend.bodies["metrics"])))


def metric_names(backend: Backend) -> set[str]:
    return {
        metric.name
        for body in list(backend.bodies["metrics"])
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def spans(name: str) -> bytes:
    span = {"name": name, "trace_id": b"1" * 16, "span_id": b"2" * 8}
    return ExportTraceServiceRequest(resource_spans=[{"scope_spans": [{"spans": [span]}]}]).SerializeToString()


def test_replicas_become_merged_sketches_signals_and_its_own_metrics_at_the_backend(gateway, backend) -> None:
    gateway.start()
    gateway.wait_ready()
    assert gateway.get("/healthz") == 200
    for replica in range(4):
        assert gateway.post(request(replica, time.time_ns())) == 200
    assert gateway.post(spans("s"), "traces") == 200
    until(lambda: merged_rows(backend) == 4 * ROWS)
    until(lambda: backend.bodies["traces"])
    until(lambda: {"ml.window.rows", "driftmeter.gateway.points", "driftmeter.gateway.sent"} <= metric_names(backend))
    assert gateway.end() == 0


@pytest.mark.parametrize("protocol", [pytest.param("grpc", marks=pytest.mark.slow), "http/protobuf"])
def test_a_baseline_that_is_pushed_is_compared_with(gateway, backend, tmp_path, monkeypatch, protocol) -> None:
    baseline = Baseline.from_frame(rows(seed=3, count=2000), model="m")
    baseline.save(tmp_path / "m.json")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "s")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    gateway.start()
    gateway.wait_ready()
    port = gateway.grpc_port if protocol == "grpc" else gateway.http_port
    command = ["baseline", "push", str(tmp_path / "m.json"), "--endpoint", f"http://127.0.0.1:{port}"]
    result = CliRunner().invoke(main, command)
    assert result.output == f"sent the training baseline {baseline.id} of model m\n"
    gateway.post(request(0, time.time_ns()))
    until(lambda: "ml.skew.detected" in metric_names(backend))
    gateway.kill()
    assert CliRunner().invoke(main, command).exit_code == 2


def test_an_end_in_peace_sends_what_there_is_and_a_restart_goes_on(gateway, backend) -> None:
    gateway.start()
    gateway.wait_ready()
    body = request(0, time.time_ns())
    assert gateway.post(body) == 200
    assert gateway.end() == 0
    assert merged_rows(backend) == ROWS
    gateway.start()
    gateway.wait_ready()
    assert gateway.post(body) == 200, "it comes again"
    assert gateway.end() == 0
    assert merged_rows(backend) == ROWS
    assert {entry["severity"] for entry in gateway.entries()} == {"INFO"}


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_killed_at_any_moment_it_loses_nothing_that_it_acknowledged_and_counts_nothing_twice(gateway, backend) -> None:
    rng = random.Random(5)
    sent = []
    ended = False

    def send(replica: int) -> None:
        while not ended:
            body = request(replica, time.time_ns())
            while gateway.post(body) != 200:
                # Perhaps it was taken, and the answer lost: as exporters do, it is sent again.
                time.sleep(0.05)
            sent.append(body)
            number = len(sent)
            while gateway.post(spans(f"{replica}-{number}"), "traces") != 200:
                time.sleep(0.05)
            time.sleep(rng.uniform(0, 0.05))

    gateway.start()
    replicas = [Thread(target=send, args=(replica,)) for replica in range(3)]
    for replica in replicas:
        replica.start()
    for _ in range(6):
        gateway.wait_ready()
        time.sleep(rng.uniform(0.2, 1.5))
        gateway.kill()
        gateway.start()
    gateway.wait_ready()
    ended = True
    for replica in replicas:
        replica.join()
    assert gateway.end() == 0
    assert len(sent) > 50
    assert merged_rows(backend) == ROWS * len(sent)
    names = {
        span.name
        for body in backend.bodies["traces"]
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }
    assert len(names) == len(sent)


def test_a_backend_that_is_away_gets_all_when_it_is_back(tmp_path, backend) -> None:
    gateway = GatewayProcess(tmp_path, backend, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    try:
        gateway.start()
        gateway.wait_ready()
        gateway.post(request(0, time.time_ns()))
        gateway.post(spans("kept"), "traces")
        time.sleep(1.5)
        assert gateway.end() == 0
        back = GatewayProcess(tmp_path, backend)
        back.start()
        try:
            until(lambda: merged_rows(backend) == ROWS and backend.bodies["traces"])
        finally:
            back.close()
    finally:
        gateway.close()


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"DRIFTMETER_GATEWAY_STAT": "x"}, "stat is not a key; did you mean 'state'?"),
        ({"DRIFTMETER_GATEWAY_MAX_STREAMS": "0"}, "max_streams must be at least 1; got 0"),
        ({"DRIFTMETER_GATEWAY_STATE": "none/state.db"}, "state none/state.db: it cannot be written: No such file"),
        ({"DRIFTMETER_GATEWAY_BASELINES": "nope"}, "baselines must be a folder that exists; got 'nope'"),
        ({"DRIFTMETER_BASELINE": "none.json"}, "baseline none.json: cannot be read: No such file"),
        ({"DRIFTMETER_GATEWAY_HTTP_ADDRESS": "127.0.0.1"}, "http_address"),
    ],
)
def test_a_wrong_configuration_ends_it_with_one_line_that_names_it(tmp_path, backend, environ, said) -> None:
    gateway = GatewayProcess(tmp_path, backend, **environ)
    gateway.start()
    assert gateway.process.wait(timeout=30) == 2
    lines = gateway.log.read_text().splitlines()
    assert said in lines[-1]
    assert not any("Traceback" in line for line in lines)
    assert not list(tmp_path.rglob("*.db*"))


@pytest.mark.parametrize("protocol", ["grpc", pytest.param("http", marks=pytest.mark.slow)])
def test_an_address_in_use_ends_it_with_one_line_and_leaves_the_state_as_it_was(gateway, tmp_path, protocol) -> None:
    state = tmp_path / "driftmeter-gateway.db"
    with socket.socket() as taken:
        port = getattr(gateway, f"{protocol}_port")
        taken.bind(("127.0.0.1", port))
        taken.listen()
        address = f"127.0.0.1:{port}"
        for _ in range(2):
            gateway.start("--reset")
            assert gateway.process.wait(timeout=30) == 2
            (line,) = gateway.log.read_text().splitlines()
            assert line == f"Error: {protocol}_address must be free to listen at; {address}: Address already in use"
            assert sorted(tmp_path.rglob("*.db*")) == ([state] if state.exists() else [])
            gateway.log.unlink()
            state.write_bytes(b"of another start")
    assert state.read_bytes() == b"of another start"


def test_a_corrupt_state_ends_it_and_reset_keeps_it_aside(gateway, tmp_path) -> None:
    state = tmp_path / "driftmeter-gateway.db"
    state.write_bytes(b"nonsense" * 2000)
    gateway.start()
    assert gateway.process.wait(timeout=30) == 2
    assert "it is corrupt" in gateway.log.read_text().splitlines()[-1]
    gateway.log.unlink()
    gateway.start("--reset")
    gateway.wait_ready()
    aside = [path for path in tmp_path.glob("driftmeter-gateway.db.aside-*") if path.stat().st_size == 16000]
    assert [path.read_bytes() for path in aside] == [b"nonsense" * 2000]
    assert gateway.end() == 0


def test_its_own_address_is_no_endpoint(tmp_path, backend) -> None:
    gateway = GatewayProcess(tmp_path, backend)
    gateway.close()
    gateway._environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{gateway.http_port}"
    gateway.start()
    assert gateway.process.wait(timeout=30) == 2
    assert "must not be the gateway's own address" in gateway.log.read_text().splitlines()[-1]
