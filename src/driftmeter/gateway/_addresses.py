"""Where to listen: host:port, and whether other machines can reach it."""

from __future__ import annotations

import os
import socket
from errno import EADDRINUSE
from ipaddress import ip_address
from typing import Any, NamedTuple
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


def check_free(name: str, address: Address) -> None:
    """Refuse an address that cannot be listened at, before a server tries: gRPC would tell in lines of its own.

    Raises:
        ConfigError: It is in use, not this machine's, or not allowed; the message begins with the key's name.
    """
    try:
        found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise _not_free(name, address, error.strerror or str(error)) from None
    faults = [_fault(family, place) for family, _, _, _, place in found]
    # Of the addresses that a name has, one is enough, since not every machine has IPv6; but none may be in use.
    if EADDRINUSE in faults:
        raise _not_free(name, address, os.strerror(EADDRINUSE))
    if all(faults):
        raise _not_free(name, address, os.strerror(faults[0]))


def _fault(family: int, place: Any) -> int:
    """Return the number of the error that binding ends with, or 0."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            # As servers do, so that what was just closed does not count as in use.
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(place)
    except OSError as error:
        return error.errno or EADDRINUSE
    return 0


def _not_free(name: str, address: Address, why: str) -> ConfigError:
    return ConfigError(f"{name} must be free to listen at; {address}: {why}")


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
