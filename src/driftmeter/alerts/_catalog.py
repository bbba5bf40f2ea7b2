"""All alerts."""

from __future__ import annotations

from driftmeter.alerts._alert import Alert
from driftmeter.alerts._baselines import baseline_alerts, performance_alerts
from driftmeter.alerts._calls import call_alerts
from driftmeter.alerts._machine import gpu_alerts, loss_alerts
from driftmeter.alerts._settings import Settings
from driftmeter.alerts._verdicts import verdict_alerts


def alerts(settings: Settings) -> list[Alert]:
    """Return the alerts, in the order of the runbooks."""
    return [
        *verdict_alerts(settings),
        *performance_alerts(settings),
        *call_alerts(settings),
        *baseline_alerts(settings),
        *gpu_alerts(settings),
        *loss_alerts(settings),
    ]


def labels_of(alert: Alert, settings: Settings) -> dict[str, str]:
    """Return the labels that an alert has of itself; the user's own win."""
    return {"severity": alert.severity, "signal": alert.signal, **settings.labels}


def annotations_of(alert: Alert, settings: Settings) -> dict[str, str]:
    """Return what an alert says; ``{{ $labels.name }}`` stands for a label."""
    return {
        "summary": alert.summary,
        "description": alert.description,
        "runbook_url": f"{settings.runbooks}#{alert.anchor}",
    }
