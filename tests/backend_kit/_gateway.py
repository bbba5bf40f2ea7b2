"""A `driftmeter gateway` as a process of its own, with short windows."""

from __future__ import annotations

import ssl
import sys
import urllib.request
from pathlib import Path

from backend_kit._process import Process, free_port


class Gateway(Process):
    """One gateway. `start` again goes on with its state file."""

    def __init__(
        self,
        folder: Path,
        endpoint: str,
        *,
        baselines: Path | None = None,
        authority: Path | None = None,
        **variables: str,
    ) -> None:
        """Choose ports and hold the command.

        Args:
            folder: Working directory, with its log and its state file.
            endpoint: Where it sends everything on to, by OTLP/gRPC.
            baselines: Its folder of baseline files.
            authority: The authority that its certificate is from, where the variables have it speak TLS.
            variables: Environment variables over those here.
        """
        grpc, http = (f"127.0.0.1:{free_port()}" for _ in range(2))
        self.grpc = grpc
        scheme = "http" if authority is None else "https"
        self._ready_url = f"{scheme}://{http}/readyz"
        trusting = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=authority))
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), trusting)
        command = [sys.executable, "-c", "from driftmeter.cli import main; main()", "gateway"]
        command += ["--grpc-address", grpc, "--http-address", http, "--endpoint", endpoint, "--state", "state.db"]
        if baselines is not None:
            command += ["--baselines", str(baselines)]
        environ = {"DRIFTMETER_WINDOW": "4s", "DRIFTMETER_STEP": "1s", "DRIFTMETER_GRACE": "2s", **variables}
        super().__init__(command, folder=folder, ready=self._is_ready, environ=environ)

    def _is_ready(self) -> bool:
        with self._opener.open(self._ready_url, timeout=5) as response:
            return bool(response.status == 200)
