"""Alerts as Datadog monitors: a JSON list of bodies for ``POST /api/v1/monitor``.

Names stay as OpenTelemetry has them there, attributes become tags. What a monitor cannot say is left out: how many
calls are slow (OTLP histograms become distributions, which have no buckets), a baseline's age (no query has the time of
day), and performance, of which nothing is sent so far.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from driftmeter.alerts._alert import Alert, Monitor
from driftmeter.alerts._catalog import alerts, annotations_of, labels_of
from driftmeter.alerts._settings import Settings
from driftmeter.alerts._text import number

_MOST_MINUTES: Final = 10_080
"""A week: further back no monitor looks."""
_PRIORITY: Final = {"page": 1, "ticket": 3}
_TAGS: Final = {"instance": "service.instance.id", "hw_id": "hw.id", "error_type": "error.type"}


def datadog_monitors(settings: Settings, *, notify: str = "") -> str:
    """Return the monitors.

    Args:
        settings: What the rules are made from; naming does not matter.
        notify: Who is told, ``@slack-models`` say.
    """
    found = [(alert, monitor) for alert in alerts(settings) for monitor in alert.monitors]
    return json.dumps([_monitor(alert, monitor, settings, notify) for alert, monitor in found], indent=2) + "\n"


def _monitor(alert: Alert, monitor: Monitor, settings: Settings, notify: str) -> dict[str, Any]:
    minutes = min(max(1, math.ceil(monitor.over / 60)), _MOST_MINUTES)
    said = annotations_of(alert, settings)
    message = (
        f"{_templated(said['summary'], monitor.labels)}\n\n{said['description']}\n\nRunbook: {said['runbook_url']}"
    )
    return {
        "name": " ".join((alert.name, *monitor.labels.values(), f"({alert.severity})")),
        "type": "query alert",
        "query": (
            f"{monitor.aggregate}(last_{minutes}m):{monitor.query} {monitor.compare} {number(monitor.threshold)}"
        ),
        "message": f"{message}\n\n{notify}" if notify else message,
        "tags": [f"{name}:{value}" for name, value in labels_of(alert, settings).items()],
        "priority": _PRIORITY[alert.severity],
        "options": {
            "thresholds": {"critical": monitor.threshold},
            "require_full_window": False,
            "include_tags": True,
            "on_missing_data": "show_and_notify_no_data" if monitor.tell_missing else "resolve",
        },
    }


def _templated(text: str, labels: Mapping[str, str]) -> str:
    """Return a text with these labels' values, and of others with Datadog's variables for the tags of a group."""

    def variable(match: re.Match[str]) -> str:
        label = match[1]
        if label in labels:
            return labels[label]
        # The labels of models and columns have a dot for each underscore.
        return f"{{{{[{_TAGS.get(label, label.replace('_', '.'))}].name}}}}"

    return re.sub(r"\{\{ \$labels\.(\w+) \}\}", variable, text)
