from __future__ import annotations

import json
import sys

import pytest
from click.testing import CliRunner

from driftmeter.cli import main


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, ["dashboards", "grafana", *arguments])


@pytest.fixture
def _sdk():
    pytest.importorskip("grafana_foundation_sdk", reason="grafana-foundation-sdk needs Python 3.11")


@pytest.mark.usefixtures("_sdk")
def test_dashboards_are_written_for_a_configuration(run, tmp_path) -> None:
    (tmp_path / "driftmeter.yaml").write_text("{segments: [origin]}")
    result = run("--config", "driftmeter.yaml", "--names", "plain", "--interval", "15s", "-o", "made/here")
    assert (result.exit_code, result.output.split()) == (
        0,
        ["made/here/driftmeter-overview.json", "made/here/driftmeter-model.json"],
    )
    for line in result.output.split():
        text = (tmp_path / line).read_text()
        assert json.loads(text)["uid"] == line.removeprefix("made/here/").removesuffix(".json")
        assert "ml_skew_share{" in text
        assert 'ml_segment_origin=\\"\\"' in text
        assert '"interval": "15s"' in text


@pytest.mark.usefixtures("_sdk")
def test_a_folder_that_cannot_be_written_to_is_named(run, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    result = run("--output", "file/below")
    assert result.exit_code == 2
    assert "output must be a folder that can be written to; file/below: " in result.output


def test_datadogs_need_no_extra(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "grafana_foundation_sdk", None)
    (tmp_path / "driftmeter.yaml").write_text("{segments: [origin]}")
    arguments = ["dashboards", "datadog", "--config", "driftmeter.yaml", "-o", "made"]
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.output.split()) == (0, ["made/datadog-overview.json", "made/datadog-model.json"])
    for line in result.output.split():
        text = (tmp_path / line).read_text()
        assert json.loads(text)["layout_type"] == "ordered"
        assert "AND NOT ml.segment.origin:*" in text


def test_without_the_extra_it_says_how_to_install_it(run, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "grafana_foundation_sdk", None)
    result = run("--output", "made")
    assert result.exit_code == 2
    assert "Python 3.11 or later" in result.output
    assert "pip install 'driftmeter[dashboards]'" in result.output
    assert not (tmp_path / "made").exists()
