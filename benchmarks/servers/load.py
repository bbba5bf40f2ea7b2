"""What watching costs a request: a FastAPI service with driftmeter beside the same one without, under load.

    python benchmarks/servers/load.py [--rounds 20] [--rate 60] [--seconds 5] [--workers 2] [--connections 8]

Both services run under ``opentelemetry-instrument`` at the same time, with two uvicorn workers each, FastAPI's spans,
an OTLP/HTTP collector on loopback, and the intervals that are the defaults. One is loaded and then the other, in turn:
what else the machine does meets both. Each connection asks again once it is answered; with ``--rate`` requests leave at
a steady rate, ready or not, and are timed from when they were due: a wait counts. The answers are checked before
anything is timed.

The 99th percentile of a few thousand requests is uncertain: two unwatched services beside each other differ by a tenth
of it on a busy machine. The CPU time of a request is the steadier figure.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import psutil
from sklearn.ensemble import HistGradientBoostingClassifier

from driftmeter import Baseline
from driftmeter.demo._receiver import Receiver

APP = """
import joblib
import pandas as pd
from fastapi import FastAPI

model = joblib.load("model.joblib")
app = FastAPI()


@app.get("/health")
def health():
    return "ok"


@app.post("/predict")
def predict(rows: list[dict[str, float]]):
    return model.predict(pd.DataFrame(rows)).tolist()
"""
COLUMNS = [f"f{at}" for at in range(20)]
OURS = "catboost,keras,lightgbm,mlflow,onnxruntime,sklearn,statsmodels,torch,transformers,xgboost"
OURS += ",system_metrics"  # which comes with driftmeter


def _collector(pipe) -> None:
    receiver = Receiver(lambda delivery: None)  # noqa: ARG005  # it throws all away
    receiver.start()
    pipe.send(receiver.endpoint)
    pipe.recv()


def _write_service(folder: Path) -> bytes:
    """Write the service, its model and the model's baseline; return the body of a request of one row."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(5000, len(COLUMNS))), columns=COLUMNS)
    model = HistGradientBoostingClassifier(max_iter=50).fit(frame, frame["f0"] + frame["f1"] > 0)
    joblib.dump(model, folder / "model.joblib")
    (folder / "app.py").write_text(APP)
    predictions = model.predict(frame)
    Baseline.from_frame(frame, model="m", predictions=predictions).save(folder / "baseline.json")
    return json.dumps(frame.head(1).to_dict("records")).encode()


