"""A backend's process: started on free ports of loopback, waited for, stopped, killed, started again."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

# A proxy that is set for downloads has nothing to do with loopback.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port() -> int:
    """Return a port of loopback on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(ready: Callable[[], bool], *, seconds: float = 30, otherwise: Callable[[], object] = str) -> None:
    """Wait until something is so.

    Args:
        ready: Asked again and again. A refused connection counts as 'not yet'.
        seconds: After which the test fails.
        otherwise: Gives what the failure shows, such as a log.
    """
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            if ready():
                return
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.05)


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment, less what is set for OpenTelemetry and driftmeter, and with variables."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "DRIFTMETER_", "PYTEST_"))}
    return {**kept, **variables}


class Process:
    """A program with its own folder, whose output goes into a log there. `start` again goes on in the same folder."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        ready: Callable[[], bool],
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """Hold the command; nothing runs before `start`.

        Args:
            command: The binary and its arguments.
            folder: Working directory, made if need be.
            ready: Whether it takes requests; a refused connection counts as 'not yet'.
            environ: Variables that are set beside this process's.
        """
        self.command = list(command)
        self.environ = dict(environ or {})
        self.folder = folder
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Start it, and wait until it takes requests."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=environment(**self.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(self._takes_requests, seconds=60, otherwise=self.log)

    def _takes_requests(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log()
        return self._ready()

    def log(self) -> str:
        """Return all that it wrote, in all its runs."""
        return (self.folder / "log").read_text(errors="replace")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send it a signal, wait for its end, and return the exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(60)

    def kill(self) -> None:
        """Leave nothing of it behind, whatever it is doing."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)
