"""Watch machine-learning models in production through OpenTelemetry: drift, skew, quality, latency.

Under ``opentelemetry-instrument`` nothing need be called. The functions here are for programs that set things up
themselves, that name their models, or that predict in ways no instrumentation sees.
"""

from driftmeter._api import instrument, monitor, record, shutdown
from driftmeter.baseline import Baseline
from driftmeter.exceptions import BaselineError, ConfigError, DecodeError, DriftmeterError

__all__ = [
    "Baseline",
    "BaselineError",
    "ConfigError",
    "DecodeError",
    "DriftmeterError",
    "instrument",
    "monitor",
    "record",
    "shutdown",
]
