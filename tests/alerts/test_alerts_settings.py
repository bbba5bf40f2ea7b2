"""What rules are made from, and how the configuration shows in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from driftmeter import ConfigError
from driftmeter.alerts import Settings, alerts, prometheus_rules
from driftmeter.alerts._critical import Critical
from driftmeter.alerts._text import duration_text, number, pattern, quoted, tag_value
from driftmeter.config import load

RUNBOOKS = (Path(__file__).resolve().parents[2] / "docs/runbooks.md").read_text(encoding="utf-8")


def settings(tmp_path: Path, options: dict | None = None, **overrides) -> Settings:
    return Settings(config=load(environ={}, folder=tmp_path, overrides=overrides), **(options or {}))


@pytest.mark.parametrize(
    ("window", "step", "hold", "linger"),
    [("1h", "1m", 120, 180), ("1h", "1h", 360, 900), ("20s", "1s", 2, 3), ("1m", "250ms", 0.5, 3)],
)
def test_durations_follow_from_window_and_step(window, step, hold, linger, tmp_path) -> None:
    made = settings(tmp_path, window=window, step=step)
    assert (made.hold, made.linger) == (hold, linger)
    assert {(alert.hold, alert.linger) for alert in alerts(made) if alert.name == "ModelSkew"} == {(hold, linger)}


def test_what_is_critical_is_a_page_and_nothing_is_twice(tmp_path) -> None:
    found = alerts(settings(tmp_path, models={"pay": {"critical": True}}))
    by_name: dict[str, list[str]] = {}
    for alert in found:
        by_name.setdefault(alert.name, []).append(alert.severity)
    paged = {name for name, severities in by_name.items() if "page" in severities}
    assert paged == {
        "ModelSkew",
        "ModelDrift",
        "ModelQuality",
        "ModelPerformance",
        "ModelErrors",
        "ModelLatency",
        "ModelSilent",
        "ModelAbsent",
    }
    assert all(severities in (["page", "ticket"], ["page"], ["ticket"]) for severities in by_name.values())
    assert {alert.severity for alert in alerts(settings(tmp_path))} == {"ticket"}


def test_every_alert_has_a_runbook_that_its_link_leads_to(tmp_path) -> None:
    sections = {heading.lower() for heading in re.findall(r"^## (\w+)$", RUNBOOKS, re.MULTILINE)}
    found = alerts(settings(tmp_path, models={"pay": {}}))
    assert {alert.anchor for alert in found} == sections
    rules = prometheus_rules(settings(tmp_path, {"runbooks": "https://wiki/driftmeter"}))
    assert "runbook_url: https://wiki/driftmeter#modelskew\n" in rules


def test_labels_of_the_users_are_on_every_alert(tmp_path) -> None:
    made = settings(tmp_path, {"labels": {"team": "ml", "severity": "info"}})
    rules = prometheus_rules(made)
    assert rules.count("team: ml\n") == rules.count("severity: info\n") == len(alerts(made))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"latency": 0.3}, "latency must be a bound of ml.prediction.duration, in seconds one of 0.0005, .* got 0.3"),
        ({"error_budget": 0.0}, "error_budget must be between 0 and 1; got 0.0"),
        ({"worse": 1.5}, "worse must be between 0 and 1; got 1.5"),
        ({"period": 0.0}, "period must be above 0; got 0.0"),
        ({"naming": "mimir"}, "naming must be one of otlp, pull, plain; got 'mimir'"),
        ({"labels": {"my-team": "x"}}, "a label's name must have letters, .* got 'my-team'"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_rule(options, says) -> None:
    with pytest.raises(ConfigError, match=says):
        Settings(**options)


def test_the_critical_are_told_apart_in_both_languages(tmp_path) -> None:
    columns = {"memo": {"critical": False}}
    config = load(
        environ={},
        folder=tmp_path,
        overrides={
            "models": {
                "pay": {"critical": True, "columns": columns},
                "rank": {"columns": {"Price": {"critical": True}, **columns}},
                "idle": {},
            }
        },
    )
    critical = Critical(config)
    assert critical.models == ["pay"]
    expr = critical.of_columns(lambda matchers: f"x{{{matchers}}}")
    assert expr["page"] == (
        'x{ml_model_name="pay", ml_column_name!~"memo"}\nor\nx{ml_model_name="rank", ml_column_name=~"Price"}'
    )
    assert expr["ticket"] == f"(\nx{{}}\n)\nunless (\n{expr['page']}\n)"
    assert critical.tags_of_columns("page") == (
        "(ml.model.name:pay AND ml.column.name NOT IN (memo)) OR (ml.model.name:rank AND ml.column.name IN (price))"
    )
    assert critical.tags_of_columns("ticket") == (
        "(NOT ml.model.name:pay OR ml.column.name IN (memo)) AND "
        "(NOT ml.model.name:rank OR ml.column.name NOT IN (price))"
    )
    assert critical.tags_of_models("page") == "ml.model.name IN (pay)"
    assert critical.tags_of_models("ticket") == "ml.model.name NOT IN (pay)"


def test_texts_are_written_as_the_languages_have_them() -> None:
    assert quoted('a "b" \\ c\n') == '"a \\"b\\" \\\\ c\\n"'
    assert pattern(["a.b", "c|d"]) == '"a\\\\.b|c\\\\|d"'
    assert [duration_text(seconds) for seconds in (0, 0.25, 90, 3600, 86_400, 2_592_000, 5461.5)] == [
        "0s",
        "250ms",
        "1m30s",
        "1h",
        "1d",
        "30d",
        "1h31m1s500ms",
    ]
    with pytest.raises(ValueError, match="seconds must be 0 or more; got -1"):
        duration_text(-1)
    assert [number(value) for value in (1, 0.0144, 1e-7, -3.0)] == ["1", "0.0144", "1e-07", "-3"]
    assert tag_value("Tax ($)") == "tax____"
