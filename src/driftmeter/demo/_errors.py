"""The demo's one kind of error."""

from __future__ import annotations

from driftmeter.exceptions import DriftmeterError


class DemoError(DriftmeterError):
    """The demo cannot go on; the message is one line that says what to do."""
