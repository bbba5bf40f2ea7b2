"""What can be set about sending: where to, how, and what happens when it does not work."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

from driftmeter.config import Keyed, key
from driftmeter.config._values import duration, integer, one_of, text
from driftmeter.exceptions import ConfigError

PROTOCOLS: Final = ("grpc", "http/protobuf")
COMPRESSIONS: Final = ("none", "gzip")


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderConfig(Keyed):
    """Sizes are in bytes, times in seconds. Empty texts leave it to the ``OTEL_EXPORTER_OTLP_*`` variables."""

    export_endpoint: str = key("", text, "where everything is sent; by OTLP/HTTP, `/v1/<signal>` is appended")
    export_protocol: str = key("", partial(one_of, names=("", *PROTOCOLS)), "grpc or http/protobuf")
    export_headers: str = key("", text, "headers of every request, as in `api-key=secret,x-team=ml`")
    export_compression: str = key("", partial(one_of, names=("", *COMPRESSIONS)), "none or gzip")
    export_certificate: str = key("", text, "path of the authorities (PEM) that the backend's certificate is from")
    export_client_certificate: str = key("", text, "path of the certificate chain (PEM) to show to the backend")
    export_client_key: str = key("", text, "path of that certificate's private key (PEM)")
    export_timeout: float = key(
        0.0, duration, "how long one attempt may take; 0 for the 10 s of OpenTelemetry", least=0, most=3600
    )
    export_requests: int = key(
        1,
        integer,
        "requests of one signal that are on their way at one time; with more than one, their order may be lost",
        least=1,
        most=1000,
    )
    export_batch_bytes: int = key(
        1 << 20, integer, "waiting requests are sent as one up to this size; a larger one is sent alone", least=1
    )
    export_retry_least: float = key(
        1.0, duration, "how long to wait after a first failure; twice as long after each further one", least=0.001
    )
    export_retry_most: float = key(
        30.0, duration, "how long to wait at most, unless the backend says more", least=0.001
    )
    export_give_up: float = key(
        86_400.0, duration, "how long one request is tried before it is dropped, so that it does not block the rest"
    )

    def _check_together(self) -> None:
        if self.export_retry_most < self.export_retry_least:
            raise ConfigError(
                f"export_retry_most must be at least export_retry_least, {self.export_retry_least:g} s; "
                f"got {self.export_retry_most:g} s"
            )
