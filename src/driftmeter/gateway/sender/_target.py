"""Where each signal is sent: from the configuration, and from the variables that every OTLP exporter reads.

A key of the configuration wins over a variable, and a signal's own variable over the common one. Like the SDK's
exporters for Python, timeouts are in seconds; unlike them, nothing is sent without an endpoint, since the usual one is
where the gateway itself listens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, urlsplit

from opentelemetry.util.re import parse_env_headers

from driftmeter.exceptions import ConfigError
from driftmeter.gateway._addresses import Address
from driftmeter.gateway._inbound import SIGNALS, Signal
from driftmeter.gateway.sender._sender_config import COMPRESSIONS, PROTOCOLS, SenderConfig

_VARIABLE: Final = "OTEL_EXPORTER_OTLP_"
_PORTS: Final = {"grpc": 4317, "http": 80, "https": 443}
_EVERYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - nothing listens here, it is asked what does


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where one signal is sent, and how. Headers and keys are not in its repr: they hold secrets."""

    signal: Signal
    endpoint: str
    protocol: str = "grpc"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    compression: str = "none"
    certificate: str = ""
    client_certificate: str = ""
    client_key: str = field(default="", repr=False)
    timeout: float = 10.0
    insecure: bool = False

    def __post_init__(self) -> None:
        """Check what came from variables.

        Raises:
            ConfigError: A value breaks its rule; the message names the variable.
        """
        _one_of("PROTOCOL", self.protocol, PROTOCOLS)
        _one_of("COMPRESSION", self.compression, COMPRESSIONS)
        if not 0 < self.timeout <= 3600:
            raise ConfigError(f"{_VARIABLE}TIMEOUT must be above 0 and at most 3600 seconds; got {self.timeout:g}")
        if bool(self.client_certificate) != bool(self.client_key):
            raise ConfigError(
                f"{_VARIABLE}CLIENT_CERTIFICATE and {_VARIABLE}CLIENT_KEY must be given together; one is empty"
            )
        self._address()

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken: as the endpoint's scheme says; without one, unless ``insecure`` is true."""
        scheme = self._address().scheme
        return scheme == "https" if scheme else not self.insecure

    @property
    def host_and_port(self) -> Address:
        """Where connections go to."""
        address = self._address()
        usual = _PORTS["grpc" if self.protocol == "grpc" else address.scheme]
        return Address(address.hostname or "", address.port or usual)

    def reaches(self, address: Address) -> bool:
        """Return whether what is sent would come in at an address of this very process, and so be sent forever."""
        own = self.host_and_port
        here = Address(own.host, 0).is_loopback
        return own.port == address.port and (
            own.host == address.host or (here and (address.is_loopback or address.host in _EVERYWHERE))
        )

    def _address(self) -> SplitResult:
        """Return the endpoint's parts, whose scheme is ``http``, ``https`` or, for gRPC, empty."""
        schemes = {"http", "https"} | ({""} if self.protocol == "grpc" else set())
        try:
            parts = urlsplit(self.endpoint if "//" in self.endpoint else f"//{self.endpoint}")
            valid = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
        except ValueError:
            valid = False
        if not valid:
            example = "http://collector:4317" if self.protocol == "grpc" else "http://collector:4318"
            raise ConfigError(
                f"{_VARIABLE}ENDPOINT must be an address such as {example} ({self.protocol}); got {self.endpoint!r}"
            )
        return parts


def targets(config: SenderConfig, environ: Mapping[str, str]) -> dict[Signal, Target]:
    """Return the target of each signal for which there is an endpoint.

    Raises:
        ConfigError: A value breaks its rule; the message names the variable and the value.
    """
    found = {}
    for signal in SIGNALS:
        settings = _Settings(signal, environ)
        protocol = config.export_protocol or settings.get("PROTOCOL") or "grpc"
        endpoint = _endpoint(config, settings, protocol)
        if endpoint:
            found[signal] = Target(
                signal=signal,
                endpoint=endpoint,
                protocol=protocol,
                headers=parse_env_headers(config.export_headers or settings.get("HEADERS"), liberal=True),
                compression=config.export_compression or settings.get("COMPRESSION") or "none",
                certificate=config.export_certificate or settings.get("CERTIFICATE"),
                client_certificate=config.export_client_certificate or settings.get("CLIENT_CERTIFICATE"),
                client_key=config.export_client_key or settings.get("CLIENT_KEY"),
                timeout=config.export_timeout or settings.seconds("TIMEOUT") or 10.0,
                insecure=settings.get("INSECURE").lower() == "true",
            )
    return found


class _Settings:
    def __init__(self, signal: Signal, environ: Mapping[str, str]) -> None:
        self.signal = signal
        self._own = f"{_VARIABLE}{signal.upper()}_"
        self._environ = environ

    def own(self, name: str) -> str:
        return self._environ.get(f"{self._own}{name}", "").strip()

    def common(self, name: str) -> str:
        return self._environ.get(f"{_VARIABLE}{name}", "").strip()

    def get(self, name: str) -> str:
        return self.own(name) or self.common(name)

    def seconds(self, name: str) -> float | None:
        text = self.get(name)
        try:
            return float(text) if text else None
        except ValueError:
            raise ConfigError(f"{_VARIABLE}{name} must be a number of seconds; got {text!r}") from None


def _endpoint(config: SenderConfig, settings: _Settings, protocol: str) -> str:
    own = settings.own("ENDPOINT")
    if own and not config.export_endpoint:
        return own  # as it is, whatever the protocol
    base = config.export_endpoint or settings.common("ENDPOINT")
    if base and protocol != "grpc":
        return f"{base.rstrip('/')}/v1/{settings.signal}"
    return base


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(f"{_VARIABLE}{name} must be {' or '.join(known)}; got {value!r}")
