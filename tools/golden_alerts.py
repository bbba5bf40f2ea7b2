"""Write the golden files of alerts: ``python tools/golden_alerts.py``.

A case is a folder of tests/alerts/golden: `config.yaml`, a baseline where distances are computed in PromQL, and what is
generated from them. Look at the difference before committing it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from driftmeter import Baseline
from driftmeter.alerts import (
    Recording,
    Settings,
    datadog_monitors,
    grafana_provisioning,
    prometheus_rules,
    prometheus_tests,
    promql_rules,
    promql_tests,
)
from driftmeter.config import Config, load

FOLDER = Path(__file__).resolve().parents[1] / "tests/alerts/golden"
OPTIONS: dict[str, dict[str, Any]] = {"critical": {"labels": {"team": "ml", "cost": "5$"}, "latency": 0.5}}
CASES = ("critical", "plain")
PROMQL = "promql"


def config_of(case: str) -> Config:
    """Return a case's configuration."""
    folder = FOLDER / case
    return load(environ={}, folder=folder, overrides=yaml.safe_load((folder / "config.yaml").read_text()))


def settings_of(case: str) -> Settings:
    """Return what a case's alerts are made from."""
    return Settings(config=config_of(case), **OPTIONS.get(case, {}))


def files(case: str) -> Iterator[tuple[Path, str]]:
    """Yield each file of a case, and what it must hold."""
    folder = FOLDER / case
    if case == PROMQL:
        recording = Recording(baseline=Baseline.load(folder / "baseline.json"), config=config_of(case), least_rows=100)
        yield folder / "promql.yml", promql_rules(recording)
        yield folder / "promql.tests.yml", promql_tests(recording, rules="promql.yml")
        return
    settings = settings_of(case)
    yield folder / "prometheus.yml", prometheus_rules(settings)
    yield folder / "prometheus.tests.yml", prometheus_tests(settings, rules="prometheus.yml")
    yield folder / "grafana.yml", grafana_provisioning(settings, datasource="prometheus", folder="driftmeter")
    yield folder / "datadog.json", datadog_monitors(settings, notify="@slack-models")


def main() -> None:
    """Write the files."""
    for case in (*CASES, PROMQL):
        for path, text in files(case):
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
