"""Is the `dashboards` extra installed?"""

from __future__ import annotations

from importlib.util import find_spec

from driftmeter.exceptions import ConfigError


def check_extra() -> None:
    """Refuse to write dashboards without grafana-foundation-sdk.

    Raises:
        ConfigError: It is missing; the message names the command that installs it.
    """
    if find_spec("grafana_foundation_sdk") is None:
        raise ConfigError(
            "dashboards need grafana-foundation-sdk, which needs Python 3.11 or later and is not installed here: "
            "pip install 'driftmeter[dashboards]'"
        )
