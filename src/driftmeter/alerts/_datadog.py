"""Alerts as Datadog monitors: a JSON list of bodies for ``POST /api/v1/monitor``.

Names stay as OpenTelemetry has them there, attributes become tags, and histograms distributions. What a monitor cannot
say is left out: a baseline's age (no query has the time of day), and performance, of which nothing is sent so far.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

from driftmeter.alerts._alert import IF_THERE, IT, LABEL, Alert, Monitor
from driftmeter.alerts._catalog import alerts, annotations_of, labels_of
from driftmeter.alerts._settings import Settings
from driftmeter.alerts._text import number
from driftmeter.prometheus_names import label_name

_MOST_MINUTES: Final = 10_080
"""A week: further back no monitor looks."""
_PRIORITY: Final = {"page": 1, "ticket": 3}


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
    message = f"{_templated(said['summary'], monitor)}\n\n{said['description']}\n\nRunbook: {said['runbook_url']}"
    return {
        "name": " ".join(filter(None, (alert.name, monitor.about, f"({alert.severity})"))),
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


def _templated(text: str, monitor: Monitor) -> str:
    """Return a text with Datadog's variables for the tags of a group in place of Prometheus' labels.

    What stands there of a label that no tag of the groups is, is left out.
    """
    tags = {label_name(tag): f"{{{{[{tag}].name}}}}" for tag in monitor.groups}
    said = {**tags, **monitor.labels}

    def of_label(match: re.Match[str]) -> str:
        # The labels of models and columns have a dot for each underscore.
        return said.get(match[1]) or f"{{{{[{match[1].replace('_', '.')}].name}}}}"

    text = IF_THERE.sub(lambda match: match[2].replace(IT, said[match[1]]) if match[1] in said else "", text)
    return LABEL.sub(of_label, text)
