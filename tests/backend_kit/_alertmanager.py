"""An Alertmanager, which groups, routes and resolves the alerts that a Prometheus sends it."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from backend_kit._binaries import binary
from backend_kit._process import OPENER, Process, free_port

ALL_TO_ONE: Mapping[str, Any] = {
    "route": {"receiver": "nobody", "group_wait": "1s", "group_interval": "1s"},
    "receivers": [{"name": "nobody"}],
}


class Alertmanager(Process):
    """One Alertmanager, without a cluster. Its default configuration shows alerts and tells nobody."""

    def __init__(self, folder: Path, settings: Mapping[str, Any] = ALL_TO_ONE) -> None:
        """Write its configuration.

        Args:
            folder: For its configuration, its log and what it stores.
            settings: Its configuration.
        """
        self.url = f"http://127.0.0.1:{free_port()}"
        command = [
            binary("alertmanager"),
            "--config.file=alertmanager.yml",
            "--storage.path=data",
            f"--web.listen-address={urllib.parse.urlsplit(self.url).netloc}",
            "--cluster.listen-address=",
        ]
        super().__init__(command, folder=folder, ready=lambda: self._get("/-/ready") is not None)
        (self.folder / "alertmanager.yml").write_text(yaml.safe_dump(dict(settings)))

    def _get(self, path: str) -> str:
        with OPENER.open(f"{self.url}{path}", timeout=10) as response:
            return str(response.read().decode())

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts that fire, each with ``labels``, ``annotations`` and ``receivers``."""
        return list(json.loads(self._get("/api/v2/alerts?active=true")))