class Service:
    """One of the two services."""

    def __init__(self, folder: Path, endpoint: str, *, watched: bool, workers: int) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "DRIFTMETER_"))}
        own = {"DRIFTMETER_BASELINE": str(folder / "baseline.json")}
        without = {"DRIFTMETER_ENABLED": "false", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": OURS}
        environ = {
            **kept,
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            # As a service with several workers has it: else each one's model takes all cores.
            "OMP_NUM_THREADS": "1",
            **(own if watched else without),
        }
        instrument = str(Path(sys.executable).parent / "opentelemetry-instrument")
        options = ["--port", str(self.port), "--workers", str(workers), "--log-level", "warning", "--no-access-log"]
        self.process = subprocess.Popen(
            [instrument, sys.executable, "-m", "uvicorn", "app:app", *options],
            cwd=folder,
            env=environ,
            start_new_session=True,
        )

    async def wait(self, body: bytes) -> None:
        """Wait until it answers as it should."""
        deadline = time.monotonic() + 60
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                answer = await _ask(reader, writer, self.port, body)
                writer.close()
            except OSError:  # noqa: PERF203  # it is not up yet
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)
            else:
                assert answer in {b"[true]", b"[false]"}, answer
                return

    def cpu_seconds(self) -> float:
        """Return what it and its workers have used so far."""
        process = psutil.Process(self.process.pid)
        times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
        return sum(spent.user + spent.system for spent in times)

    def stop(self) -> None:
        """End it, and its workers."""
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(5)


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, body: bytes) -> bytes:
    head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    told = await reader.readuntil(b"\r\n\r\n")
    assert told.startswith(b"HTTP/1.1 200"), told
    length = int(told.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    return await reader.readexactly(length)


def _due(rate: float, seconds: float) -> Iterator[float]:
    """Yield when the next request is due: now, until the time is over, or with a rate at the times that it says."""
    begin = time.perf_counter()
    if rate:
        yield from (begin + at / rate for at in range(int(rate * seconds)))
        return
    while (now := time.perf_counter()) < begin + seconds:
        yield now


async def _load(port: int, body: bytes, options: argparse.Namespace, *, seconds: float) -> list[float]:
    """Return the latencies in seconds of the requests of some time, each from when it was due."""
    due = _due(options.rate, seconds)
    latencies: list[float] = []

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for when in due:
            await asyncio.sleep(max(0.0, when - time.perf_counter()))
            await _ask(reader, writer, port, body)
            latencies.append(time.perf_counter() - when)
        writer.close()

    await asyncio.gather(*[connection() for _ in range(options.connections)])
    return latencies


def _percentiles(latencies: list[float]) -> tuple[float, float]:
    p50, p99 = np.percentile(latencies, [50, 99]) * 1000
    return float(p50), float(p99)


async def _compare(services: dict[str, Service], body: bytes, options: argparse.Namespace) -> None:
    for service in services.values():
        await service.wait(body)
        await _load(service.port, body, options, seconds=2)
    every: dict[str, list[float]] = {name: [] for name in services}
    rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in services}
    cpu = dict.fromkeys(services, 0.0)
    for at in range(options.rounds):
        for name in sorted(services, reverse=bool(at % 2)):
            begin = services[name].cpu_seconds()
            latencies = await _load(services[name].port, body, options, seconds=options.seconds)
            cpu[name] += services[name].cpu_seconds() - begin
            every[name] += latencies
            rounds[name].append(_percentiles(latencies))
    print(f"{'':10}{'requests':>10}{'p50 ms':>10}{'p99 ms':>10}{'median of the rounds: p50':>28}{'p99':>8}")
    for name, latencies in every.items():
        p50, p99 = _percentiles(latencies)
        usual = [statistics.median(column) for column in zip(*rounds[name], strict=True)]
        print(f"{name:10}{len(latencies):10}{p50:10.2f}{p99:10.2f}{usual[0]:28.2f}{usual[1]:8.2f}")
    spent = {name: 1000 * seconds / len(every[name]) for name, seconds in cpu.items()}
    print("CPU ms a request: " + ", ".join(f"{name} {each:.2f}" for name, each in spent.items()))
    for at, name in enumerate(("p50", "p99")):
        pairs = zip(rounds["watched"], rounds["plain"], strict=True)
        ratios = sorted(ours[at] / theirs[at] for ours, theirs in pairs)
        print(f"{name}, watched / plain: median of {len(ratios)} rounds {statistics.median(ratios):.3f}, ", end="")
        print(f"from {ratios[0]:.3f} to {ratios[-1]:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--rate", type=float, default=0.0, help="requests a second; 0: as many as are answered")
    parser.add_argument("--seconds", type=float, default=5, help="of one run")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    collector = multiprocessing.get_context("spawn").Process(target=_collector, args=(theirs,), daemon=True)
    collector.start()
    services: dict[str, Service] = {}
    with tempfile.TemporaryDirectory() as made:
        try:
            body = _write_service(Path(made))
            endpoint = ours.recv()
            for name in ("plain", "watched"):
                services[name] = Service(Path(made), endpoint, watched=name == "watched", workers=options.workers)
            asyncio.run(_compare(services, body, options))
        finally:
            for service in services.values():
                service.stop()
            ours.send("stop")
            collector.join(5)


if __name__ == "__main__":
    main()
