"""The dashboards as files; `python tools/golden_dashboards.py` writes them."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import pytest

pytest.importorskip("grafana_foundation_sdk", reason="grafana-foundation-sdk needs Python 3.11")

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import golden_dashboards  # noqa: E402  # a script, not a package

from driftmeter.dashboards import DATADOG_MODEL, DATADOG_OVERVIEW, MODEL, OVERVIEW  # noqa: E402


@pytest.mark.parametrize("name", [OVERVIEW, MODEL, DATADOG_OVERVIEW, DATADOG_MODEL])
@pytest.mark.parametrize("case", golden_dashboards.CASES)
def test_what_is_generated_is_what_is_written_down(case: str, name: str) -> None:
    generated = {path.name: text for path, text in golden_dashboards.files(case)}
    assert generated[name] == (golden_dashboards.FOLDER / case / name).read_text(encoding="utf-8")


def test_the_sdk_is_the_one_that_the_files_were_written_with() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'"grafana-foundation-sdk=={version("grafana-foundation-sdk")}; ' in project
