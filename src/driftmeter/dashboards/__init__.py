"""Dashboards, generated for the configuration that the processor runs on."""

from driftmeter.dashboards._extra import check_extra
from driftmeter.dashboards._files import MODEL, OVERVIEW, grafana_dashboards
from driftmeter.dashboards._settings import Settings

__all__ = ["MODEL", "OVERVIEW", "Settings", "check_extra", "grafana_dashboards"]
