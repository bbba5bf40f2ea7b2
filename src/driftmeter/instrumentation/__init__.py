"""Auto-instrumentation: one public module per framework, each a BaseInstrumentor."""

from driftmeter.instrumentation._call import Framework, call
from driftmeter.instrumentation._instruments import use_providers
from driftmeter.instrumentation._rows import record_rows

__all__ = ["Framework", "call", "record_rows", "use_providers"]
