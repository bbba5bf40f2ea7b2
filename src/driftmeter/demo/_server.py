"""The app, in a process of its own under `opentelemetry-instrument`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from driftmeter.demo._errors import DemoError

START_SECONDS: Final = 90.0
STOP_SECONDS: Final = 15.0
"""uvicorn finishes the open requests and driftmeter exports its last interval within this time, or is killed."""

APP: Final = "flights_app.py"

# Loopback must not go through a proxy that the environment names.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def find_app() -> Path:
    """Return the plain FastAPI app: beside this file in a wheel, in ``examples/`` in a clone.

    Raises:
        DemoError: It is in neither place.
    """
    here = Path(__file__).resolve()
    for place in (here.with_name(APP), here.parents[3] / "examples" / APP):
        if place.is_file():
            return place
    raise DemoError(f"{APP} is neither beside {here.name} nor in examples/: reinstall driftmeter")


def environment(
    inherited: Mapping[str, str], *, endpoint: str, model: Path, baseline: Path, window_seconds: int
) -> dict[str, str]:
    """Return the server's environment: everything that makes an unchanged app a watched one is in here.

    Other ``OTEL_*`` and ``DRIFTMETER_*`` variables are meant for the user's services, and would send this one's data
    elsewhere or watch it with other options; only resource attributes are kept.
    """
    kept = {
        name: value
        for name, value in inherited.items()
        if not name.startswith(("OTEL_", "DRIFTMETER_")) or name == "OTEL_RESOURCE_ATTRIBUTES"
    }
    return {
        **kept,
        "FLIGHT_MODEL": str(model),
        # The trees' threads gain nothing on 200 rows, and on a busy machine they wait for each other.
        "OMP_NUM_THREADS": "1",
        "OTEL_SERVICE_NAME": "flight-delay",
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        # A week passes in a second or so, and its signals must leave before the next week's replace them.
        "OTEL_METRIC_EXPORT_INTERVAL": "200",
        "OTEL_BSP_SCHEDULE_DELAY": "300",
        "OTEL_BLRP_SCHEDULE_DELAY": "300",
        "DRIFTMETER_BASELINE": str(baseline),
        "DRIFTMETER_WINDOW": f"{window_seconds}s",
        "DRIFTMETER_STEP": f"{window_seconds}s",
    }


def command(app: Path, *, port: int) -> list[str]:
    """Return the command that serves the app; without its first part, the app would run unwatched."""
    beside = Path(sys.executable).parent / "opentelemetry-instrument"
    # The console script is not beside every interpreter (a zipapp, a user install): the same function by module.
    script = [str(beside)] if beside.is_file() else [sys.executable, "-c", _INSTRUMENT]
    serve = ["-m", "uvicorn", f"{app.stem}:app", "--app-dir", str(app.parent)]
    return [*script, sys.executable, *serve, "--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"]


_INSTRUMENT: Final = "from opentelemetry.instrumentation.auto_instrumentation import run; run()"


class Server:
    """One served app. `stop` leaves no process of it behind."""

    def __init__(self, app: Path, *, environ: Mapping[str, str], folder: Path) -> None:
        self._app = app
        self._environ = dict(environ)
        self._folder = folder
        self._port = _free_port()
        self._errors = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address it listens at."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start the process, and return at once. Hold back interrupts around this call."""
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                command(self._app, port=self._port),
                env=self._environ,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                # A group of its own: Ctrl-C in the terminal reaches the demo alone, which then stops the server, and
                # a kill of the group reaches whatever the server started.
                start_new_session=True,
            )

    def wait_ready(self, *, timeout: float = START_SECONDS) -> None:
        """Wait until it answers.

        Raises:
            DemoError: It ended, or did not answer in time; with the last line it wrote.
        """
        deadline = time.monotonic() + timeout
        while not self._answers():
            self.check()
            if time.monotonic() > deadline:
                raise DemoError(f"the server did not answer within {timeout:.0f} s{self.last_words()}")
            time.sleep(0.05)

    def check(self) -> None:
        """Raise `DemoError` when the process has ended by itself."""
        code = self._process.poll() if self._process else None
        if code is not None:
            raise DemoError(f"the server ended with exit code {code}{self.last_words()}")

    def last_words(self) -> str:
        """Return ``': <last line>'`` of what the server wrote, or an empty string."""
        try:
            lines = self._errors.read_text(errors="replace").split("\n")
        except OSError:
            return ""
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f": {last}" if last else ""

    def stop(self, *, timeout: float = STOP_SECONDS) -> None:
        """Ask the process to end, and kill its whole group when it has not within `timeout` seconds."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self._kill_group()
            self._process.wait(5)

    def _kill_group(self) -> None:
        if not self._process:
            return
        if hasattr(os, "killpg"):
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                return  # everybody in the group is gone; macOS says so with EPERM
        else:
            self._process.kill()

    def _answers(self) -> bool:
        try:
            with _opener.open(f"{self.url}/health", timeout=2) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
