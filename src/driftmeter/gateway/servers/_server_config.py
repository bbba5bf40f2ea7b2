"""What can be set about the servers: where they listen, who may send, and how much at a time."""

from __future__ import annotations

from dataclasses import dataclass

from driftmeter.config import Keyed, key
from driftmeter.config._values import duration, integer, text
from driftmeter.exceptions import ConfigError
from driftmeter.gateway._addresses import parse_address

MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig(Keyed):
    """Of both servers. Sizes are in bytes, times in seconds."""

    grpc_address: str = key("127.0.0.1:4317", text, "where OTLP/gRPC is served, host:port; empty: nowhere")
    http_address: str = key("127.0.0.1:4318", text, "where OTLP/HTTP is served, host:port; empty: nowhere")
    tls_certificate: str = key("", text, "path of the servers' certificate chain (PEM), with which they speak TLS only")
    tls_key: str = key("", text, "path of the certificate's private key (PEM)")
    tls_client_ca: str = key("", text, "path of the authorities (PEM) whose certificates every client must have (mTLS)")
    tokens: str = key("", text, "path of a file with a token a line, one of which every request must bear")
    max_request_bytes: int = key(16 * MIB, integer, "size of a request as it is sent", least=1024)
    max_decompressed_bytes: int = key(64 * MIB, integer, "size of a request that came compressed", least=1024)
    max_json_bytes: int = key(
        4 * MIB, integer, "size of a request as JSON, decompressed; reading it takes up to 30 times as much", least=1024
    )
    max_header_bytes: int = key(16_384, integer, "size of a request's headers", least=1024, most=MIB)
    max_requests: int = key(1000, integer, "requests in hand at one time; more are told to come back", least=1)
    max_bytes: int = key(512 * MIB, integer, "bytes in hand at one time; more are told to come back", least=1024)
    max_connections: int = key(1000, integer, "connections at one time, of each server; more are closed", least=1)
    request_timeout: float = key(
        30.0,
        duration,
        "how long a request may take to arrive, and over HTTP the head of a connection's first one",
        least=0.001,
        most=3600,
    )
    idle_timeout: float = key(
        180.0, duration, "how long a connection may lie idle; clients send every minute", least=0.001, most=86_400
    )

    def _check_together(self) -> None:
        for name in ("grpc_address", "http_address"):
            if getattr(self, name):
                parse_address(name, getattr(self, name))
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ConfigError(
                f"tls_certificate and tls_key must be given together; got {self.tls_certificate!r} and {self.tls_key!r}"
            )
        if self.tls_client_ca and not self.tls_certificate:
            raise ConfigError(f"tls_client_ca must come with tls_certificate and tls_key; got {self.tls_client_ca!r}")
        if self.max_bytes < self.max_request_bytes:
            raise ConfigError(
                f"max_bytes must be at least max_request_bytes, {self.max_request_bytes}; got {self.max_bytes}"
            )
