"""A Jaeger that keeps traces in memory, takes OTLP, and answers queries."""

from __future__ import annotations

import json
import urllib.parse
from pathlib import Path
from typing import Any

import yaml

from backend_kit._binaries import binary
from backend_kit._process import OPENER, Process, free_port


class Jaeger(Process):
    """One Jaeger. `otlp` is where traces are sent by OTLP/HTTP; a stop forgets them."""

    def __init__(self, folder: Path) -> None:
        """Write its configuration, which is a collector's.

        Args:
            folder: For its configuration and its log.
        """
        http, grpc, query, query_grpc = (f"127.0.0.1:{free_port()}" for _ in range(4))
        self.otlp = f"http://{http}"
        self.url = f"http://{query}"
        settings = {
            "extensions": {
                "jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": 10_000}}}},
                "jaeger_query": {
                    "storage": {"traces": "memory"},
                    "http": {"endpoint": query},
                    "grpc": {"endpoint": query_grpc},
                },
            },
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": http}, "grpc": {"endpoint": grpc}}}},
            "exporters": {"jaeger_storage_exporter": {"trace_storage": "memory"}},
            "service": {
                "extensions": ["jaeger_storage", "jaeger_query"],
                "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}},
                "telemetry": {"metrics": {"level": "none"}},
            },
        }
        super().__init__(
            [binary("jaeger"), "--config=jaeger.yaml"],
            folder=folder,
            ready=lambda: self._get("/api/services") is not None,
        )
        (self.folder / "jaeger.yaml").write_text(yaml.safe_dump(settings))

    def _get(self, path: str, **parameters: Any) -> Any:
        with OPENER.open(f"{self.url}{path}?{urllib.parse.urlencode(parameters)}", timeout=10) as response:
            return json.load(response)

    def spans(self, service: str) -> list[dict[str, Any]]:
        """Return a service's spans, each with ``operationName``, ``traceID``, ``spanID``, and ``tags`` by key."""
        traces = self._get("/api/traces", service=service, limit=1000)["data"] or ()
        found = [span for trace in traces for span in trace["spans"]]
        return [{**span, "tags": {tag["key"]: tag["value"] for tag in span["tags"]}} for span in found]
