"""Auto-instrumentation: one public module per framework, each a BaseInstrumentor."""

from driftmeter.instrumentation._call import Framework, call
from driftmeter.instrumentation._instruments import use_providers
from driftmeter.instrumentation._methods import Patches
from driftmeter.instrumentation._rows import record_rows
from driftmeter.instrumentation._training import Training, train

__all__ = ["Framework", "Patches", "Training", "call", "record_rows", "train", "use_providers"]
