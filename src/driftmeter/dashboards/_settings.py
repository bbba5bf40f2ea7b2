"""What dashboards are made from."""

from __future__ import annotations

from dataclasses import dataclass, field

from driftmeter.alerts import segment_attributes
from driftmeter.config import Config
from driftmeter.dashboards._scope import Tag
from driftmeter.exceptions import ConfigError
from driftmeter.prometheus_names import NAMINGS, Naming, label_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What dashboards are made from.

    Attributes:
        config: The configuration that the processor runs on: its segments are told apart from whole models.
        naming: How metrics are named in Prometheus.
        interval: How often processes export, in seconds: rates look back four times as long.
    """

    config: Config = field(default_factory=Config)
    naming: Naming = "otlp"
    interval: float = 60.0

    def __post_init__(self) -> None:
        if self.naming not in NAMINGS:
            raise ConfigError(f"naming must be one of {', '.join(NAMINGS)}; got {self.naming!r}")
        if not self.interval > 0:
            raise ConfigError(f"interval must be above 0; got {self.interval!r}")

    @property
    def segments(self) -> tuple[str, ...]:
        """The attributes that segments are told by."""
        return segment_attributes(self.config)

    @property
    def whole_model(self) -> str:
        """Prometheus' matchers of what is about all rows of a model; at least one, which all series match."""
        return ", ".join(f'{label}=""' for label in ("ml_segment", *map(label_name, self.segments)))

    @property
    def no_segment(self) -> tuple[str, ...]:
        """Datadog's filters of the same."""
        return tuple(Tag(segment, is_not=True).datadog for segment in self.segments)
