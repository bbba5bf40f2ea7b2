"""Between the servers and what takes their requests: bytes in, one of four answers out.

A server has done all that needs no look into the request: the sender is known, the body is complete, decompressed and
within its limits. It says each answer in the words of its protocol.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Protocol

Signal = Literal["metrics", "traces", "logs"]
SIGNALS: Final[tuple[Signal, ...]] = ("metrics", "traces", "logs")
METHODS: Final[dict[Signal, str]] = {
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}
"""The methods of OTLP/gRPC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What was sent is safe: it is durable, and the sender may forget it. OK, or 200.

    Attributes:
        rejected: Data points, spans or log records that are not taken and should not be sent again.
        message: Why they are not; with none rejected, a warning to the sender's operator.
    """

    rejected: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overloaded:
    """Nothing was taken; send it again after a while. RESOURCE_EXHAUSTED with RetryInfo, or 429 with Retry-After.

    Attributes:
        reason: What there is too much of.
        retry_after: Seconds.
    """

    reason: str
    retry_after: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unavailable:
    """Nothing was taken, and it is not the sender's doing: a full disk, a drain. UNAVAILABLE, or 503.

    Attributes:
        reason: What does not work.
        retry_after: Seconds.
    """

    reason: str
    retry_after: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """The body is no request that can be read, now or ever. INVALID_ARGUMENT, or 400."""

    reason: str


Answer = Accepted | Overloaded | Unavailable | Malformed


class Receiver(Protocol):
    """What takes the requests of all servers, on their event loop."""

    async def receive(self, signal: Signal, body: bytes) -> Answer:
        """Take one OTLP request and return once its answer is certain.

        It is never cancelled, even when the client has gone. What it raises is answered as UNAVAILABLE, or 503.

        Args:
            signal: Which of the three services was called.
            body: The request as protobuf, decompressed, not parsed.
        """
        ...

    def trouble(self) -> str:
        """Return why requests are refused at present, for ``/readyz``; empty when they are taken."""
        ...
