"""Write the golden files of dashboards: ``python tools/golden_dashboards.py``.

A case is a folder of tests/dashboards/golden: `config.yaml`, and the dashboards for it. Look at the difference before
committing it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

from driftmeter.config import load
from driftmeter.dashboards import Settings, datadog_dashboards, grafana_dashboards

FOLDER = Path(__file__).resolve().parents[1] / "tests/dashboards/golden"
CASES = ("segments",)


def files(case: str) -> Iterator[tuple[Path, str]]:
    """Yield each file of a case, and what it must hold."""
    folder = FOLDER / case
    config = load(environ={}, folder=folder, overrides=yaml.safe_load((folder / "config.yaml").read_text()))
    settings = Settings(config=config)
    for name, text in {**grafana_dashboards(settings), **datadog_dashboards(settings)}.items():
        yield folder / name, text


def main() -> None:
    """Write the files."""
    for case in CASES:
        for path, text in files(case):
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
