"""What ``opentelemetry-instrument`` calls before and after its set-up: watch models, if the configuration is right."""

from __future__ import annotations

import contextlib
import logging

from driftmeter import hardware
from driftmeter.config import load
from driftmeter.exceptions import DriftmeterError
from driftmeter.exporter import _sdk
from driftmeter.exporter._lifecycle import is_off, start, stop
from driftmeter.recorder import guard, load_baselines

_logger = logging.getLogger("driftmeter")


def prepare_zero_code() -> None:
    """Before instrumentations are loaded: see to it that the host's metrics are the small set, or none."""
    with guard, contextlib.suppress(DriftmeterError):  # which is told once, when all is set up
        if not _sdk.disabled() and not is_off(load()):
            hardware.hold_back()


def start_zero_code() -> None:
    """Watch models; when the configuration is wrong, say so once and let the service run unwatched."""
    with guard:
        try:
            # Where all of OpenTelemetry is switched off, not even a mistake is told.
            if _sdk.disabled() or is_off(config := load()):
                stop()
            else:
                start(config, baselines=load_baselines(config))
        except DriftmeterError as error:
            stop()
            _logger.error("driftmeter does not watch this process: %s", error)  # noqa: TRY400  # the message says it all
