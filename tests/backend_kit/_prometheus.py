"""A Prometheus that takes OTLP and remote write, evaluates rules each second, and answers queries."""

from __future__ import annotations

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from backend_kit._binaries import binary
from backend_kit._process import OPENER, Process, free_port

# What users are told to set.
FILE = Path(__file__).resolve().parents[2] / "collector-config" / "prometheus.yml"


class Prometheus(Process):
    """One Prometheus. `start` again goes on with what it has stored."""

    def __init__(
        self,
        folder: Path,
        *,
        rule_files: Sequence[Path | str] = (),
        alertmanagers: Sequence[str] = (),
        settings: Mapping[str, Any] | None = None,
        flags: Sequence[str] = (),
    ) -> None:
        """Write its configuration.

        Args:
            folder: For its configuration, its log and what it stores.
            rule_files: Paths of rule files.
            alertmanagers: URLs to send alerts to, as `Alertmanager.url`.
            settings: Sections that replace those of its configuration, which is collector-config/prometheus.yml.
            flags: Further arguments.
        """
        self.url = f"http://127.0.0.1:{free_port()}"
        self.otlp = f"{self.url}/api/v1/otlp"
        self.remote_write = f"{self.url}/api/v1/write"
        hosts = [urllib.parse.urlsplit(url).netloc for url in alertmanagers]
        self.settings: dict[str, Any] = {
            **yaml.safe_load(FILE.read_text()),
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(path) for path in rule_files],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": hosts}]}] if hosts else []},
            **(settings or {}),
        }
        command = [
            binary("prometheus"),
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            f"--web.listen-address={urllib.parse.urlsplit(self.url).netloc}",
            "--web.enable-otlp-receiver",
            "--web.enable-remote-write-receiver",
            "--web.enable-lifecycle",
            "--enable-feature=exemplar-storage",
            *flags,
        ]
        super().__init__(command, folder=folder, ready=lambda: self._get("/-/ready") is not None)
        self._write()

    def _write(self) -> None:
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(self.settings))

    def reload(self, **settings: Any) -> None:
        """Take a configuration with other sections, such as ``rule_files``, while it runs."""
        self.settings.update(settings)
        self._write()
        request = urllib.request.Request(f"{self.url}/-/reload", method="POST")
        with OPENER.open(request, timeout=10) as response:
            assert response.status == 200, self.log()

    def _get(self, path: str, **parameters: Any) -> str:
        query = urllib.parse.urlencode(parameters, doseq=True)
        with OPENER.open(f"{self.url}{path}?{query}", timeout=10) as response:
            return str(response.read().decode())

    def api(self, path: str, **parameters: Any) -> Any:
        """Return the data of an answer of its HTTP API: ``api("rules")``, ``api("series", **{"match[]": "up"})``."""
        answer = json.loads(self._get(f"/api/v1/{path}", **parameters))
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression: str, *, at: float | None = None) -> list[dict[str, Any]]:
        """Return an instant vector: ``metric`` has the labels, ``value`` (or ``histogram``) time and value.

        Args:
            expression: PromQL.
            at: Unix seconds; now by default.
        """
        found = self.api("query", query=expression, **({} if at is None else {"time": at}))
        assert found["resultType"] == "vector", found
        return list(found["result"])

    def values(self, expression: str, label: str = "", *, at: float | None = None) -> dict[str, float]:
        """Return an instant vector's values by one label, which must tell all series apart.

        Args:
            expression: PromQL whose values are numbers.
            label: Name of the label; empty for a vector of one series.
            at: Unix seconds; now by default.
        """
        found = self.query(expression, at=at)
        values = {series["metric"].get(label, ""): float(series["value"][1]) for series in found}
        assert len(values) == len(found), f"{label!r} does not tell these apart: {found}"
        return values

    def range(self, expression: str, *, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """Return a range vector's series, each with ``values`` or ``histograms``; times in Unix seconds."""
        return list(self.api("query_range", query=expression, start=start, end=end, step=step)["result"])

    def names(self) -> set[str]:
        """Return the names of all metrics that it has."""
        return set(self.api("label/__name__/values"))

    def labels(self, name: str) -> set[str]:
        """Return the names of the labels that a metric's series have."""
        return {label for series in self.api("series", **{"match[]": name}) for label in series} - {"__name__"}

    def refused(self) -> int:
        """Return how many requests to write something it did not take."""
        lines = [
            line for line in self._get("/metrics").splitlines() if line.startswith("prometheus_http_requests_total{")
        ]
        writes = [line for line in lines if 'handler="/api/v1/otlp' in line or 'handler="/api/v1/write' in line]
        return sum(int(line.rsplit(" ", 1)[1]) for line in writes if 'code="2' not in line)

    def own(self, name: str) -> float:
        """Return the sum of one of its metrics about itself, such as ``prometheus_tsdb_head_series``."""
        lines = self._get("/metrics").splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))


def promtool(*arguments: str | Path, folder: Path | None = None) -> str:
    """Run promtool, such as ``promtool("check", "rules", path)``, and return its output; its failure is the test's."""
    done = subprocess.run(
        [binary("promtool"), *map(str, arguments)], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
