"""Model servers: one public module per server, each a BaseInstrumentor that tells which model a request is for."""

from driftmeter.instrumentation.servers._patching import ServerInstrumentor
from driftmeter.instrumentation.servers._request import Served, served

__all__ = ["Served", "ServerInstrumentor", "served"]
