"""What dashboards are made from, and how their queries choose series."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from driftmeter.alerts import APART, selector
from driftmeter.config import Config
from driftmeter.exceptions import ConfigError
from driftmeter.prometheus_names import NAMINGS, Naming, label_name, metric_name
from driftmeter.semconv import ML_SEGMENT, Metric

WITHIN: Final = "$__rate_interval"
"""Grafana's variable for the range of a `rate`: four export intervals at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What dashboards are made from.

    Attributes:
        config: The configuration that the processor runs on: its segments are told apart from whole models.
        naming: How metrics are named in the data source.
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
    def whole_model(self) -> str:
        """The matchers of what is about all rows of a model; at least one, which all series match."""
        columns = set(self.config.segments)
        for own in self.config.models.values():
            columns |= set(own.segments or ())
        labels = ["ml_segment", *(label_name(ML_SEGMENT + column) for column in sorted(columns))]
        return ", ".join(f'{label}=""' for label in labels)


@dataclass(frozen=True, slots=True)
class Scope:
    """Writes selectors of the series that a page is about.

    Attributes:
        naming: How metrics are named.
        matchers: What all its series match.
    """

    naming: Naming
    matchers: tuple[str, ...]

    def within(self, *matchers: str) -> Scope:
        """Return the part of it that matches these too."""
        return Scope(self.naming, (*self.matchers, *matchers))

    def of(self, metric: Metric, *matchers: str, suffix: str = "") -> str:
        """Return the selector of a metric, or of a histogram's series with a suffix."""
        return selector(f"{metric_name(metric, self.naming)}{suffix}", *self.matchers, *matchers)

    def any_of(self, metrics: Iterable[Metric]) -> str:
        """Return the selector of several metrics at once."""
        names = "|".join(metric_name(metric, self.naming) for metric in metrics)
        return selector("", f'__name__=~"{names}"', *self.matchers)

    def latest(self, metric: Metric, *matchers: str) -> str:
        """Return what is said of a metric, whichever replicas say it: each signal once."""
        return f"max {APART} ({self.of(metric, *matchers)})"

    def rate(self, metric: Metric, *matchers: str, by: str = "", suffix: str = "") -> str:
        """Return how fast a counter or histogram grows, all replicas together."""
        grouped = f"sum by ({by})" if by else "sum"
        return f"{grouped} (rate({self.of(metric, *matchers, suffix=suffix)}[{WITHIN}]))"


def quantile(q: float, scope: Scope, metric: Metric, *, by: str = "") -> str:
    """Return a quantile of a histogram with explicit buckets."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({q:g}, {scope.rate(metric, by=labels, suffix='_bucket')})"


def failing(scope: Scope, metric: Metric, *, by: str = "") -> str:
    """Return the share of calls that fail; 0 where none ever did."""
    failed, all_calls = (scope.rate(metric, matcher, by=by, suffix="_count") for matcher in ('error_type!=""', ""))
    return f"({failed} or {all_calls} * 0) / {all_calls}"
