"""Write the golden files of alerts: ``python tools/golden_alerts.py``.

A case is a folder of tests/alerts/golden: `config.yaml`, and what is generated from it. Look at the difference before
committing it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from driftmeter.alerts import Settings, datadog_monitors, grafana_provisioning, prometheus_rules, prometheus_tests
from driftmeter.config import load

FOLDER = Path(__file__).resolve().parents[1] / "tests/alerts/golden"
OPTIONS: dict[str, dict[str, Any]] = {"critical": {"labels": {"team": "ml", "cost": "5$"}, "latency": 0.5}}
CASES = ("critical", "plain")


def settings_of(case: str, **options: Any) -> Settings:
    """Return what a case's rules are made from."""
    folder = FOLDER / case
    config = load(environ={}, folder=folder, overrides=yaml.safe_load((folder / "config.yaml").read_text()))
    return Settings(config=config, **{**OPTIONS.get(case, {}), **options})


def files(case: str) -> Iterator[tuple[Path, str]]:
    """Yield each file of a case, and what it must hold."""
    folder, settings = FOLDER / case, settings_of(case)
    yield folder / "prometheus.yml", prometheus_rules(settings)
    yield folder / "prometheus.tests.yml", prometheus_tests(settings, rules="prometheus.yml")
    yield folder / "grafana.yml", grafana_provisioning(settings, datasource="prometheus", folder="driftmeter")
    yield folder / "datadog.json", datadog_monitors(settings, notify="@slack-models")


def main() -> None:
    """Write the files."""
    for case in CASES:
        for path, text in files(case):
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
