"""Alerts as a Prometheus rule file, and the unit tests that ``promtool test rules`` runs on it."""

from __future__ import annotations

from typing import Any, Final

from driftmeter.alerts._alert import Alert, rendered
from driftmeter.alerts._catalog import alerts, annotations_of, labels_of
from driftmeter.alerts._settings import Settings
from driftmeter.alerts._text import duration_text
from driftmeter.alerts._yaml import to_yaml

_GROUP: Final = "driftmeter"


def prometheus_rules(settings: Settings) -> str:
    """Return the rule file."""
    rules = [_rule(alert, settings) for alert in alerts(settings)]
    return to_yaml({"groups": [{"name": _GROUP, "interval": duration_text(settings.tick), "rules": rules}]})


def _rule(alert: Alert, settings: Settings) -> dict[str, Any]:
    timing = {"for": alert.hold, "keep_firing_for": alert.linger}
    return {
        "alert": alert.name,
        "expr": alert.expr,
        **{key: duration_text(seconds) for key, seconds in timing.items() if seconds},
        "labels": labels_of(alert, settings),
        "annotations": annotations_of(alert, settings),
    }


def prometheus_tests(settings: Settings, *, rules: str) -> str:
    """Return unit tests of the rule file: each alert fires in its example with its labels, and no other one does.

    Args:
        settings: What the rules were made from.
        rules: The rule file, as a path from where the tests are.
    """
    found = alerts(settings)
    return to_yaml(
        {
            "rule_files": [rules],
            "evaluation_interval": duration_text(settings.beat),
            "tests": [_test(alert, found, settings) for alert in found],
        }
    )


def _test(alert: Alert, others: list[Alert], settings: Settings) -> dict[str, Any]:
    labels = {**alert.example.labels, **labels_of(alert, settings)}
    annotations = {name: rendered(text, alert.example.labels) for name, text in annotations_of(alert, settings).items()}
    at = duration_text(alert.example.at)
    quiet = dict.fromkeys(other.name for other in others if other.name != alert.name)
    return {
        "name": f"{alert.name} ({alert.severity})",
        "interval": duration_text(settings.beat),
        "input_series": [{"series": series, "values": values} for series, values in alert.example.series.items()],
        "alert_rule_test": [
            {
                "eval_time": at,
                "alertname": alert.name,
                "exp_alerts": [{"exp_labels": labels, "exp_annotations": annotations}],
            },
            *({"eval_time": at, "alertname": name, "exp_alerts": []} for name in quiet),
        ],
    }
