"""The servers' side of TLS: a certificate and its key, the authorities of clients; read again when they change."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import Any

from driftmeter.exceptions import ConfigError
from driftmeter.gateway._watched import Watched
from driftmeter.gateway.servers._server_config import ServerConfig

_log = logging.getLogger(__name__)


class ServerTls:
    """Of one server. Files that can no longer be used leave it with the ones it had."""

    def __init__(self, config: ServerConfig) -> None:
        """Read the files.

        Raises:
            ConfigError: One of them cannot be read or is not PEM, or the key is not the certificate's.
        """
        self._config = config
        paths = (config.tls_certificate, config.tls_key, config.tls_client_ca)
        self._watched = Watched(Path(path) for path in paths if path)
        self._newest = _context(config)

    def context(self) -> ssl.SSLContext:
        """Return the context for asyncio; each handshake uses the newest files."""
        context = self._newest

        def use_newest(connection: ssl.SSLObject, _name: str | None, _first: ssl.SSLContext) -> None:
            self._read_again()
            connection.context = self._newest

        # Called at the beginning of every handshake, whether the client names the server or not.
        context.sni_callback = use_newest
        return context

    def credentials(self) -> Any:
        """Return gRPC's credentials; each handshake uses the newest files."""
        import grpc  # type: ignore[import-untyped]  # its stubs are a package that nothing else here needs

        def newest() -> Any:
            return self._configuration() if self._read_again() else None

        return grpc.dynamic_ssl_server_credentials(
            self._configuration(), newest, require_client_authentication=bool(self._config.tls_client_ca)
        )

    def _configuration(self) -> Any:
        import grpc

        config = self._config
        chain = (Path(config.tls_key).read_bytes(), Path(config.tls_certificate).read_bytes())
        authorities = Path(config.tls_client_ca).read_bytes() if config.tls_client_ca else None
        return grpc.ssl_server_certificate_configuration([chain], authorities)

    def _read_again(self) -> bool:
        if not self._watched.changed():
            return False
        try:
            self._newest = _context(self._config)
        except ConfigError as error:
            _log.error("the certificates stay as they were: %s", error)
            return False
        _log.info("read the certificate %s again", self._config.tls_certificate)
        return True


def _context(config: ServerConfig) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    try:
        # With a password, even an empty one, nobody is asked for one at a terminal.
        context.load_cert_chain(config.tls_certificate, config.tls_key, password="")
    except (OSError, ValueError) as error:
        raise ConfigError(
            "tls_certificate and tls_key must name a certificate chain and its key, not encrypted, in PEM; "
            f"{config.tls_certificate}, {config.tls_key}: {error}"
        ) from None
    if config.tls_client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(config.tls_client_ca)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"tls_client_ca must name a file of certificates in PEM; {config.tls_client_ca}: {error}"
            ) from None
    return context
