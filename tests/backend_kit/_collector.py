"""An OpenTelemetry Collector with configurations of collector-config/, on free ports instead of the usual ones."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backend_kit._binaries import binary
from backend_kit._process import OPENER, Process, environment, free_port

READY = "Everything is ready. Begin running and processing data."


class Collector(Process):
    """One collector: the files as they are, with `settings` over them. `start` again goes on in the same folder.

    `grpc` and `http` are the addresses of the receiver ``otlp``, which every configuration has.
    """

    def __init__(
        self,
        folder: Path,
        files: Sequence[Path | str],
        *,
        environ: Mapping[str, str] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Choose ports and hold the command.

        Args:
            folder: Working directory, with its log.
            files: Paths of its configuration, merged in this order.
            environ: What ``${env:...}`` in them stands for.
            settings: Keys that replace the files', ``{"exporters::debug::verbosity": "detailed"}``.
        """
        grpc, http, own, health = (free_port() for _ in range(4))
        self.grpc = f"http://127.0.0.1:{grpc}"
        self.http = f"http://127.0.0.1:{http}"
        self._own = f"http://127.0.0.1:{own}/metrics"
        over: dict[str, Any] = {
            "receivers::otlp::protocols::grpc::endpoint": f"127.0.0.1:{grpc}",
            "receivers::otlp::protocols::http::endpoint": f"127.0.0.1:{http}",
            "extensions::health_check::endpoint": f"127.0.0.1:{health}",
            "service::telemetry::metrics::readers": [
                {"pull": {"exporter": {"prometheus": {"host": "127.0.0.1", "port": own}}}}
            ],
            **(settings or {}),
        }
        configs = [f"--config={path}" for path in files]
        configs += [f"--config=yaml:{key}: {json.dumps(value)}" for key, value in over.items()]
        # Its log has earlier runs too, of which each was ready once.
        self._runs = 0
        super().__init__([binary("otelcol"), *configs], folder=folder, ready=self._has_started, environ=environ)

    def _has_started(self) -> bool:
        return self.log().count(READY) == self._runs

    def start(self) -> None:
        """Start it, and wait until its pipelines run."""
        self._runs += 1
        super().start()

    def own(self, name: str, **labels: str) -> float:
        """Return the sum of one of its metrics about itself, such as ``otelcol_exporter_sent_metric_points``.

        Args:
            name: The metric's name.
            labels: Parts that a series' labels must have, such as ``exporter="otlp_http"``.
        """
        with OPENER.open(self._own, timeout=10) as response:
            lines = response.read().decode().splitlines()
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        lines = [line for line in lines if line.startswith((f"{name} ", f"{name}{{"))]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if all(part in line for part in wanted))

    def lost(self) -> dict[str, float]:
        """Return what it refused, failed to send or dropped, by metric; empty where nothing was."""
        kinds = ("metric_points", "log_records", "spans")
        names = [f"otelcol_{what}_{kind}" for what in LOSSES for kind in kinds]
        counted = {name: self.own(name) for name in names}
        return {name: count for name, count in counted.items() if count}


LOSSES = ("receiver_refused", "receiver_failed", "processor_refused", "exporter_send_failed", "exporter_enqueue_failed")


def validate(files: Sequence[Path | str], *, environ: Mapping[str, str] | None = None) -> None:
    """Let the collector judge files of configuration, merged in this order; its failure is the test's."""
    done = subprocess.run(
        [binary("otelcol"), "validate", *(f"--config={path}" for path in files)],
        env=environment(**(environ or {})),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
