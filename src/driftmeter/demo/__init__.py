"""`driftmeter demo`: the main job, end to end, on a year of real flights."""

from __future__ import annotations

from ._errors import DemoError
from ._run import Options, run

__all__ = ["DemoError", "Options", "run"]
