"""What alerts are made from: the configuration of the processor, and what that does not know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from driftmeter import semconv
from driftmeter.config import Config
from driftmeter.exceptions import ConfigError
from driftmeter.prometheus_names import NAMINGS, Naming

RUNBOOKS: Final = "https://github.com/driftmeter/driftmeter/blob/main/docs/runbooks.md"
DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the rules are made from.

    Attributes:
        config: The configuration that the processor runs on.
        naming: How metrics are named where the rules are evaluated.
        labels: Labels of every alert, to route it by.
        runbooks: The page that has a section for each alert.
        error_budget: The share of calls that may fail.
        latency: What call is slow, in seconds: one of the bounds of ``ml.prediction.duration``.
        latency_budget: The share of calls that may be slow.
        period: What time the budgets are for, in seconds.
        stale_after: The age at which a baseline is old, in seconds.
        worse: By how much, as a share, performance may fall behind that of the week before.
        gpu_memory: The share of a GPU's memory that may be in use.
        gpu_temperature: How warm a GPU may be, in degrees Celsius.
    """

    config: Config = field(default_factory=Config)
    naming: Naming = "otlp"
    labels: Mapping[str, str] = field(default_factory=dict)
    runbooks: str = RUNBOOKS
    error_budget: float = 0.001
    latency: float = 1.0
    latency_budget: float = 0.01
    period: float = 30 * DAY
    stale_after: float = 90 * DAY
    worse: float = 0.1
    gpu_memory: float = 0.95
    gpu_temperature: float = 87.0

    def __post_init__(self) -> None:
        if self.naming not in NAMINGS:
            raise ConfigError(f"naming must be one of {', '.join(NAMINGS)}; got {self.naming!r}")
        for name in ("error_budget", "latency_budget", "worse", "gpu_memory"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"{name} must be between 0 and 1; got {getattr(self, name)!r}")
        for name in ("period", "stale_after"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be above 0; got {getattr(self, name)!r}")
        if self.latency not in semconv.DURATION_BUCKETS:
            bounds = ", ".join(f"{bound:g}" for bound in semconv.DURATION_BUCKETS)
            raise ConfigError(
                f"latency must be a bound of {semconv.PREDICTION_DURATION.name}, in seconds one of {bounds}; "
                f"got {self.latency:g}"
            )
        for name in self.labels:
            if not name.isidentifier() or not name.isascii():
                raise ConfigError(f"a label's name must have letters, digits and underscores alone; got {name!r}")

    @property
    def segments(self) -> tuple[str, ...]:
        """The attributes that segments are told by."""
        return segment_attributes(self.config)

    @property
    def hold(self) -> float:
        """How long, in seconds, a verdict must be 1 before it alerts: two looks, or a tenth of a tumbling window.

        A verdict is steady already; this lets a single look that is taken back pass.
        """
        return min(2 * self.config.step, self.config.window / 10)

    @property
    def linger(self) -> float:
        """How long an alert goes on after its verdict is gone, in seconds: a collection that fails does not end it."""
        return 3 * max(self.config.step, 1.0) if self.config.step < self.config.window else self.config.step / 4

    @property
    def tick(self) -> float:
        """How often rules are evaluated, in seconds: with each step, and at least once a minute."""
        return max(1.0, min(self.config.step, 60.0))

    @property
    def beat(self) -> float:
        """How far samples of examples lie apart, in seconds: further in long windows, within Prometheus' look-back."""
        return max(self.tick, min(self.config.window / 60, 240.0))

    @property
    def look_back(self) -> float:
        """How long a model that stopped is remembered, in seconds."""
        return max(DAY, 2 * self.config.window)


def segment_attributes(config: Config) -> tuple[str, ...]:
    """Return the attributes that segments of any model are told by."""
    columns = set(config.segments)
    for own in config.models.values():
        columns |= set(own.segments or ())
    return tuple(semconv.ML_SEGMENT + column for column in sorted(columns))
