"""Where the servers listen, and what they refuse to start with."""

from __future__ import annotations

import logging
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gateway_parties import Party, settings
from gateway_serving import serving

from driftmeter import ConfigError
from driftmeter.gateway._addresses import check_free, exposure, parse_address

REQUEST = b"\x0a\x00"
PROTOCOLS = ("grpc", "http")


def encrypted_key(folder: Path, party: Party) -> str:
    path = folder / "encrypted.pem"
    subprocess.run(
        ["openssl", "pkey", "-in", party.key, "-aes256", "-passout", "pass:secret", "-out", str(path)], check=True
    )
    return str(path)


WRONG: dict[str, Callable[[dict[str, Party], Path], dict[str, Any]]] = {
    "tls_certificate and tls_key must be given together": lambda p, _: {"tls_certificate": p["server"].certificate},
    "tls_client_ca must come with": lambda p, _: {"tls_client_ca": p["client"].authority},
    "key values mismatch": lambda p, _: settings(p, tls_key=p["client"].key),
    "No such file": lambda p, _: settings(p, tls_key="nowhere.pem"),
    "not encrypted, in PEM": lambda p, folder: settings(p, tls_key=encrypted_key(folder, p["server"])),
    "tls_client_ca must name a file of certificates": lambda p, _: settings(p, tls_client_ca=p["client"].key),
    "tokens must name a readable file": lambda _, folder: {"tokens": str(folder / "nowhere")},
    "tokens must name a file with a token a line": lambda _, folder: {"tokens": written(folder, "# none\n")},
    "token 2 of .* is not": lambda _, folder: {"tokens": written(folder, "good\nwith space\n")},
    "grpc_address must be host:port": lambda *_: {"grpc_address": "4317"},
    "http_address must be host:port": lambda *_: {"http_address": "http://localhost:4318"},
    "grpc_address or http_address must be given": lambda *_: {"grpc_address": "", "http_address": ""},
    "max_bytes must be at least max_request_bytes": lambda *_: {"max_bytes": 2048},
}


def written(folder: Path, text: str) -> str:
    (folder / "tokens").write_text(text)
    return str(folder / "tokens")


@pytest.mark.parametrize("says", WRONG)
def test_a_setting_that_cannot_be_used_is_refused_at_the_start(
    says: str, parties: dict[str, Party], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=says), serving(**WRONG[says](parties, tmp_path)):
        pass


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_address_that_is_taken_is_refused_and_the_other_one_is_given_up(protocol: str) -> None:
    with serving() as served:
        taken = getattr(served, protocol)
        with socket.socket() as reserved:
            reserved.bind(("127.0.0.1", 0))
            other = f"127.0.0.1:{reserved.getsockname()[1]}"
        addresses = {f"{name}_address": taken if name == protocol else other for name in PROTOCOLS}
        with pytest.raises(ConfigError, match=f"{protocol}_address must be free"), serving(**addresses):
            pass
        with socket.socket() as again:
            again.bind(("127.0.0.1", int(other.rpartition(":")[2])))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("address", "why"),
    [("192.0.2.1:4317", "Cannot assign requested address"), ("nowhere.invalid:4317", "name|resolution")],
)
def test_an_address_that_is_not_this_machines_is_refused_in_one_line(
    protocol: str, address: str, why: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with (
        pytest.raises(ConfigError, match=f"(?i)^{protocol}_address must be free to listen at; {address}: .*({why})"),
        serving(**{f"{protocol}_address": address}),
    ):
        pass
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "0.0.0.0", "[::1]", "[::]"])
def test_an_address_of_this_machine_is_free_until_it_is_listened_at(name: str) -> None:
    with serving(grpc_address="", http_address=f"{name}:0") as served:
        address = parse_address("http_address", served.http)
        with pytest.raises(ConfigError, match="Address already in use"):
            check_free("http_address", address)
    check_free("http_address", address)


def test_an_open_address_without_encryption_or_credentials_is_warned_of(
    tokens: Path, parties: dict[str, Party], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with serving(http_address="0.0.0.0:0"):
        warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert len(warnings) == 1
        assert "can be reached from other machines" in warnings[0]
        assert "tls_certificate" in warnings[0]
        assert "tokens" in warnings[0]
    caplog.clear()
    with serving(**settings(parties, http_address="0.0.0.0:0", tokens=str(tokens))):
        assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(
    ("address", "is_open"),
    [
        ("127.0.0.1:1", False),
        ("127.8.0.1:1", False),
        ("localhost:1", False),
        ("[::1]:1", False),
        ("0.0.0.0:1", True),
        ("[::]:1", True),
        ("10.0.0.1:1", True),
        ("gateway:1", True),
    ],
)
def test_which_addresses_others_can_reach(address: str, is_open: bool) -> None:
    parsed = parse_address("grpc_address", address)
    assert str(parsed) == address
    assert bool(exposure(parsed, encrypted=True, authenticated=False)) is is_open
    assert bool(exposure(parsed, encrypted=False, authenticated=True)) is is_open
    assert exposure(parsed, encrypted=True, authenticated=True) == ""


@pytest.mark.parametrize(
    "address", ["", "host", ":4317", "host:", "host:x", "host:70000", "a@b:1", "host:1/x", "::1:2"]
)
def test_what_is_no_address_is_refused_with_its_value(address: str) -> None:
    with pytest.raises(ConfigError, match="grpc_address must be host:port"):
        parse_address("grpc_address", address)
