from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from driftmeter import Baseline
from driftmeter.cli import main


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, ["alerts", *arguments])


def test_rules_and_their_tests_are_written_for_a_configuration(run, tmp_path) -> None:
    (tmp_path / "driftmeter.yaml").write_text("{window: 10m, models: {pay: {critical: true}}}")
    (tmp_path / "tests").mkdir()
    result = run(
        *("prometheus", "--config", "driftmeter.yaml", "--names", "plain", "--label", "team=ml"),
        *("--output", "rules.yml", "--tests", "tests/rules.yml"),
    )
    assert (result.exit_code, result.output) == (0, "")
    (group,) = yaml.safe_load(Path("rules.yml").read_text())["groups"]
    page = group["rules"][0]
    assert (page["alert"], page["labels"]) == ("ModelSkew", {"severity": "page", "signal": "skew", "team": "ml"})
    assert 'ml_skew_detected{ml_model_name="pay"}' in page["expr"]
    assert page["for"] == "1m"
    assert yaml.safe_load(Path("tests/rules.yml").read_text())["rule_files"] == ["../rules.yml"]


def test_grafana_and_datadog_go_to_standard_output(run) -> None:
    provisioning = yaml.safe_load(run("grafana", "--datasource", "mimir", "--folder", "ML").output)
    assert provisioning["groups"][0]["folder"] == "ML"
    monitors = json.loads(run("datadog", "--notify", "@me").output)
    assert all(monitor["message"].endswith("@me") for monitor in monitors)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("prometheus", "--tests", "t.yml"), "--tests needs --output"),
        (("prometheus", "--latency", "300ms"), "latency must be a bound of ml.prediction.duration"),
        (("prometheus", "--latency", "soon"), "must be a duration such as 30s"),
        (("grafana", "--label", "team"), "label must be NAME=VALUE; got 'team'"),
        (("datadog", "--config", "missing.yaml"), "File 'missing.yaml' does not exist"),
        (("datadog", "--output", "no/such/folder"), "output must be a file that can be written; no/such/folder"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(arguments, says, run) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert says in result.output
    assert "Traceback" not in result.output


def test_recording_rules_are_written_for_a_baseline(run, tmp_path) -> None:
    Baseline.from_frame({"x": [1.0, 2.0] * 200}, model="pay").save(tmp_path / "b.json")
    arguments = ("promql", "--baseline", "b.json", "--model", "pay", "--interval", "30s", "--rows", "80", "--bins")
    result = run(*arguments, "--output", "rules.yml", "--tests", "tests.yml")
    assert (result.exit_code, result.output) == (0, "")
    (group,) = yaml.safe_load(Path("rules.yml").read_text())["groups"]
    assert group["name"] == "driftmeter pay training"
    assert "ml_column_bins_bucket" in group["rules"][0]["expr"]
    assert "[1h30s]" in group["rules"][0]["expr"]
    assert yaml.safe_load(Path("tests.yml").read_text())["rule_files"] == ["rules.yml"]
    assert run(*arguments, "--tests", "tests.yml").exit_code == 2
    assert "No such file" in run("promql", "--baseline", "missing.json").output
