"""`driftmeter demo`: the main job, end to end, on a year of real flights."""

from __future__ import annotations

from driftmeter.demo._errors import DemoError
from driftmeter.demo._run import Options, run

__all__ = ["DemoError", "Options", "run"]
