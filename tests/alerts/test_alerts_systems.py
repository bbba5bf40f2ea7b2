"""Grafana's provisioning and Datadog's monitors, by what their documentation and client say of them."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import golden_alerts  # noqa: E402  # a script, not a package

from driftmeter.alerts import Settings, alerts, datadog_monitors, grafana_provisioning  # noqa: E402
from driftmeter.alerts._alert import rendered  # noqa: E402
from driftmeter.config import load  # noqa: E402

RULE = {
    "uid": str,
    "title": str,
    "condition": str,
    "data": list,
    "noDataState": str,
    "execErrState": str,
    "for": str,
    "annotations": dict,
    "labels": dict,
    "isPaused": bool,
}
"""Grafana, "Use configuration files to provision alerting resources": the keys of a rule."""


def grafana_rules(case: str) -> list[dict[str, Any]]:
    text = grafana_provisioning(golden_alerts.settings_of(case), datasource="mimir", folder="Models")
    document = yaml.safe_load(text)
    assert document["apiVersion"] == 1
    (group,) = document["groups"]
    assert group.keys() == {"orgId", "name", "folder", "interval", "rules"}
    assert group["folder"] == "Models"
    return list(group["rules"])


@pytest.mark.parametrize("case", golden_alerts.CASES)
def test_grafana_rules_have_the_documented_keys_and_a_query_that_the_condition_looks_at(case: str) -> None:
    rules = grafana_rules(case)
    assert len(rules) == len(alerts(golden_alerts.settings_of(case)))
    assert len({rule["uid"] for rule in rules}) == len({rule["title"] for rule in rules}) == len(rules)
    for rule in rules:
        assert {key: type(value) for key, value in rule.items()} == RULE
        assert re.fullmatch(r"[a-z0-9-]{1,40}", rule["uid"])
        query, threshold = rule["data"]
        assert (query["refId"], query["datasourceUid"], query["model"]["refId"]) == ("A", "mimir", "A")
        assert (threshold["refId"], threshold["datasourceUid"]) == (rule["condition"], "__expr__")
        assert threshold["model"]["expression"] == query["refId"]
        assert all(isinstance(value, str) for value in {**rule["annotations"], **rule["labels"]}.values())


def test_grafana_would_replace_a_dollar_so_it_is_doubled_where_it_does() -> None:
    rules = grafana_rules("critical")
    assert {rule["labels"]["cost"] for rule in rules} == {"5$$"}
    page = next(rule for rule in rules if rule["title"] == "ModelSkew (page)")
    assert r"tax \\(\\$$\\)" in page["data"][0]["model"]["expr"]
    assert "{{ $labels.ml_model_name }}" in page["annotations"]["summary"]


def test_grafanas_own_model_of_a_rule_reads_them() -> None:
    alerting = pytest.importorskip(
        "grafana_foundation_sdk.models.alerting", reason="grafana-foundation-sdk is not installed"
    )
    for rule in grafana_rules("critical"):
        read = alerting.Rule.from_json(rule).to_json()
        assert {key: read[key] for key in ("title", "condition", "for", "noDataState", "labels", "annotations")} == {
            key: rule[key] for key in ("title", "condition", "for", "noDataState", "labels", "annotations")
        }
        assert [query["refId"] for query in map(_as_json, read["data"])] == ["A", "B"]


def _as_json(value: Any) -> Any:
    return value.to_json() if hasattr(value, "to_json") else value


@pytest.mark.parametrize("case", golden_alerts.CASES)
def test_datadogs_client_takes_the_monitors(case: str) -> None:
    pytest.importorskip("datadog_api_client", reason="datadog-api-client is not installed")
    from datadog_api_client.configuration import Configuration
    from datadog_api_client.model_utils import validate_and_convert_types
    from datadog_api_client.v1.model.monitor import Monitor

    def read(monitor: dict[str, Any]) -> Any:
        options = Configuration(spec_property_naming=True)
        return validate_and_convert_types(monitor, (Monitor,), ["monitor"], True, True, options)

    monitors = json.loads(datadog_monitors(golden_alerts.settings_of(case), notify="@slack-models"))
    for monitor in monitors:
        assert read(monitor).to_dict() == monitor
        assert not read(monitor)._unparsed
        assert not read(monitor).options._unparsed
    # Told apart from what the client does not know:
    assert read({**monitors[0], "type": "hunch"})._unparsed
    assert read({**monitors[0], "options": {"on_missing_data": "guess"}}).options._unparsed


@pytest.mark.parametrize("case", golden_alerts.CASES)
def test_a_monitors_threshold_is_that_of_its_query_and_its_variables_are_its_groups(case: str) -> None:
    for monitor in json.loads(datadog_monitors(golden_alerts.settings_of(case), notify="@slack-models")):
        query = re.fullmatch(r"(min|max|sum|percentile)\(last_(\d+)m\):(.+) (>|>=|<=) ([\d.e-]+)", monitor["query"])
        assert query is not None, monitor["query"]
        assert float(query[5]) == monitor["options"]["thresholds"]["critical"]
        groups = {tag for tags in re.findall(r"by \{([^}]*)\}", query[3]) for tag in tags.split(",")}
        assert set(re.findall(r"\{\{\[(.*?)\]\.name\}\}", monitor["message"])) <= groups
        assert "$labels" not in monitor["message"]
        assert monitor["message"].endswith("@slack-models")


def monitors_of(**overrides: Any) -> dict[str, dict[str, Any]]:
    settings = Settings(config=load(environ={}, overrides=overrides))
    return {monitor["name"]: monitor for monitor in json.loads(datadog_monitors(settings))}


def test_a_model_that_never_predicted_has_a_monitor_without_groups_that_tells_of_no_data() -> None:
    monitors = monitors_of(models={"Late Flights": {"critical": True}, "fraud": {}, "old": {"ignore": True}})
    absent = {name: monitor for name, monitor in monitors.items() if name.startswith("ModelAbsent")}
    assert absent.keys() == {"ModelAbsent Late Flights (page)", "ModelAbsent fraud (ticket)"}
    page = absent["ModelAbsent Late Flights (page)"]
    assert page["query"] == "sum(last_1440m):sum:ml.prediction.rows{ml.model.name:late_flights}.as_count() <= 0"
    assert page["options"]["on_missing_data"] == "show_and_notify_no_data"
    assert page["message"].startswith("Late Flights is configured, and predicts nowhere\n")


def test_a_monitor_looks_back_a_week_at_most() -> None:
    monitors = monitors_of(window="30d", step="1d", models={"fraud": {}})
    windows = [int(re.search(r"last_(\d+)m", monitor["query"])[1]) for monitor in monitors.values()]  # type: ignore[index]
    assert max(windows) == 7 * 24 * 60


def test_a_segment_that_moved_is_named_and_is_not_taken_for_the_whole_model() -> None:
    monitors = monitors_of(models={"fraud": {"segments": ["air line"], "critical": True}})
    whole, segment = monitors["ModelSkew (page)"], monitors["ModelSkew by ml.segment.air_line (page)"]
    assert "{ml.model.name:fraud AND NOT ml.segment.air_line:*} by" in whole["query"]
    assert "{ml.model.name:fraud AND ml.segment.air_line:*} by" in segment["query"]
    assert "(air line" not in whole["message"]
    assert "{{[ml.column.name].name}} is not as in the {{[ml.baseline.kind].name}} data" in whole["message"]
    assert " data (air line {{[ml.segment.air_line].name}})\n" in segment["message"]
    assert "{{ with" not in json.dumps(list(monitors.values()))


def test_an_annotation_names_the_segment_and_the_column_where_there_is_one() -> None:
    config = load(environ={}, overrides={"segments": ["region"]})
    quality = next(alert for alert in alerts(Settings(config=config)) if alert.name == "ModelQuality")
    labels = {"ml_model_name": "fraud", "ml_quality_check": "volume"}
    assert rendered(quality.summary, labels) == "fraud fails the check volume"
    labels |= {"ml_column_name": "amount", "ml_quality_check": "missing", "ml_segment_region": "EU"}
    assert rendered(quality.summary, labels) == "fraud: amount fails the check missing (region EU)"


def test_too_many_calls_are_slow_where_a_percentile_of_them_is() -> None:
    def latency(**options: Any) -> list[str]:
        monitors = json.loads(datadog_monitors(Settings(**options)))
        return [monitor["query"] for monitor in monitors if monitor["name"].startswith("ModelLatency")]

    of_all = "ml.prediction.duration{*} by {ml.model.name,ml.model.version}"
    assert latency() == [f"percentile(last_60m):p85.6:{of_all} > 1"]
    assert latency(latency=0.25, latency_budget=0.001) == [f"percentile(last_60m):p98.56:{of_all} > 0.25"]
    assert latency(latency_budget=0.1) == []  # 14 times a tenth is more than there is
