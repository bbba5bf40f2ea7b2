"""What a panel asks, as Prometheus and as Datadog have it, and of which series.

A `Scope` knows the series that a page is about, and writes both questions at once, so that they cannot part. What
Datadog cannot be asked, such as the age of a baseline (no query there has the time of day), is left out there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal

from driftmeter.alerts import APART, quoted, selector, space, tag_value
from driftmeter.prometheus_names import Naming, label_name, metric_name
from driftmeter.semconv import ERROR_TYPE, Metric

WITHIN: Final = "$__rate_interval"
"""Grafana's variable for the range of a `rate`: four export intervals at least."""
SERVICE: Final = "service"
HOST: Final = "host"
"""Datadog's tags for the resource's ``service.name`` and ``host.name``; in Prometheus, ``job`` and ``instance``."""
_LABELS: Final = {SERVICE: "job", HOST: "instance"}
_ALMOST_NOTHING: Final = "0.000001"


@dataclass(frozen=True, slots=True)
class Ask:
    """One question.

    Attributes:
        promql: As Prometheus has it, with Grafana's variables.
        datadog: As Datadog has it: the queries ``{a}``, ``{b}`` of the formula; empty where it cannot be asked.
        formula: What is computed of these.
        unit: The unit of Datadog's answer, where it is not the panel's.
    """

    promql: str
    datadog: tuple[str, ...] = ()
    formula: str = "{a}"
    unit: str = ""

    def above_zero(self) -> Ask:
        """Return the same without the series that are 0."""
        return replace(self, promql=f"{self.promql} > 0", formula=f"cutoff_min({self.formula}, {_ALMOST_NOTHING})")


@dataclass(frozen=True, slots=True)
class Tag:
    """What a series must have: an attribute with a value, or with any; or just not that.

    A value that begins with ``$`` is one of the page's variables.
    """

    attribute: str
    value: str | None = None
    is_not: bool = False

    @property
    def promql(self) -> str:
        """The matcher of a selector."""
        # That it is there is that it is not empty.
        operator = "=" if self.is_not == (self.value is None) else "!="
        return f"{label_of(self.attribute)}{operator}{quoted(self.value or '')}"

    @property
    def datadog(self) -> str:
        """The part of a filter."""
        value = self.value or "*"
        value = f"{value}.value" if value.startswith("$") else value if value == "*" else tag_value(value)
        return f"{'NOT ' if self.is_not else ''}{tag_value(self.attribute)}:{value}"


@dataclass(frozen=True, slots=True)
class Scope:
    """Asks of the series that a page is about.

    Attributes:
        naming: How metrics are named in Prometheus.
        matchers: What all its series match there.
        filters: Likewise in Datadog.
    """

    naming: Naming
    matchers: tuple[str, ...]
    filters: tuple[str, ...]

    def within(self, *matchers: str, filters: Iterable[str] = ()) -> Scope:
        """Return the part of it that matches these too."""
        return Scope(self.naming, (*self.matchers, *matchers), (*self.filters, *filters))

    def of(self, metric: Metric, *tags: Tag, suffix: str = "") -> str:
        """Return Prometheus' selector of a metric, or of a histogram's series with a suffix."""
        return selector(f"{metric_name(metric, self.naming)}{suffix}", *self.matchers, *(tag.promql for tag in tags))

    def tagged(self, aggregate: str, metric: Metric, *tags: Tag, by: Iterable[str] = ()) -> str:
        """Return Datadog's query of a metric; the aggregate is over replicas and all that `by` does not name."""
        filters = " AND ".join((*self.filters, *(tag.datadog for tag in tags)))
        return space(f"{aggregate}:{metric.name}", filters or "*", by=by)

    def level(self, metric: Metric, *tags: Tag, by: Iterable[str], over: Literal["max", "sum", "avg"] = "max") -> Ask:
        """Ask how high a gauge is; several replicas say the same, so the most counts."""
        by = tuple(by)
        return Ask(f"{over} by ({_labels(by)}) ({self.of(metric, *tags)})", (self.tagged(over, metric, *tags, by=by),))

    def latest(self, metric: Metric, *tags: Tag) -> Ask:
        """Ask what is said of a metric, whichever replicas say it: each signal once."""
        return Ask(f"max {APART} ({self.of(metric, *tags)})", (self.tagged("max", metric, *tags),))

    def number_of(self, verdict: Metric, *, by: Iterable[str]) -> Ask:
        """Ask how many verdicts are 1; `by` tells them apart."""
        told = self.tagged("max", verdict, by=by)
        return Ask(f"sum ({self.latest(verdict).promql})", (told,), "count_nonzero({a})")

    def rate(self, metric: Metric, *tags: Tag, by: Iterable[str] = ()) -> Ask:
        """Ask how fast a counter grows, all replicas together."""
        by = tuple(by)
        return Ask(self.grows(metric, *tags, by=by), (f"{self.tagged('sum', metric, *tags, by=by)}.as_rate()",))

    def fastest(self, metric: Metric, *, by: Iterable[str]) -> Ask:
        """Ask how fast a counter grows that several processes tell of, each as a whole."""
        by = tuple(by)
        promql = f"max by ({_labels(by)}) (rate({self.of(metric)}[{WITHIN}]))"
        return Ask(promql, (f"{self.tagged('max', metric, by=by)}.as_rate()",))

    def calls(self, metric: Metric, *tags: Tag, by: Iterable[str] = ()) -> Ask:
        """Ask how fast a histogram's count grows."""
        by = tuple(by)
        return Ask(
            self.grows(metric, *tags, by=by, suffix="_count"),
            (f"{self.tagged('count', metric, *tags, by=by)}.as_rate()",),
        )

    def grows(self, metric: Metric, *tags: Tag, by: Iterable[str] = (), suffix: str = "") -> str:
        """Return PromQL for how fast a counter or histogram grows."""
        labels = _labels(by)
        grouped = f"sum by ({labels})" if labels else "sum"
        return f"{grouped} (rate({self.of(metric, *tags, suffix=suffix)}[{WITHIN}]))"

    def quantile(self, q: float, metric: Metric, *tags: Tag, by: Iterable[str] = (), histogram: str = "") -> Ask:
        """Ask for a quantile of a histogram.

        Args:
            q: Which one.
            metric: The histogram.
            *tags: Of which series.
            by: What tells the quantiles apart.
            histogram: PromQL for the histogram's growth; by default it is one with explicit buckets.
        """
        grows = histogram or self.grows(metric, *tags, by=("le", *by), suffix="_bucket")
        return Ask(f"histogram_quantile({q:g}, {grows})", (self.tagged(f"p{100 * q:g}", metric, *tags, by=by),))

    def failing(self, metric: Metric, *, by: Iterable[str] = ()) -> Ask:
        """Ask for the share of calls that fail; 0 where none ever did."""
        by, raised = tuple(by), Tag(ERROR_TYPE)
        failed = self.grows(metric, raised, by=by, suffix="_count")
        every = self.grows(metric, by=by, suffix="_count")
        counted = (f"{self.tagged('count', metric, *tags, by=by)}.as_count()" for tags in ((raised,), ()))
        return Ask(f"({failed} or {every} * 0) / {every}", tuple(counted), "default_zero({a}) / {b}")


def label_of(attribute: str) -> str:
    """Return the label that an attribute, or one of Datadog's own tags, is in Prometheus."""
    return _LABELS.get(attribute) or label_name(attribute)


def _labels(by: Iterable[str]) -> str:
    return ", ".join(map(label_of, by))
