"""Every file of collector-config/: the collector takes it, alone and beside those it goes with, and passes data on."""

from __future__ import annotations

import gzip
import re
import time
import urllib.request
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

from backend_kit import OPENER, until, validate
from driftmeter import Baseline

DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
CONFIGS = Path(__file__).parents[2] / "collector-config"
BACKENDS = sorted((CONFIGS / "backends").glob("*.yaml"))
ENDS = [CONFIGS / "direct.yaml", CONFIGS / "single-host.yaml", CONFIGS / "fleet" / "egress.yaml"]
"""The files that a file of backends/ goes with."""
ALONE = [*ENDS, CONFIGS / "fleet" / "front.yaml"]
BESIDE = [CONFIGS / "host.yaml", CONFIGS / "durable.yaml", CONFIGS / "fleet" / "secure.yaml"]
NO_COLLECTORS = {"compose.yaml", "gateway.yaml", "kubernetes.yaml", "kustomization.yaml"}


def test_no_file_is_left_out_here():
    found = {path for path in CONFIGS.rglob("*.yaml") if path.name not in NO_COLLECTORS}
    assert found == {*BACKENDS, *ALONE, *BESIDE}


@pytest.mark.backends
@pytest.mark.parametrize("path", ALONE, ids=lambda path: path.stem)
def test_the_collector_accepts_it_alone(path):
    validate([path])


@pytest.mark.backends
@pytest.mark.parametrize("end", ENDS, ids=lambda path: path.stem)
def test_the_collector_accepts_it_with_each_backend_and_with_all(end):
    for backend in BACKENDS:
        validate([end, backend])
    validate([end, *BACKENDS, CONFIGS / "host.yaml"])


@pytest.mark.backends
def test_the_collector_accepts_a_durable_queue(tmp_path):
    validate(
        [CONFIGS / "single-host.yaml", CONFIGS / "durable.yaml", CONFIGS / "fleet" / "secure.yaml"],
        environ={"COLLECTOR_STATE": str(tmp_path)},
    )


def test_what_is_read_from_the_environment_is_told_in_the_readme():
    names = {name for path in CONFIGS.rglob("*.yaml") for name in re.findall(r"\$\{env:(\w+)", path.read_text())}
    told = (CONFIGS / "README.md").read_text()
    assert sorted(name for name in names if f"`{name}`" not in told) == []


def test_commands_of_the_readme_name_files_of_its_folder():
    told = (CONFIGS / "README.md").read_text()
    blocks = re.findall(r"```bash\n(.*?)```", told, re.DOTALL)
    named = {name for block in blocks for name in re.findall(r"--config[= ](\S+)|--config\.file=(\S+)", block)}
    files = {file for pair in named for file in pair if file}
    assert {"single-host.yaml", "gateway.yaml", "prometheus.yml"} <= files
    assert sorted(file for file in files if not (CONFIGS / file).is_file()) == []


