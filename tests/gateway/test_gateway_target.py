"""Where things are sent: the configuration's keys, and the variables of every OTLP exporter."""

from __future__ import annotations

import pytest

from driftmeter import ConfigError
from driftmeter.gateway._addresses import Address
from driftmeter.gateway.sender._sender_config import SenderConfig
from driftmeter.gateway.sender._target import Target, targets

COMMON = "OTEL_EXPORTER_OTLP_"


def test_without_an_endpoint_nothing_is_sent() -> None:
    assert targets(SenderConfig(), {f"{COMMON}PROTOCOL": "grpc", f"{COMMON}ENDPOINT": " "}) == {}


def test_the_common_endpoint_serves_every_signal_and_gets_its_path_over_http() -> None:
    variables = {f"{COMMON}ENDPOINT": "http://collector:4318/", f"{COMMON}PROTOCOL": "http/protobuf"}
    assert {signal: target.endpoint for signal, target in targets(SenderConfig(), variables).items()} == {
        signal: f"http://collector:4318/v1/{signal}" for signal in ("metrics", "traces", "logs")
    }
    variables[f"{COMMON}PROTOCOL"] = "grpc"
    assert {target.endpoint for target in targets(SenderConfig(), variables).values()} == {"http://collector:4318/"}


def test_a_signals_own_variables_win_and_its_endpoint_is_used_as_it_is() -> None:
    variables = {
        f"{COMMON}ENDPOINT": "http://collector:4317",
        f"{COMMON}HEADERS": "api-key=abc,x-team=ml%20ops",
        f"{COMMON}TIMEOUT": "3",
        f"{COMMON}COMPRESSION": "gzip",
        f"{COMMON}METRICS_ENDPOINT": "http://metrics:9/push",
        f"{COMMON}METRICS_PROTOCOL": "http/protobuf",
        f"{COMMON}METRICS_HEADERS": "api-key=def",
        f"{COMMON}METRICS_COMPRESSION": "none",
        f"{COMMON}METRICS_TIMEOUT": "4",
    }
    found = targets(SenderConfig(), variables)
    assert found["metrics"] == Target(
        signal="metrics",
        endpoint="http://metrics:9/push",
        protocol="http/protobuf",
        headers={"api-key": "def"},
        timeout=4.0,
    )
    assert found["logs"] == Target(
        signal="logs",
        endpoint="http://collector:4317",
        headers={"api-key": "abc", "x-team": "ml ops"},
        compression="gzip",
        timeout=3.0,
    )


def test_one_signal_may_be_the_only_one_that_is_sent() -> None:
    assert set(targets(SenderConfig(), {f"{COMMON}LOGS_ENDPOINT": "http://logs:4317"})) == {"logs"}


def test_keys_of_the_configuration_win_over_variables() -> None:
    config = SenderConfig(
        export_endpoint="https://backend/otlp",
        export_protocol="http/protobuf",
        export_headers="authorization=Bearer%20abc",
        export_compression="gzip",
        export_timeout=2,
        export_certificate="ca.pem",
        export_client_certificate="client.pem",
        export_client_key="client.key",
    )
    names = ("ENDPOINT", "PROTOCOL", "HEADERS", "COMPRESSION", "TIMEOUT", "CERTIFICATE", "CLIENT_KEY", "LOGS_ENDPOINT")
    assert targets(config, {f"{COMMON}{name}": "99" for name in names})["logs"] == Target(
        signal="logs",
        endpoint="https://backend/otlp/v1/logs",
        protocol="http/protobuf",
        headers={"authorization": "Bearer abc"},
        compression="gzip",
        certificate="ca.pem",
        client_certificate="client.pem",
        client_key="client.key",
        timeout=2.0,
    )


def test_secrets_are_not_in_a_targets_repr() -> None:
    target = Target(
        signal="logs",
        endpoint="https://b:1",
        headers={"api-key": "hush"},
        client_certificate="c",
        client_key="quiet.pem",
    )
    assert "hush" not in repr(target)
    assert "quiet" not in repr(target)


@pytest.mark.parametrize(
    ("endpoint", "insecure", "secure", "address"),
    [
        ("http://collector:4317", False, False, "collector:4317"),
        ("https://collector", True, True, "collector:4317"),
        ("collector:4317", False, True, "collector:4317"),
        ("collector:4317", True, False, "collector:4317"),
        ("http://[::1]:55", False, False, "[::1]:55"),
    ],
)
def test_the_scheme_says_whether_tls_is_spoken_and_without_one_insecure_does(
    endpoint: str, insecure: bool, secure: bool, address: str
) -> None:
    variables = {f"{COMMON}ENDPOINT": endpoint, f"{COMMON}INSECURE": str(insecure)}
    target = targets(SenderConfig(), variables)["metrics"]
    assert (target.secure, str(target.host_and_port)) == (secure, address)


def test_http_has_its_own_usual_ports() -> None:
    for endpoint, port in (("http://b/v1/logs", 80), ("https://b/v1/logs", 443)):
        assert Target(signal="logs", endpoint=endpoint, protocol="http/protobuf").host_and_port.port == port


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PROTOCOL", "http/json"),
        ("COMPRESSION", "zstd"),
        ("TIMEOUT", "soon"),
        ("TIMEOUT", "-1"),
        ("ENDPOINT", "ftp://collector"),
        ("ENDPOINT", "http://"),
        ("ENDPOINT", "http://collector:x"),
        ("ENDPOINT", "http://[::1"),
    ],
)
def test_a_wrong_variable_is_named_with_its_value(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=rf"{COMMON}{name} must be .*{value.replace('[', '.')}"):
        targets(SenderConfig(), {f"{COMMON}ENDPOINT": "http://collector:4317", f"{COMMON}{name}": value})


def test_over_http_an_endpoint_needs_a_scheme() -> None:
    with pytest.raises(ConfigError, match="ENDPOINT must be an address such as http://collector:4318"):
        Target(signal="logs", endpoint="collector:4318", protocol="http/protobuf")


def test_a_client_certificate_needs_its_key() -> None:
    with pytest.raises(ConfigError, match=r"CLIENT_CERTIFICATE and .*CLIENT_KEY must be given together"):
        Target(signal="logs", endpoint="https://b:1", client_certificate="c.pem")


def test_the_longest_pause_is_not_shorter_than_the_first() -> None:
    with pytest.raises(ConfigError, match="export_retry_most must be at least export_retry_least, 5 s; got 2 s"):
        SenderConfig(export_retry_least=5, export_retry_most=2)


@pytest.mark.parametrize(
    ("endpoint", "host", "port", "loops"),
    [
        ("http://localhost:4317", "127.0.0.1", 4317, True),
        ("http://127.0.0.1:4317", "0.0.0.0", 4317, True),
        ("http://[::1]:4317", "::", 4317, True),
        ("http://gateway:4317", "gateway", 4317, True),
        ("http://localhost:4318", "127.0.0.1", 4317, False),
        ("http://collector:4317", "127.0.0.1", 4317, False),
        ("http://collector:4317", "0.0.0.0", 4317, False),
    ],
)
def test_a_target_that_is_the_gateway_itself_is_known(endpoint: str, host: str, port: int, loops: bool) -> None:
    assert Target(signal="metrics", endpoint=endpoint).reaches(Address(host, port)) is loops
