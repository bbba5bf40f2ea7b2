"""What is generated, as files; `python tools/golden_alerts.py` writes them."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import golden_alerts  # noqa: E402  # a script, not a package

from backend_kit import promtool  # noqa: E402

NUMBER = re.compile(r"\d+\.\d{6,}(?:e[-+]?\d+)?")
ALL = (*golden_alerts.CASES, golden_alerts.PROMQL)
FILES = [(case, path.name) for case in ALL for path, _ in golden_alerts.files(case)]


@pytest.mark.parametrize(("case", "name"), FILES)
def test_what_is_generated_is_what_is_written_down(case: str, name: str) -> None:
    written = (golden_alerts.FOLDER / case / name).read_text(encoding="utf-8")
    made = {path.name: text for path, text in golden_alerts.files(case)}[name]
    # Bounds are powers of two's roots, whose last digit is the platform's.
    assert NUMBER.split(made) == NUMBER.split(written)
    assert list(map(float, NUMBER.findall(made))) == pytest.approx(list(map(float, NUMBER.findall(written))), rel=1e-12)
    assert json.loads(written) if name.endswith(".json") else yaml.safe_load(written)


@pytest.mark.backends
@pytest.mark.parametrize("case", ALL)
def test_promtool_accepts_the_rules_and_their_tests_pass(case: str) -> None:
    folder = golden_alerts.FOLDER / case
    name = "promql" if case == golden_alerts.PROMQL else "prometheus"
    promtool("check", "rules", f"{name}.yml", folder=folder)
    assert "SUCCESS" in promtool("test", "rules", f"{name}.tests.yml", folder=folder)


@pytest.mark.backends
@pytest.mark.parametrize(
    ("overrides", "options"),
    [
        ({"window": "1d", "step": "1d"}, {}),
        ({"window": "20s", "step": "1s"}, {"period": 7200.0, "naming": "plain"}),
        ({"window": "10m", "models": {'a "quoted" \\ name': {"critical": True}}}, {"naming": "pull", "latency": 0.25}),
    ],
    ids=["tumbling days", "short windows", "odd names"],
)
def test_other_configurations_give_rules_that_hold_too(overrides, options, tmp_path) -> None:
    from driftmeter.alerts import Settings, prometheus_rules, prometheus_tests
    from driftmeter.config import load

    settings = Settings(config=load(environ={}, folder=tmp_path, overrides=overrides), **options)
    (tmp_path / "rules.yml").write_text(prometheus_rules(settings))
    (tmp_path / "tests.yml").write_text(prometheus_tests(settings, rules="rules.yml"))
    promtool("check", "rules", "rules.yml", folder=tmp_path)
    promtool("test", "rules", "tests.yml", folder=tmp_path)
