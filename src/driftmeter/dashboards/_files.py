"""Dashboards as the files that Grafana provisions or imports, and that Datadog is sent."""

from __future__ import annotations

from typing import Final

from driftmeter.alerts import duration_text
from driftmeter.dashboards._datadog import to_datadog
from driftmeter.dashboards._datadog_page import datadog_model_page, datadog_overview
from driftmeter.dashboards._extra import check_extra
from driftmeter.dashboards._model import model_page
from driftmeter.dashboards._overview import overview
from driftmeter.dashboards._settings import Settings

OVERVIEW: Final = "driftmeter-overview.json"
MODEL: Final = "driftmeter-model.json"
DATADOG_OVERVIEW: Final = "datadog-overview.json"
DATADOG_MODEL: Final = "datadog-model.json"


def grafana_dashboards(settings: Settings) -> dict[str, str]:
    """Return the text of each file by its name.

    Raises:
        ConfigError: grafana-foundation-sdk is not installed.
    """
    check_extra()
    from driftmeter.dashboards._grafana import to_json

    pages = {OVERVIEW: overview(settings), MODEL: model_page(settings)}
    return {name: to_json(page, interval=duration_text(settings.interval)) for name, page in pages.items()}


def datadog_dashboards(settings: Settings) -> dict[str, str]:
    """Return the text of each file by its name; naming and interval do not matter there."""
    pages = {DATADOG_OVERVIEW: datadog_overview(settings), DATADOG_MODEL: datadog_model_page(settings)}
    return {name: to_datadog(page) for name, page in pages.items()}
