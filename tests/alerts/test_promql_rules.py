"""Recording rules: as many bins as the processor has, of the columns that it compares."""

from __future__ import annotations

import re

import numpy as np
import pytest
import yaml
from promql_traffic import baseline, frame

from backend_kit import promtool
from driftmeter import Baseline, BaselineError, ConfigError
from driftmeter.alerts import Recording, promql_rules, promql_tests
from driftmeter.alerts._recording import columns_of
from driftmeter.alerts._yaml import to_yaml
from driftmeter.config import Config, load
from driftmeter.processor import bins_of


def rules_of(recording: Recording) -> list[dict]:
    (group,) = yaml.safe_load(promql_rules(recording))["groups"]
    return group["rules"]


@pytest.mark.parametrize("rows", [300, 3000, 20_000])
def test_a_tier_has_the_bins_that_a_comparison_of_its_rows_has(rows: int) -> None:
    against = Baseline.from_frame(frame(rows, seed=4), model="m")
    numeric, _ = columns_of(Recording(baseline=against, config=Config(min_rows=1), least_rows=1))
    for column in numeric:
        for window in range(1, 1200, 7):
            (*found,) = (
                tier for tier in column.tiers if tier.least <= window and (tier.most is None or window < tier.most)
            )
            groups = column.grid.groups(window)
            said = groups.any() or len(groups) == 1
            assert len(found) == bool(said), (column.column.name, window)
            if found:
                assert found[0].bins.last_keys.tolist() == bins_of(column.grid, groups).last_keys.tolist()
                assert found[0].baseline.tolist() == np.bincount(groups, column.grid.baseline).tolist()


def test_without_a_least_number_of_rows_there_is_one_tier_the_finest() -> None:
    numeric, _ = columns_of(Recording(baseline=baseline()))
    tiers = {column.column.name: [(tier.least, tier.most) for tier in column.tiers] for column in numeric}
    assert tiers["signed"] == [(1000, None)]
    assert tiers["same"] == [(50, None)]  # one bin, so nothing but the rows that a verdict needs
    numeric, _ = columns_of(Recording(baseline=baseline(), least_rows=5000))
    assert {tier.least for column in numeric for tier in column.tiers} == {5000}


def test_segments_ignored_columns_and_labels_are_left_out(tmp_path) -> None:
    columns = {name: values for name, values in frame(2000, seed=1).items() if name in {"signed", "country", "flag"}}
    against = Baseline.from_frame(columns, model="m", labels=[0.0, 1.0] * 1000, segments=["flag"], max_segments=1)
    config = load(
        environ={},
        folder=tmp_path,
        overrides={"segments": ["country"], "models": {"m": {"columns": {"flag": {"ignore": True}}}}},
    )
    rules = rules_of(Recording(baseline=against, config=config))
    text = str(rules)
    assert {rule["labels"].get("ml_column_name") for rule in rules} == {None, "signed", "country"}
    assert "label" not in re.findall(r'ml_column_name=~?"([^"]*)"', text)
    for rule in rules:
        if rule["record"].endswith(":window") and "offset" in rule["expr"]:
            chosen = re.findall(r"ml_column_\w+\{([^}]*)\}", rule["expr"])
            assert all('ml_segment_country="", ml_segment_flag=""' in matchers for matchers in chosen)


def test_every_rule_has_the_labels_of_the_baseline_and_none_is_twice() -> None:
    against = baseline()
    rules = rules_of(Recording(baseline=against))
    assert all(
        rule["labels"].items() >= {"ml_baseline_kind": "training", "ml_baseline_id": against.id}.items()
        for rule in rules
    )
    told = [(rule["record"], *sorted(rule["labels"].items())) for rule in rules]
    assert len(set(told)) == len(told)


def test_tests_cover_every_column_that_has_rules() -> None:
    recording = Recording(baseline=baseline(), config=Config(window=600, step=60))
    tests = yaml.safe_load(promql_tests(recording, rules="r.yml"))["tests"]
    numeric, categorical = columns_of(recording)
    assert len(tests) == len(numeric) + len(categorical)
    assert {len(test["promql_expr_test"]) for test in tests} == {2, 3}


def test_what_cannot_be_compared_is_refused() -> None:
    empty = Baseline.from_frame({"x": [None, None]}, model="m")
    with pytest.raises(BaselineError, match="baseline must have a column with values; m has none"):
        promql_rules(Recording(baseline=empty))
    with pytest.raises(ConfigError, match="interval must be above 0; got 0"):
        Recording(baseline=empty, interval=0)
    with pytest.raises(ConfigError, match="least_rows must be at least 1; got 0"):
        Recording(baseline=empty, least_rows=0)


@pytest.mark.parametrize("line", ["a: 'b' \"c\" # d", " leading", "trailing ", "tab\there", "é", "\x85", "\u2028"])
def test_long_expressions_are_read_as_they_were_written(line: str) -> None:
    document = {"expr": f"{line}\nor " * 400 + line, "one line": line * 1000}
    assert yaml.safe_load(to_yaml(document)) == document


@pytest.mark.backends
def test_a_process_that_restarts_within_the_window_leaves_the_shares_as_they_are(tmp_path) -> None:
    against = Baseline.from_frame({"c": ["de", "fr"] * 500}, model="m")
    recording = Recording(baseline=against, config=Config(window=600, step=60))
    (tmp_path / "rules.yml").write_text(promql_rules(recording))
    column = 'job="shop", ml_model_name="m", ml_column_name="c", ml_column_role="feature"'
    # Twice as many of one as of the other; the totals begin anew after a quarter of an hour, in the midst of a window.
    counts = {"de": "0+20x15 0+20x15", "fr": "0+10x15 0+10x15"}
    psi = (2 / 3 - 1 / 2) * np.log((2 / 3) / (1 / 2)) + (1 / 3 - 1 / 2) * np.log((1 / 3) / (1 / 2))
    checks = [
        {
            "expr": f'abs(driftmeter:column_distance{{ml_distance_method="psi"}} - {psi}) < bool 1e-12',
            "eval_time": f"{minute}m",
            "exp_samples": [
                {
                    "labels": f'{{{column}, ml_baseline_kind="training", ml_baseline_id="{against.id}", '
                    'ml_distance_method="psi"}',
                    "value": 1,
                }
            ],
        }
        for minute in (14, 18, 20, 29)
    ]
    test = {
        "interval": "1m",
        "input_series": [
            {"series": f'ml_column_categories_total{{{column}, ml_category="{name}"}}', "values": values}
            for name, values in counts.items()
        ],
        "promql_expr_test": checks,
    }
    tests = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [test]}
    (tmp_path / "tests.yml").write_text(to_yaml(tests))
    promtool("test", "rules", "tests.yml", folder=tmp_path)
