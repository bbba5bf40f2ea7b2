"""The command line."""

from driftmeter.cli._main import main

__all__ = ["main"]
