"""The processor as a service: OTLP in from many replicas, signals out."""

from driftmeter.gateway._logs import log_to
from driftmeter.gateway._service import Gateway, GatewayConfig, load_gateway, serve

__all__ = ["Gateway", "GatewayConfig", "load_gateway", "log_to", "serve"]
