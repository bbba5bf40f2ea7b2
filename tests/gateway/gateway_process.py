"""A gateway as a process of its own, and a backend on loopback that keeps what it is sent."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread


class Backend:
    """Keeps the bodies of what arrives, by signal, each once."""

    def __init__(self) -> None:
        self.bodies: dict[str, dict[bytes, None]] = {"metrics": {}, "traces": {}, "logs": {}}
        backend = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                backend.bodies[self.path.rpartition("/")[2]][body] = None
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def until(true: Callable[[], object], *, seconds: float = 20.0) -> None:
    """Wait for something to be true."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise AssertionError(f"it took longer than {seconds:g} s")
        time.sleep(0.02)


class GatewayProcess:
    """Started with ``driftmeter gateway``, as its users do."""

    def __init__(self, folder: Path, backend: Backend, **environ: str) -> None:
        self.http_port, self.grpc_port = free_port(), free_port()
        self._folder = folder
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "DRIFTMETER_"))}
        self._environ = {
            **inherited,
            "DRIFTMETER_WINDOW": "4s",
            "DRIFTMETER_STEP": "1s",
            "DRIFTMETER_GRACE": "1s",
            "DRIFTMETER_GATEWAY_EXPORT_PROTOCOL": "http/protobuf",
            "DRIFTMETER_GATEWAY_HTTP_ADDRESS": f"127.0.0.1:{self.http_port}",
            "DRIFTMETER_GATEWAY_GRPC_ADDRESS": f"127.0.0.1:{self.grpc_port}",
            "DRIFTMETER_GATEWAY_CHECKPOINT": "2s",
            "DRIFTMETER_GATEWAY_EXPORT_RETRY_LEAST": "50ms",
            "OTEL_EXPORTER_OTLP_ENDPOINT": backend.endpoint,
            **environ,
        }
        self.log = folder / "gateway.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", "from driftmeter.cli import main; main()", "gateway", *options],
                cwd=self._folder,
                env=self._environ,
                stderr=log,
                stdout=log,
            )

    def wait_ready(self) -> None:
        until(self.ready)

    def ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"it ended with {self.process.returncode}: {self.log.read_text()}")
        return self.get("/readyz") == 200

    def get(self, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def post(self, body: bytes, signal_name: str = "metrics") -> int:
        """Send a request; return the status, 0 where there was no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=10)
        try:
            headers = {"Content-Type": "application/x-protobuf"}
            connection.request("POST", f"/v1/{signal_name}", body, headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def entries(self) -> list[dict[str, str]]:
        """What it logged."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
