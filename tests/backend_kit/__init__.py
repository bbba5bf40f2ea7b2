"""Real backends for tests: the binaries that tools/backends builds, as processes on loopback.

Tests take the fixtures of `_fixtures`, which `tests/conftest.py` makes known to all of them; a test that takes one is
marked `backends` by that, and runs with ``pytest -m backends``.
"""

from backend_kit._alertmanager import Alertmanager
from backend_kit._binaries import BACKENDS, binary
from backend_kit._collector import Collector, validate
from backend_kit._gateway import Gateway
from backend_kit._jaeger import Jaeger
from backend_kit._process import OPENER, Process, free_port, until
from backend_kit._prometheus import Prometheus, promtool

__all__ = [
    "BACKENDS",
    "OPENER",
    "Alertmanager",
    "Collector",
    "Gateway",
    "Jaeger",
    "Process",
    "Prometheus",
    "binary",
    "free_port",
    "promtool",
    "until",
    "validate",
]
