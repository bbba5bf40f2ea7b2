"""Where to listen: host:port, and whether other machines can reach it."""

from __future__ import annotations

from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from driftmeter.exceptions import ConfigError


class Address(NamedTuple):
    """A host, as a name or a number without brackets, and a port; 0 is a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"


def parse_address(name: str, value: str) -> Address:
    """Return the address in a text such as ``127.0.0.1:4317``, ``localhost:4317`` or ``[::]:4317``.

    Raises:
        ConfigError: It is no host:port; the message begins with the key's name.
    """
    try:
        parts = urlsplit(f"//{value}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or port is None or parts.netloc != value or "@" in value:
        raise ConfigError(f"{name} must be host:port, such as 127.0.0.1:4317 or [::]:4317; got {value!r}")
    return Address(host, port)


def exposure(address: Address, *, encrypted: bool, authenticated: bool) -> str:
    """Return what is wrong with listening at an address that other machines can reach; empty when nothing is."""
    if address.is_loopback or (encrypted and authenticated):
        return ""
    lacks = []
    if not encrypted:
        lacks.append("nothing is encrypted (set tls_certificate and tls_key)")
    if not authenticated:
        lacks.append("whoever reaches it may send (set tokens or tls_client_ca)")
    return f"{address} can be reached from other machines, and {', and '.join(lacks)}"
