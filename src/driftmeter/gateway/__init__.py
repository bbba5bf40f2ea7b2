"""The processor as a service: OTLP in from many replicas, signals out."""

from driftmeter.gateway._logs import log_to
from driftmeter.gateway._push import push
from driftmeter.gateway._service import Gateway, GatewayConfig, load_gateway, serve
from driftmeter.gateway.core._core_config import CoreConfig
from driftmeter.gateway.sender._sender_config import SenderConfig
from driftmeter.gateway.servers._server_config import ServerConfig

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
