"""What recording rules are made from, and the names and labels that they share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from driftmeter.alerts._text import duration_text, number, quoted, selector
from driftmeter.baseline import Baseline
from driftmeter.config import Config, ModelConfig
from driftmeter.exceptions import ConfigError
from driftmeter.prometheus_names import Naming, label_name
from driftmeter.schema import Column
from driftmeter.semconv import ML_SEGMENT

IDS: Final = "job, ml_model_name, ml_model_version, ml_column_name, ml_column_role"
"""The labels that tell columns apart. Replicas, segments and parts of sketches are not among them."""
BASELINE: Final = "ml_baseline_kind, ml_baseline_id"
LABELS: Final = f"{IDS}, {BASELINE}"
"""The labels of everything that is recorded."""

VALUE: Final = "driftmeter:column_value:window"
BINS: Final = "driftmeter:column_bins:window"
CATEGORIES: Final = "driftmeter:column_categories:window"
ROWS: Final = "driftmeter:column_rows:window"
SHARE: Final = "driftmeter:column_bin:share"
BASELINE_SHARE: Final = "driftmeter:baseline_bin:share"
BASELINE_ROWS: Final = "driftmeter:baseline_rows"
DISTANCE: Final = "driftmeter:column_distance"

MAX_SCALE: Final = 8
"""The finest native histogram that Prometheus holds: finer ones lose scales as they come."""

_FEW: Final = 8

Source: TypeAlias = Literal["auto", "bins"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One recording rule; it has the labels of the baseline, and these."""

    record: str
    expr: str
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What the rules are made from.

    Attributes:
        baseline: What windows are compared with.
        config: The configuration that the processor runs on.
        naming: How metrics are named where the rules are evaluated.
        interval: How often processes export, in seconds: a reset between two exports is looked for as well.
        least_rows: Windows with fewer rows give no value; None: with fewer than the finest bins need.
        source: ``bins`` to use explicit-bucket histograms of all numeric columns; ``auto`` where the bins of one are
            finer than native histograms.
    """

    baseline: Baseline
    config: Config = field(default_factory=Config)
    naming: Naming = "otlp"
    interval: float = 60.0
    least_rows: int | None = None
    source: Source = "auto"

    def __post_init__(self) -> None:
        if not self.interval > 0:
            raise ConfigError(f"interval must be above 0; got {self.interval!r}")
        if self.least_rows is not None and self.least_rows < 1:
            raise ConfigError(f"least_rows must be at least 1; got {self.least_rows}")

    @property
    def own(self) -> ModelConfig:
        """The configuration of the model."""
        return self.config.of_model(self.baseline.model.name)

    @property
    def min_rows(self) -> int:
        """Windows with fewer rows give no verdict either."""
        return self.config.min_rows if self.own.min_rows is None else self.own.min_rows

    @property
    def labels(self) -> dict[str, str]:
        """The labels that tell this baseline from others."""
        return {"ml_baseline_kind": self.baseline.kind, "ml_baseline_id": self.baseline.id}

    def added(self, series: str, *matchers: str, by: str) -> str:
        """Return what a window added to counters or histograms of the model, all replicas together.

        That is the difference of two totals that are a window apart: between samples, `rate` guesses. Where a total
        began anew in between, it knows better; where the series did (a process that started, a category that was seen
        for the first time), all of the total was added.
        """
        config = self.config
        total = selector(series, f"ml_model_name={quoted(self.baseline.model.name)}", *matchers, *self._whole_model())
        window, whole = duration_text(config.window), duration_text(config.window + self.interval)
        before = f"{total} offset {window}"
        return (
            f"sum by ({by}) (\n({total} - {before}) and resets({total}[{whole}]) == 0\n"
            f"or rate({total}[{whole}]) * {number(config.window)} and {before}\n"
            f"or ({total} unless {before})\n)"
        )

    def _whole_model(self) -> list[str]:
        """Return the matchers that leave out segments, whose rows are those of the model once more."""
        columns = {*self.config.segments, *(self.own.segments or ())}
        columns |= {part.model.segment.column for part in self.baseline.segments if part.model.segment is not None}
        return [f'{label_name(ML_SEGMENT + column)}=""' for column in sorted(columns)]

    def of(self, series: str, column: Column, *matchers: str) -> str:
        """Return what was recorded of one column."""
        return selector(
            series,
            f"ml_model_name={quoted(self.baseline.model.name)}",
            f"ml_column_name={quoted(column.name)}",
            f"ml_column_role={quoted(column.role)}",
            *(f"{name}={quoted(value)}" for name, value in self.labels.items()),
            *matchers,
        )

    def of_all(self, series: str) -> str:
        """Return what was recorded of all columns."""
        return selector(
            series,
            f"ml_model_name={quoted(self.baseline.model.name)}",
            *(f"{name}={quoted(value)}" for name, value in self.labels.items()),
        )


def column_labels(column: Column) -> dict[str, str]:
    """Return the labels that tell a column's rules from those of others; its series have them already."""
    return {"ml_column_name": column.name, "ml_column_role": column.role}


def labelled(expr: str, **labels: str) -> str:
    """Return an expression whose series have further labels."""
    for name, value in labels.items():
        expr = f'label_replace({expr}, "{name}", {quoted(value.replace("$", "$$"))}, "", "")'
    return expr


def any_of(terms: list[str]) -> str:
    """Return the union of expressions.

    Of many, halves are joined first: each ``or`` looks at all that is on its left once more.
    """
    if len(terms) <= _FEW:
        return "\nor ".join(terms)
    middle = len(terms) // 2
    return f"({any_of(terms[:middle])})\nor ({any_of(terms[middle:])})"