class Backend:
    """Stands for a vendor: takes OTLP/HTTP and keeps what it was sent, by path, with the headers."""

    def __init__(self):
        self.received = received = defaultdict(list)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                received[self.path].append((self.headers, body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def kill(self):
        self.server.shutdown()
        self.server.server_close()

    def metrics(self):
        requests = [ExportMetricsServiceRequest.FromString(body) for _, body in self.received["/v1/metrics"]]
        return [m for r in requests for of in r.resource_metrics for scope in of.scope_metrics for m in scope.metrics]


def trace():
    message = ExportTraceServiceRequest()
    now = time.time_ns()
    message.resource_spans.add().scope_spans.add().spans.add(
        name="predict", trace_id=b"t" * 16, span_id=b"s" * 8, start_time_unix_nano=now - 1000, end_time_unix_nano=now
    )
    return message


def sketch(temporality, *, count, start=None):
    """One sketch of the value 1, since a time in Unix nanoseconds, by default a second ago."""
    message = ExportMetricsServiceRequest()
    metric = message.resource_metrics.add().scope_metrics.add().metrics.add(name="ml.column.value")
    metric.exponential_histogram.aggregation_temporality = temporality
    now = time.time_ns()
    point = metric.exponential_histogram.data_points.add(
        start_time_unix_nano=start or now - 10**9, time_unix_nano=now, count=count, sum=count, min=1, max=1, scale=3
    )
    point.positive.bucket_counts.append(count)
    for name, value in {"ml.model.name": "m", "ml.column.name": "c", "ml.column.role": "feature"}.items():
        point.attributes.add(key=name).value.string_value = value
    return message


def event():
    message = ExportLogsServiceRequest()
    message.resource_logs.add().scope_logs.add().log_records.add(event_name="ml.skew.detected", time_unix_nano=1)
    return message


def send(collector, message):
    signal = {ExportTraceServiceRequest: "traces", ExportLogsServiceRequest: "logs"}.get(type(message), "metrics")
    headers = {"Content-Type": "application/x-protobuf"}
    request = urllib.request.Request(f"{collector.http}/v1/{signal}", message.SerializeToString(), headers)
    with OPENER.open(request, timeout=10) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    ("file", "variables", "header"),
    [
        ("otlp.yaml", {"BACKEND_OTLP": "{}", "BACKEND_AUTHORIZATION": "Bearer key"}, ("Authorization", "Bearer key")),
        ("datadog.yaml", {"DD_OTLP": "{}", "DD_API_KEY": "key"}, ("dd-api-key", "key")),
        ("signoz.yaml", {"SIGNOZ_OTLP": "{}", "SIGNOZ_INGESTION_KEY": "key"}, ("signoz-ingestion-key", "key")),
    ],
)
def test_all_signals_reach_a_vendor_with_the_key(backends, file, variables, header):
    vendor = backends.add(Backend())
    environ = {name: value.format(vendor.url) for name, value in variables.items()}
    collector = backends.collector(CONFIGS / "direct.yaml", CONFIGS / "backends" / file, environ=environ)
    for message in (trace(), sketch(DELTA, count=7), event()):
        send(collector, message)
    until(lambda: set(vendor.received) == {"/v1/traces", "/v1/metrics", "/v1/logs"}, otherwise=collector.log)
    assert {headers[header[0]] for requests in vendor.received.values() for headers, _ in requests} == {header[1]}
    [metric] = vendor.metrics()
    assert metric.exponential_histogram.aggregation_temporality == DELTA
    assert metric.exponential_histogram.data_points[0].count == 7
    assert collector.lost() == {}


@pytest.mark.parametrize("file", ["datadog.yaml", "signoz.yaml"])
def test_a_backend_of_deltas_gets_cumulative_points_as_deltas(backends, file):
    vendor = backends.add(Backend())
    environ = {"DD_OTLP": vendor.url, "SIGNOZ_OTLP": vendor.url}
    collector = backends.collector(CONFIGS / "direct.yaml", CONFIGS / "backends" / file, environ=environ)
    start = time.time_ns() - 60 * 10**9
    send(collector, sketch(CUMULATIVE, count=7, start=start))
    send(collector, sketch(CUMULATIVE, count=9, start=start))
    until(vendor.metrics, otherwise=collector.log)
    histograms = [metric.exponential_histogram for metric in vendor.metrics()]
    assert {histogram.aggregation_temporality for histogram in histograms} == {DELTA}
    assert sum(point.count for histogram in histograms for point in histogram.data_points) == 2


def test_one_signal_without_a_backend_does_not_hold_up_the_others(backends):
    vendor = backends.add(Backend())
    files = (CONFIGS / "direct.yaml", CONFIGS / "backends" / "traces.yaml")
    collector = backends.collector(*files, environ={"TRACES_OTLP": vendor.url})
    for message in (sketch(DELTA, count=7), event(), trace()):
        send(collector, message)
    until(lambda: set(vendor.received) == {"/v1/traces"}, otherwise=collector.log)
    assert collector.lost() == {}


def test_a_file_of_production_traffic_is_a_baseline(backends, tmp_path):
    written = tmp_path / "metrics.json"
    files = (CONFIGS / "direct.yaml", CONFIGS / "backends" / "file.yaml")
    collector = backends.collector(*files, environ={"METRICS_FILE": str(written)})
    send(collector, sketch(DELTA, count=7))
    until(lambda: written.exists() and written.read_text().endswith("\n"), otherwise=collector.log)
    baseline = Baseline.load(written)
    assert baseline.model.name == "m"
    assert [sketch.total for sketch in baseline.snapshot.columns.values()] == [7]


def test_the_host_s_metrics_are_beside_the_models(backends, prometheus):
    files = [CONFIGS / name for name in ("direct.yaml", "host.yaml", "backends/prometheus.yaml")]
    settings = {"receivers::host_metrics::collection_interval": "1s"}
    collector = backends.collector(*files, environ={"PROMETHEUS_OTLP": prometheus.otlp}, settings=settings)
    wanted = {"system_cpu_time_seconds_total", "system_memory_usage_bytes", "system_network_io_bytes_total"}
    until(lambda: wanted <= prometheus.names(), otherwise=collector.log)
