"""Where points come from: a resource and a scope, read once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from driftmeter import otlp, semconv
from driftmeter.gateway.streams._identity import Service

_BASELINE: Final = frozenset({semconv.ML_BASELINE_KIND, semconv.ML_BASELINE_BLOCK})
"""Attributes of a scope that holds a baseline, or a block of one."""
_KEPT_BYTES: Final = 64 << 20
"""Origins that are remembered; a fleet of more is read anew, which costs time alone."""
_ENTRY_BYTES: Final = 4000
"""What a remembered origin takes beside its bytes, roughly."""
_UNKNOWN: Final = "unknown_service"
_KEY_BYTES: Final = 16


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """A resource and a scope.

    Attributes:
        key: Stands for both, whatever the order of their attributes.
        service: Whose resource it is.
        resource: Its attributes, but for those that are about one replica: what a service says must not change its
            name with the replicas that there happen to be.
        is_baseline: Whether what comes from here is a baseline.
        is_too_large: Whether it is beyond the limit, so that its points are refused.
    """

    key: bytes
    service: Service
    resource: Mapping[str, Any]
    is_baseline: bool
    is_too_large: bool


@dataclass(slots=True)
class Origins:
    """Reads origins, of at most ``limit`` bytes for each of the two, and remembers them."""

    limit: int
    size: int = 0
    known: dict[tuple[bytes, bytes], Origin] = field(default_factory=dict)

    def of(self, resource: bytes, scope: bytes) -> Origin:
        """Return the origin that a resource and a scope in wire form tell of.

        Raises:
            DecodeError: They are no such messages.
        """
        origin = self.known.get((resource, scope))
        if origin is None:
            too_large = max(len(resource), len(scope)) > self.limit
            origin = _read(resource, scope, is_too_large=too_large)
            if not too_large:
                self.size += 4 * (len(resource) + len(scope)) + _ENTRY_BYTES
                if self.size > _KEPT_BYTES:
                    self.known.clear()
                    self.size = 0
                self.known[resource, scope] = origin
        return origin


def _read(resource: bytes, scope: bytes, *, is_too_large: bool) -> Origin:
    told = otlp.parse(Resource, resource)
    named = otlp.parse(InstrumentationScope, scope)
    attributes = dict(map(otlp.key_and_value, told.attributes))
    parts = [_sorted(told), named.name.encode(), named.version.encode(), _sorted(named)]
    return Origin(
        key=blake2b(_joined(parts), digest_size=_KEY_BYTES).digest(),
        service=_service(attributes),
        resource={name: value for name, value in attributes.items() if not name.startswith(semconv.OF_ONE_REPLICA)},
        is_baseline=any(pair.key in _BASELINE for pair in named.attributes),
        is_too_large=is_too_large,
    )


def _sorted(message: Any) -> bytes:
    return _joined(sorted(pair.SerializeToString(deterministic=True) for pair in message.attributes))


def _joined(parts: Iterable[bytes]) -> bytes:
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


def _service(attributes: Mapping[str, Any]) -> Service:
    environments = (attributes.get(name, "") for name in semconv.DEPLOYMENT_ENVIRONMENTS)
    return Service(
        str(attributes.get(semconv.SERVICE_NAMESPACE, "")),
        str(attributes.get(semconv.SERVICE_NAME) or _UNKNOWN),
        str(next(filter(None, environments), "")),
    )
