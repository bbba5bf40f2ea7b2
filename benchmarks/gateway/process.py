"""What a gateway process takes a column sketch: received, merged, committed, acknowledged.

python benchmarks/gateway/process.py [--requests 400] [--buckets 80] [--compression gzip]

Replicas send requests of 1000 sketches (10 models of 100 columns) by OTLP/gRPC, several on their way at one time, to a
real `driftmeter gateway` with its state on disk, whose signals go to a backend that takes everything. Afterwards the
merged sketches that the backend got are asserted to hold every observation once. Of the process it tells the CPU time,
by what a core would do in a second, and the memory.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import grpc
import numpy as np
import psutil
from grpc import aio
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from driftmeter import otlp
from driftmeter.schema import Column, Model
from driftmeter.sketches import NumericSketch, Snapshot

SECOND = 1_000_000_000
COLUMNS, MODELS, REPLICAS, ROWS = 100, 10, 20, 400
EXPORT = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"


def sketches(seed: int, buckets: int) -> dict[Column, NumericSketch]:
    rng = np.random.default_rng(seed)
    found = {}
    for i in range(COLUMNS):
        sketch = NumericSketch.from_values(rng.lognormal(size=ROWS) if i % 2 else rng.normal(10, 1, size=ROWS))
        found[Column(f"column_{i}")] = sketch.compacted(buckets)
    return found


def requests(count: int, buckets: int) -> list[bytes]:
    """One request a replica and interval; a replica's intervals follow each other."""
    begin = time.time_ns() - 30 * SECOND
    parts = [sketches(seed, buckets) for seed in range(MODELS)]
    made = []
    for at in range(count):
        replica, interval = at % REPLICAS, at // REPLICAS
        start = begin + interval * SECOND // 10 + replica
        snapshots = [
            Snapshot(Model(f"model_{i}"), start, start + SECOND // 10, parts[(i + at) % MODELS]) for i in range(MODELS)
        ]
        metrics = [
            metric for metric in otlp.sketch_metrics(snapshots, temporality=otlp.DELTA) if "value" in metric.name
        ]
        request = otlp.to_request([({}, metrics)])
        attributes = request.resource_metrics[0].resource.attributes
        for key, value in (("service.name", "checkout"), ("service.instance.id", f"{replica:036d}")):
            attributes.add(key=key).value.string_value = value
        made.append(request.SerializeToString())
    return made


class Backend:
    """Takes everything by OTLP/gRPC, and adds up the observations of the merged sketches."""

    def __init__(self) -> None:
        self.observations = 0
        self.server = aio.server(options=[("grpc.max_receive_message_length", -1)])
        self.server.add_generic_rpc_handlers((self,))
        self.port = self.server.add_insecure_port("127.0.0.1:0")

    def service(self, _details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(self.take)

    async def take(self, body: bytes, _context: aio.ServicerContext) -> bytes:
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name == "ml.column.value":
                        self.observations += sum(point.count for point in metric.exponential_histogram.data_points)
        return b""


async def send_all(port: int, bodies: Sequence[bytes], *, at_once: int, compression: grpc.Compression) -> None:
    channel = aio.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.max_send_message_length", -1)])
    export = channel.unary_unary(EXPORT)
    waiting = iter(bodies)

    async def work() -> None:
        for body in waiting:
            await export(body, compression=compression, timeout=60)

    await asyncio.gather(*(work() for _ in range(at_once)))
    await channel.close()


async def run(arguments: argparse.Namespace) -> None:
    bodies = requests(arguments.requests, arguments.buckets)
    print(
        f"{len(bodies)} requests of {COLUMNS * MODELS} sketches, {np.mean([len(b) for b in bodies]) / 1e3:.0f} kB each"
    )
    backend = Backend()
    await backend.server.start()
    with tempfile.TemporaryDirectory() as folder:
        environ = {
            **os.environ,
            "DRIFTMETER_GATEWAY_GRPC_ADDRESS": f"127.0.0.1:{arguments.port}",
            "DRIFTMETER_GATEWAY_HTTP_ADDRESS": "",
            "DRIFTMETER_GATEWAY_STATE": str(Path(folder) / "state.db"),
            "DRIFTMETER_GATEWAY_EXPORT_ENDPOINT": f"http://127.0.0.1:{backend.port}",
            "DRIFTMETER_LEARN_ROWS": "0",
        }
        command = [sys.executable, "-c", "from driftmeter.cli import main; main()", "gateway"]
        process = subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL)
        try:
            await measure(process, backend, bodies, arguments)
        finally:
            process.kill()
            process.wait()
    await backend.server.stop(0)


async def measure(
    process: subprocess.Popen[bytes], backend: Backend, bodies: Sequence[bytes], arguments: argparse.Namespace
) -> None:
    channel = aio.insecure_channel(f"127.0.0.1:{arguments.port}")
    await asyncio.wait_for(channel.channel_ready(), 60)
    await channel.close()
    watched = psutil.Process(process.pid)
    compression = grpc.Compression.Gzip if arguments.compression == "gzip" else grpc.Compression.NoCompression
    warm = len(bodies) // 5
    await send_all(arguments.port, bodies[:warm], at_once=8, compression=compression)
    began, used = time.perf_counter(), sum(watched.cpu_times()[:2])
    await send_all(arguments.port, bodies[warm:], at_once=8, compression=compression)
    seconds, cpu = time.perf_counter() - began, sum(watched.cpu_times()[:2]) - used
    sent = (len(bodies) - warm) * COLUMNS * MODELS
    memory = watched.memory_info().rss / 1e6
    process.terminate()
    await asyncio.to_thread(process.wait, 120)
    expected = len(bodies) * COLUMNS * MODELS * ROWS
    assert backend.observations == expected, f"{backend.observations} observations arrived, not {expected}"
    print(f"CPU {cpu / sent * 1e6:.2f} us a sketch, {sent / cpu:,.0f} sketches a second of one core")
    print(f"{sent / seconds:,.0f} a second by the clock (the client shares the machine); {memory:.0f} MB resident")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--buckets", type=int, default=80)
    parser.add_argument("--compression", choices=("none", "gzip"), default="none")
    parser.add_argument("--port", type=int, default=24317)
    asyncio.run(run(parser.parse_args()))
