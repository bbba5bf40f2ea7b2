"""One attempt at sending a request, and what may come of it; which failures may pass is OTLP's to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from driftmeter.gateway._inbound import Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The backend has it.

    Attributes:
        rejected: Data points, spans or log records that the backend did not take.
        message: Why; with none rejected, a warning.
    """

    rejected: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passing:
    """It did not work, and may the next time.

    Attributes:
        reason: What did not work.
        after: Seconds that the backend asks to wait, if it does.
    """

    reason: str
    after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lasting:
    """It did not work, and the same request never will.

    Attributes:
        reason: What did not work.
        whatever: Whether that is so for any request, as with credentials that are not taken.
    """

    reason: str
    whatever: bool = False


Outcome = Sent | Passing | Lasting


class Transport(Protocol):
    """Sends requests of one signal to one target."""

    async def send(self, body: bytes) -> Outcome:
        """Try once."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


def read_response(signal: Signal, body: bytes) -> Sent:
    """Return what a response says was rejected; one that cannot be read says nothing."""
    try:
        if signal == "metrics":
            metrics = ExportMetricsServiceResponse.FromString(body).partial_success
            return Sent(rejected=metrics.rejected_data_points, message=metrics.error_message)
        if signal == "traces":
            spans = ExportTraceServiceResponse.FromString(body).partial_success
            return Sent(rejected=spans.rejected_spans, message=spans.error_message)
        logs = ExportLogsServiceResponse.FromString(body).partial_success
        return Sent(rejected=logs.rejected_log_records, message=logs.error_message)
    except DecodeError:
        return Sent()


def first_line(text: str) -> str:
    """Return a text's first line, of a length that a log can bear."""
    return (text.strip().splitlines() or [""])[0][:300]
