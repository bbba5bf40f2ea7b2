"""Is the `gateway` extra installed?"""

from __future__ import annotations

from importlib.util import find_spec

from driftmeter.exceptions import ConfigError


def check_extra() -> None:
    """Refuse to serve or send OTLP/HTTP without aiohttp.

    Raises:
        ConfigError: It is missing; the message names the command that installs it.
    """
    if find_spec("aiohttp") is None:
        raise ConfigError("OTLP/HTTP needs aiohttp, not installed here: pip install 'driftmeter[gateway]'")
