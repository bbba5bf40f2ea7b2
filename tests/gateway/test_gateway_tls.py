"""TLS in both directions: who is served, who is trusted, and certificates that are replaced meanwhile."""

from __future__ import annotations

import ssl
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

import grpc
import pytest
from gateway_parties import Party, settings
from gateway_sending import sending
from gateway_serving import Serving, eventually, serving
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from driftmeter.gateway import _watched
from driftmeter.gateway._inbound import METHODS
from driftmeter.gateway.sender._target import Target

REQUEST = b"\x0a\x00"
PROTOCOLS = ("grpc", "http")


def send(served: Serving, protocol: str, *, trust: Party, show: Party | None = None) -> None:
    """Send one request over TLS; raise when it is not taken."""
    if protocol == "grpc":
        credentials = grpc.ssl_channel_credentials(
            Path(trust.authority).read_bytes(),
            Path(show.key).read_bytes() if show else None,
            Path(show.certificate).read_bytes() if show else None,
        )
        with grpc.secure_channel(served.grpc, credentials) as channel:
            channel.unary_unary(METHODS["metrics"])(REQUEST, timeout=10)
        return
    context = ssl.create_default_context(cafile=trust.authority)
    if show:
        context.load_cert_chain(show.certificate, show.key)
    connection = HTTPSConnection(served.http, context=context, timeout=10)
    connection.request("POST", "/v1/metrics", REQUEST, {"Content-Type": "application/x-protobuf"})
    assert connection.getresponse().status == 200


REFUSALS = (grpc.RpcError, OSError)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_over_tls_the_sdks_exporters_are_served_and_others_are_not(
    parties: dict[str, Party], protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # requests, with which OTLP/HTTP is exported, takes these before what it is given.
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(variable, raising=False)
    with serving(**settings(parties)) as served:
        if protocol == "grpc":
            roots = grpc.ssl_channel_credentials(Path(parties["server"].authority).read_bytes())
            exporter: Any = GrpcSpans(endpoint=f"https://{served.grpc}", credentials=roots, timeout=10)
        else:
            exporter = HttpSpans(
                endpoint=f"https://{served.http}/v1/traces",
                certificate_file=parties["server"].authority,
                timeout=10,
            )
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(exporter))
        tracers.get_tracer("t").start_span("predict").end()
        tracers.shutdown()
        assert served.inbox.last().resource_spans[0].scope_spans[0].spans[0].name == "predict"

        with pytest.raises(REFUSALS), grpc.insecure_channel(served.grpc) as channel:
            channel.unary_unary(METHODS["metrics"])(REQUEST, timeout=1)
        plain = HTTPConnection(served.http, timeout=10)
        plain.request("GET", "/healthz")
        with pytest.raises((OSError, HTTPException)):
            plain.getresponse()
        assert len(served.inbox.taken) == 1
        send(served, protocol, trust=parties["server"])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_with_client_authorities_only_their_certificates_are_taken(parties: dict[str, Party], protocol: str) -> None:
    with serving(**settings(parties, tls_client_ca=parties["client"].authority)) as served:
        with pytest.raises(REFUSALS):
            send(served, protocol, trust=parties["server"])
        with pytest.raises(REFUSALS):
            send(served, protocol, trust=parties["server"], show=parties["stranger"])
        assert served.inbox.taken == []
        send(served, protocol, trust=parties["server"], show=parties["client"])
        assert len(served.inbox.taken) == 1


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_the_sender_speaks_tls_and_shows_its_certificate(parties: dict[str, Party], protocol: str) -> None:
    with serving(**settings(parties, tls_client_ca=parties["client"].authority)) as served:
        ours = {
            "signal": "metrics",
            "protocol": protocol,
            "endpoint": f"https://{served.grpc}" if protocol == "grpc" else f"https://{served.http}/v1/metrics",
            "certificate": parties["server"].authority,
            "client_certificate": parties["client"].certificate,
            "client_key": parties["client"].key,
        }
        with sending({"metrics": Target(**ours)}) as made:
            made.put("metrics", REQUEST)
            made.all_settled()
        assert served.inbox.taken == [("metrics", REQUEST)]
        with sending({"metrics": Target(**ours | {"client_certificate": "", "client_key": ""})}) as made:
            made.put("metrics", REQUEST)
            assert made.stop(2) is False, "a handshake that fails may work when the certificate was renewed"
        with sending({"metrics": Target(**ours | {"certificate": parties["stranger"].authority})}) as made:
            made.put("metrics", REQUEST)
            assert made.stop(2) is False
        assert len(served.inbox.taken) == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_certificate_that_is_replaced_is_used_by_the_next_connection(
    parties: dict[str, Party],
    protocol: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(_watched, "LOOK_AGAIN", 0.0)
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"

    def install(party: Party) -> None:
        key.write_bytes(Path(party.key).read_bytes())
        certificate.write_bytes(Path(party.certificate).read_bytes())

    install(parties["server"])
    with serving(tls_certificate=str(certificate), tls_key=str(key)) as served:
        send(served, protocol, trust=parties["server"])
        install(parties["client"])
        send(served, protocol, trust=parties["client"])
        with pytest.raises(REFUSALS):
            send(served, protocol, trust=parties["server"])
        key.write_text("no key")
        send(served, protocol, trust=parties["client"])
        assert "the certificates stay as they were" in caplog.text


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_certificate_of_the_sender_that_is_replaced_is_shown_from_then_on(
    parties: dict[str, Party], protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_watched, "LOOK_AGAIN", 0.0)
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"

    def install(party: Party) -> None:
        key.write_bytes(Path(party.key).read_bytes())
        certificate.write_bytes(Path(party.certificate).read_bytes())

    install(parties["stranger"])
    with serving(**settings(parties, tls_client_ca=parties["client"].authority)) as served:
        target = Target(
            signal="metrics",
            protocol=protocol,
            endpoint=f"https://{served.grpc}" if protocol == "grpc" else f"https://{served.http}/v1/metrics",
            certificate=parties["server"].authority,
            client_certificate=str(certificate),
            client_key=str(key),
        )
        with sending({"metrics": target}) as made:
            made.put("metrics", REQUEST)
            eventually(lambda: made.sender.counts["metrics"].retries)
            install(parties["client"])
            made.all_settled()
        assert served.inbox.taken == [("metrics", REQUEST)]
