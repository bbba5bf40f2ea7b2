"""CPU time that the gateway's servers spend on a request, receiver excluded, beside the libraries that they stand on.

    python benchmarks/gateway/servers.py [--requests 3000]

Clients are a process of their own, with 8 requests on their way at one time. The receiver only keeps the bodies' sizes.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import aiohttp
import grpc
from aiohttp import web
from grpc import aio
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from driftmeter.gateway._inbound import METHODS, Accepted, Answer, Signal
from driftmeter.gateway.servers._server_config import ServerConfig
from driftmeter.gateway.servers._servers import Servers

METHOD = METHODS["metrics"]
AT_ONCE = 8
TOKEN = "benchmark"


def body(sketches: int) -> bytes:
    """Return a request with so many column sketches of 80 buckets."""
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="ml.column.value")
    for number in range(sketches):
        point = metric.exponential_histogram.data_points.add(count=4000, scale=5, sum=1.5, time_unix_nano=10**18)
        point.positive.bucket_counts.extend((index * 7 + number) % 100 for index in range(80))
        point.attributes.add(key="ml.column.name").value.string_value = f"column_{number}"
    return request.SerializeToString()


class Sizes:
    def __init__(self) -> None:
        self.taken: list[int] = []

    async def receive(self, _signal: Signal, received: bytes) -> Answer:
        self.taken.append(len(received))
        return Accepted()

    def trouble(self) -> str:
        return ""


@asynccontextmanager
async def gateway(sizes: Sizes) -> AsyncIterator[dict[str, str]]:
    with tempfile.NamedTemporaryFile("w", suffix=".tokens") as tokens:
        tokens.write(f"{TOKEN}\n")
        tokens.flush()
        servers = Servers(
            sizes, ServerConfig(grpc_address="localhost:0", http_address="127.0.0.1:0", tokens=tokens.name)
        )
        await servers.start()
        yield {protocol: str(address) for protocol, address in servers.addresses.items()}
        await servers.stop(5)


@asynccontextmanager
async def bare_grpc(sizes: Sizes) -> AsyncIterator[dict[str, str]]:
    async def export(received: bytes, _context: object) -> bytes:
        sizes.taken.append(len(received))
        return b""

    class Handlers(grpc.GenericRpcHandler):
        def service(self, _details: object) -> object:
            return grpc.unary_unary_rpc_method_handler(export)

    server = aio.server(options=[("grpc.max_receive_message_length", -1)])
    server.add_generic_rpc_handlers((Handlers(),))
    port = server.add_insecure_port("localhost:0")
    await server.start()
    yield {"grpc": f"localhost:{port}"}
    await server.stop(None)


@asynccontextmanager
async def bare_aiohttp(sizes: Sizes) -> AsyncIterator[dict[str, str]]:
    async def export(request: web.Request) -> web.Response:
        sizes.taken.append(len(await request.read()))
        return web.Response()

    app = web.Application(client_max_size=1 << 30)
    app.router.add_post("/v1/metrics", export)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield {"http": f"127.0.0.1:{runner.addresses[0][1]}"}
    await runner.cleanup()


async def clients(protocol: str, address: str, packing: str, path: str, count: int) -> None:
    """Send the request in a file so many times."""
    content = Path(path).read_bytes()
    if protocol == "grpc":
        compression = grpc.Compression.Gzip if packing == "gzip" else grpc.Compression.NoCompression
        metadata = (("authorization", f"Bearer {TOKEN}"),)
        async with aio.insecure_channel(address) as channel:
            call = channel.unary_unary(METHOD)
            await at_once(lambda: call(content, metadata=metadata, compression=compression), count)
        return
    headers = {"Content-Type": "application/x-protobuf", "Authorization": f"Bearer {TOKEN}"}
    if packing == "gzip":
        content, headers["Content-Encoding"] = gzip.compress(content), "gzip"
    async with aiohttp.ClientSession(headers=headers) as session:

        async def post() -> None:
            async with session.post(f"http://{address}/v1/metrics", data=content) as answer:
                assert answer.status == 200
                await answer.read()

        await at_once(post, count)


async def at_once(send: Callable[[], object], count: int) -> None:
    left = iter(range(count))

    async def worker() -> None:
        for _ in left:
            await send()

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))


async def measure(
    server: Callable[[Sizes], AbstractAsyncContextManager[dict[str, str]]],
    protocol: str,
    packing: str,
    content: bytes,
    count: int,
) -> float:
    """Return the CPU time of the server's process for one request, in microseconds."""
    sizes = Sizes()
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        async with server(sizes) as addresses:

            async def send(requests: int) -> None:
                words = ["--client", protocol, addresses[protocol], packing, file.name, str(requests)]
                process = await asyncio.create_subprocess_exec(sys.executable, __file__, *words)
                assert await process.wait() == 0

            await send(50)
            before = time.process_time()
            await send(count)
            spent = time.process_time() - before
    assert sizes.taken == [len(content)] * (count + 50), "each request arrives once, and whole"
    return spent / count * 1e6


async def table(count: int) -> None:
    rows = [
        ("grpc.aio alone", bare_grpc, "grpc", "identity"),
        ("gateway, gRPC", gateway, "grpc", "identity"),
        ("gateway, gRPC, gzip", gateway, "grpc", "gzip"),
        ("aiohttp alone", bare_aiohttp, "http", "identity"),
        ("gateway, HTTP", gateway, "http", "identity"),
        ("gateway, HTTP, gzip", gateway, "http", "gzip"),
    ]
    sizes = (1, 100, 1000)
    contents = [body(size) for size in sizes]
    columns = " | ".join(
        f"{size} sketches, {len(made) / 1000:.3g} kB" for size, made in zip(sizes, contents, strict=True)
    )
    print(f"| µs CPU a request | {columns} |\n|---|{'---|' * len(sizes)}")
    for name, server, protocol, packing in rows:
        spent = [
            await measure(server, protocol, packing, made, max(100, count // (1 + size // 100)))
            for size, made in zip(sizes, contents, strict=True)
        ]
        print(f"| {name} | {' | '.join(f'{microseconds:.0f}' for microseconds in spent)} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--client", nargs=5, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.client:
        asyncio.run(clients(*given.client[:4], int(given.client[4])))
    else:
        asyncio.run(table(given.requests))
