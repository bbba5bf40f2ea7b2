"""OTLP requests with the parts that a point has many of left in their wire form.

protobuf makes an object of each attribute and eight bytes of each bucket count. Most attributes of a request are the
same ones again and again, and bucket counts are quicker read by numpy. So a request is parsed by a copy of OTLP's own
description in which both are ``bytes``: that takes a twentieth of the time, and a seventh of the memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final, TypeAlias

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError as ProtobufDecodeError
from google.protobuf.message_factory import GetMessageClass
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.resource.v1 import resource_pb2

from driftmeter.exceptions import DecodeError

Request: TypeAlias = ExportMetricsServiceRequest | bytes
"""A request, or its wire form, which is read the faster."""

_UNREAD: Final = (
    "ResourceMetrics.resource",
    "ExponentialHistogramDataPoint.attributes",
    "ExponentialHistogramDataPoint.positive",
    "ExponentialHistogramDataPoint.negative",
    "NumberDataPoint.attributes",
)
REQUEST: Final = "opentelemetry.proto.metrics.v1.MetricsData"
"""It has the fields of an ExportMetricsServiceRequest."""


@cache
def slim(name: str, unread: tuple[str, ...]) -> Any:
    """Return the class of an OTLP message, in which some fields, such as ``Metric.sum``, are ``bytes``."""
    pool = DescriptorPool()
    for module in (common_pb2, resource_pb2, metrics_pb2):
        file = FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        for message in file.message_type:
            for field in message.field:
                if f"{message.name}.{field.name}" in unread:
                    field.type = FieldDescriptorProto.TYPE_BYTES
                    field.ClearField("type_name")
        pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName(name))


def parse(kind: Any, wire: bytes) -> Any:
    """Return a protobuf message of a class.

    Raises:
        DecodeError: It is none.
    """
    try:
        return kind.FromString(wire)
    except ProtobufDecodeError as error:
        raise DecodeError(f"it is not OTLP protobuf: {error}") from None


def metrics_in(request: Request) -> Iterator[tuple[bytes, Any]]:
    """Return the metrics in a request, each after its resource, whose points' attributes and buckets are ``bytes``."""
    wire = request if isinstance(request, bytes) else request.SerializeToString()
    for resource_metrics in parse(slim(REQUEST, _UNREAD), wire).resource_metrics:
        for scope_metrics in resource_metrics.scope_metrics:
            for metric in scope_metrics.metrics:
                yield resource_metrics.resource, metric
