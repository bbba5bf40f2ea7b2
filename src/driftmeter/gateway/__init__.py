"""The processor as a service: OTLP in from many replicas, signals out."""

from driftmeter.gateway._core_config import CoreConfig
from driftmeter.gateway._logs import log_to
from driftmeter.gateway._push import push
from driftmeter.gateway._sender_config import SenderConfig
from driftmeter.gateway._server_config import ServerConfig
from driftmeter.gateway._service import Gateway, GatewayConfig, load_gateway, serve

__all__ = [
    "CoreConfig",
    "Gateway",
    "GatewayConfig",
    "SenderConfig",
    "ServerConfig",
    "load_gateway",
    "log_to",
    "push",
    "serve",
]
