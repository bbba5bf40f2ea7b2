"""Both servers with one gate in front of the receiver: started, drained and stopped together."""

from __future__ import annotations

import asyncio
import logging
from time import monotonic
from typing import Protocol

from driftmeter.exceptions import ConfigError
from driftmeter.gateway._addresses import Address, check_free, exposure, parse_address
from driftmeter.gateway._extra import check_extra
from driftmeter.gateway._inbound import Receiver
from driftmeter.gateway.servers._gate import Gate
from driftmeter.gateway.servers._server_config import ServerConfig
from driftmeter.gateway.servers._tls import ServerTls

_log = logging.getLogger(__name__)


class _Server(Protocol):
    async def start(self) -> Address: ...
    async def stop(self, timeout: float) -> None: ...


class Servers:
    """Made, started and stopped on one event loop.

    Attributes:
        gate: Counts what comes in.
        addresses: Where each protocol is served, ``grpc`` and ``http``, once started.
    """

    def __init__(self, receiver: Receiver, config: ServerConfig) -> None:
        """Read tokens and certificates.

        Raises:
            ConfigError: A file cannot be used, both addresses are empty, or aiohttp is not installed.
        """
        self.gate = Gate(receiver, config)
        self.addresses: dict[str, Address] = {}
        self._config = config
        self._servers: dict[str, _Server] = {}
        if config.grpc_address:
            from driftmeter.gateway.servers._grpc_server import GrpcServer

            self._servers["grpc"] = GrpcServer(self.gate, self._address("grpc"), tls=self._tls())
        if config.http_address:
            check_extra()
            from driftmeter.gateway.servers._http_server import HttpServer

            self._servers["http"] = HttpServer(self.gate, self._address("http"), tls=self._tls())
        if not self._servers:
            raise ConfigError("grpc_address or http_address must be given; both are empty")

    async def start(self) -> None:
        """Listen; when one address cannot be listened at, none is.

        Raises:
            ConfigError: An address cannot be listened at.
        """
        try:
            for protocol, server in self._servers.items():
                check_free(f"{protocol}_address", self._address(protocol))
                self.addresses[protocol] = await server.start()
        except ConfigError:
            await self.stop(0)
            raise
        for protocol, address in self.addresses.items():
            _log.info("OTLP/%s is served at %s", protocol, address)
            exposed = exposure(
                address,
                encrypted=bool(self._config.tls_certificate),
                authenticated=bool(self._config.tokens or self._config.tls_client_ca),
            )
            if exposed:
                _log.warning(exposed)

    async def stop(self, timeout: float) -> bool:
        """Refuse what is new, answer what is in hand, close; return whether all was answered within so many seconds."""
        end = monotonic() + timeout
        self.gate.close()
        await asyncio.gather(*(server.stop(timeout) for server in self._servers.values()))
        return await self.gate.drain(max(0.0, end - monotonic()))

    def _address(self, protocol: str) -> Address:
        name = f"{protocol}_address"
        return parse_address(name, getattr(self._config, name))

    def _tls(self) -> ServerTls | None:
        return ServerTls(self._config) if self._config.tls_certificate else None
