"""Environment variables that driftmeter reads.

Every key of `driftmeter.config.Config` that holds a single value is also a variable: ``DRIFTMETER_`` and the key in
capitals, such as ``DRIFTMETER_WINDOW=1h``.
"""

from __future__ import annotations

from typing import Final

PREFIX: Final = "DRIFTMETER_"

DRIFTMETER_CONFIG: Final = "DRIFTMETER_CONFIG"
"""Path of a YAML file with the configuration."""
