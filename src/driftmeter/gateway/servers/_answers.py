"""Each answer in the words of OTLP: a status code, google.rpc.Status, and the response with what was rejected."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from math import ceil
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from google.rpc import code_pb2, status_pb2  # type: ignore[import-untyped]  # it ships no types
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

from driftmeter.gateway._inbound import Accepted, Malformed, Overloaded, Signal, Unavailable

REQUESTS: Final[dict[Signal, type[Message]]] = {
    "metrics": metrics.ExportMetricsServiceRequest,
    "traces": traces.ExportTraceServiceRequest,
    "logs": logs.ExportLogsServiceRequest,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unauthenticated:
    """The sender did not say who it is, or is not known."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TooLarge:
    """The request exceeds a limit, and will the next time."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TooSlow:
    """The request did not arrive in time."""

    reason: str


Refusal = Overloaded | Unavailable | Malformed | Unauthenticated | TooLarge | TooSlow

REQUEST_OUTCOMES: Final[dict[type[Any], str]] = {
    Accepted: "accepted",
    Overloaded: "overloaded",
    Unavailable: "unavailable",
    Malformed: "malformed",
    Unauthenticated: "unauthenticated",
    TooLarge: "too_large",
    TooSlow: "too_slow",
}
"""What each answer is called where answers are counted."""
_LONGEST_REASON: Final = 500
"""Characters: a reason may quote what was sent, and gRPC puts it in a header."""

_CODES: Final[dict[type[Any], tuple[int, HTTPStatus]]] = {
    Overloaded: (code_pb2.RESOURCE_EXHAUSTED, HTTPStatus.TOO_MANY_REQUESTS),
    Unavailable: (code_pb2.UNAVAILABLE, HTTPStatus.SERVICE_UNAVAILABLE),
    Malformed: (code_pb2.INVALID_ARGUMENT, HTTPStatus.BAD_REQUEST),
    Unauthenticated: (code_pb2.UNAUTHENTICATED, HTTPStatus.UNAUTHORIZED),
    # Without RetryInfo, RESOURCE_EXHAUSTED is not tried again.
    TooLarge: (code_pb2.RESOURCE_EXHAUSTED, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    TooSlow: (code_pb2.DEADLINE_EXCEEDED, HTTPStatus.REQUEST_TIMEOUT),
}


class Refused(Exception):  # noqa: N818 - it is an answer, not a failure of ours
    """A request that is refused before the receiver has seen it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


def http_status(refusal: Refusal) -> HTTPStatus:
    """Return the status line's code."""
    return _CODES[type(refusal)][1]


def retry_after(refusal: Refusal) -> float | None:
    """Return after how many seconds the request may be sent again; ``None``: not at all, or when the client likes."""
    return refusal.retry_after if isinstance(refusal, Overloaded | Unavailable) else None


def retry_after_header(seconds: float) -> str:
    """Return a ``Retry-After``, which has whole seconds: rounded up, at least one."""
    return str(max(1, ceil(seconds)))


def retry_info(seconds: float) -> Any:
    """Return a ``google.rpc.RetryInfo``."""
    delay = Duration()
    delay.FromNanoseconds(round(seconds * 1e9))
    return RetryInfo(retry_delay=delay)


def status_of(refusal: Refusal) -> Any:
    """Return the ``google.rpc.Status`` of a refusal, with RetryInfo where it may be sent again."""
    status = status_pb2.Status(code=_CODES[type(refusal)][0], message=refusal.reason[:_LONGEST_REASON])
    seconds = retry_after(refusal)
    if seconds is not None:
        status.details.add().Pack(retry_info(seconds))
    return status


def response_of(signal: Signal, accepted: Accepted) -> Message | None:
    """Return the signal's response when there is something to say in it; ``None`` is the empty one."""
    if not (accepted.rejected or accepted.message):
        return None
    if signal == "metrics":
        return metrics.ExportMetricsServiceResponse(
            partial_success=metrics.ExportMetricsPartialSuccess(
                rejected_data_points=accepted.rejected, error_message=accepted.message
            )
        )
    if signal == "traces":
        return traces.ExportTraceServiceResponse(
            partial_success=traces.ExportTracePartialSuccess(
                rejected_spans=accepted.rejected, error_message=accepted.message
            )
        )
    return logs.ExportLogsServiceResponse(
        partial_success=logs.ExportLogsPartialSuccess(
            rejected_log_records=accepted.rejected, error_message=accepted.message
        )
    )


def as_json(message: Message | None) -> bytes:
    """Return a message in OTLP JSON, on one line."""
    return b"{}" if message is None else MessageToJson(message, indent=None).encode()
