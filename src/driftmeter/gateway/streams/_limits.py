"""What a gateway takes at most: beyond a bound a point is refused by itself, with a reason, and the rest goes on."""

from __future__ import annotations

from dataclasses import dataclass, fields

from driftmeter.exceptions import ConfigError

_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of requests and of state; times are in nanoseconds.

    Attributes:
        points: Data points of ours in one request.
        attribute_bytes: What a point's attributes take on the wire.
        resource_bytes: What a resource and a scope take on the wire, each.
        streams: Open streams, of all models together.
        models: Models, of all services together; a model's segments count as one with it.
        columns: Columns of one model.
        categories: Names of one column in one step that are kept apart; what comes beyond is counted as `OTHER`.
        open_columns: Columns in all steps that have not been taken yet, of all models together.
        stream_idle: How long a writer without points is remembered.
        ahead: How far in the future a point may lie.
    """

    points: int = 100_000
    attribute_bytes: int = 8192
    resource_bytes: int = 1 << 14
    streams: int = 1_000_000
    models: int = 10_000
    columns: int = 2_000
    categories: int = 2_000
    open_columns: int = 1_000_000
    stream_idle: int = 3600 * _SECOND
    ahead: int = 600 * _SECOND

    def __post_init__(self) -> None:
        for key in fields(self):
            value = getattr(self, key.name)
            if value < 1:
                raise ConfigError(f"{key.name} must be at least 1; got {value!r}")
