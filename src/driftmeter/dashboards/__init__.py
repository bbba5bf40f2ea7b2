"""Dashboards, generated for the configuration that the processor runs on."""

from driftmeter.dashboards._extra import check_extra
from driftmeter.dashboards._files import (
    DATADOG_MODEL,
    DATADOG_OVERVIEW,
    MODEL,
    OVERVIEW,
    datadog_dashboards,
    grafana_dashboards,
)
from driftmeter.dashboards._settings import Settings

__all__ = [
    "DATADOG_MODEL",
    "DATADOG_OVERVIEW",
    "MODEL",
    "OVERVIEW",
    "Settings",
    "check_extra",
    "datadog_dashboards",
    "grafana_dashboards",
]
