"""Alerts as a file that provisions Grafana's alerting.

Source: Grafana, "Use configuration files to provision alerting resources". Grafana replaces ``$NAME`` in labels and
queries by environment variables, so ``$`` is doubled there; in annotations it does not.
"""

from __future__ import annotations

import math
from typing import Any, Final

from driftmeter.alerts._alert import Alert
from driftmeter.alerts._catalog import alerts, annotations_of, labels_of
from driftmeter.alerts._settings import Settings
from driftmeter.alerts._text import duration_text
from driftmeter.alerts._yaml import to_yaml

_LOOK_BACK: Final = 600
"""Seconds that a query is said to be about; an instant query is about its end."""
_BEAT: Final = 10
"""Grafana evaluates groups at multiples of so many seconds."""


def grafana_provisioning(settings: Settings, *, datasource: str, folder: str) -> str:
    """Return the provisioning file.

    Args:
        settings: What the rules are made from.
        datasource: The uid of the Prometheus or Mimir data source.
        folder: The folder that the rules are put in.
    """
    group = {
        "orgId": 1,
        "name": "driftmeter",
        "folder": folder,
        "interval": duration_text(_BEAT * math.ceil(settings.tick / _BEAT)),
        "rules": [_rule(alert, settings, datasource) for alert in alerts(settings)],
    }
    return to_yaml({"apiVersion": 1, "groups": [group]})


def _rule(alert: Alert, settings: Settings, datasource: str) -> dict[str, Any]:
    about = {"from": _LOOK_BACK, "to": 0}
    # The condition asks for a number above 0; what the expression returns may be any, so 1 stands for it.
    query = {"refId": "A", "expr": _escaped(f"(\n{alert.expr}\n) * 0 + 1"), "instant": True, "range": False}
    threshold = {
        "refId": "B",
        "type": "threshold",
        "expression": "A",
        "conditions": [{"evaluator": {"type": "gt", "params": [0]}}],
    }
    return {
        "uid": f"dm-{alert.anchor}-{alert.severity}",  # 40 characters at most
        "title": f"{alert.name} ({alert.severity})",
        "condition": "B",
        "data": [
            {"refId": "A", "relativeTimeRange": about, "datasourceUid": datasource, "model": query},
            {"refId": "B", "relativeTimeRange": about, "datasourceUid": "__expr__", "model": threshold},
        ],
        # The query returns causes alone, so that it returns none is how it should be.
        "noDataState": "OK",
        "execErrState": "Error",
        "for": duration_text(alert.hold),
        "annotations": annotations_of(alert, settings),
        "labels": {
            "alert": alert.name,
            **{name: _escaped(value) for name, value in labels_of(alert, settings).items()},
        },
        "isPaused": False,
    }


def _escaped(text: str) -> str:
    return text.replace("$", "$$")
