"""Alerts as a Prometheus rule file, and the unit tests that ``promtool test rules`` runs on it."""

from __future__ import annotations

import math
from typing import Any, Final

from driftmeter import semconv
from driftmeter.alerts._alert import Alert, Series, rendered
from driftmeter.alerts._catalog import alerts, annotations_of, labels_of
from driftmeter.alerts._critical import Critical
from driftmeter.alerts._settings import Settings
from driftmeter.alerts._text import duration_text
from driftmeter.alerts._yaml import to_yaml
from driftmeter.prometheus_names import metric_name

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
    series = {**_predictions(alert, settings), **alert.example.series}
    quiet = dict.fromkeys(other.name for other in others if other.name != alert.name)
    return {
        "name": f"{alert.name} ({alert.severity})",
        "interval": duration_text(settings.beat),
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [
            {
                "eval_time": at,
                "alertname": alert.name,
                "exp_alerts": [{"exp_labels": labels, "exp_annotations": annotations}],
            },
            *({"eval_time": at, "alertname": name, "exp_alerts": []} for name in quiet),
        ],
    }


def _predictions(alert: Alert, settings: Settings) -> dict[str, str]:
    """Return the predictions of the configured models that an alert is not about: none of them is missing."""
    rows = metric_name(semconv.PREDICTION_ROWS, settings.naming)
    about = alert.example.labels.get("ml_model_name")
    ticks = math.ceil(alert.example.at / settings.beat) + 1
    write = Series({"job": "shop", "instance": "b"})
    others = [name for name in Critical(settings.config).named if alert.signal != "silence" or name != about]
    return {write(rows, ml_model_name=name): f"0+60x{ticks}" for name in others}
