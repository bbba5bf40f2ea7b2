"""What can be configured: every key, its default and its rule. Frozen, and validated when built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from driftmeter.config._keys import Keyed, key
from driftmeter.config._values import boolean, duration, durations, integer, number, one_of, some_of, text, texts
from driftmeter.exceptions import ConfigError
from driftmeter.schema import DISTANCES, KINDS, Kind

MAX_STEPS: Final = 1024
"""Steps of a window: each is kept until it has left the window."""
MAX_SEASON: Final = 400
"""Windows that a seasonal baseline may lie back: each is kept, as compact sketches, until it has been compared with."""
MOST_SECONDS: Final = 366 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _VerdictConfig(Keyed):
    """What a model and each of its columns can have of their own; a column's key wins over its model's."""

    ignore: bool = key(
        default=False, parse=boolean, says="leave it out: no sketches and no signals; calls are traced all the same"
    )
    distance: str = key("", partial(one_of, names=DISTANCES), "the distance to report; by default the general one")
    alpha: float | None = key(None, number, "its own rate, held to in each window", above=0, most=0.5)
    effect_floor: float | None = key(None, number, "share of rows that must have moved", least=0, most=1)
    threshold: float | None = key(
        None,
        number,
        "a fixed distance in place of the calibrated verdict; small windows exceed it by chance",
        least=0,
    )
    critical: bool | None = key(
        default=None, parse=boolean, says="a verdict that turns to 1 is an error, not a warning"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnConfig(_VerdictConfig):
    """What holds for one column of one model."""

    kind: Kind | None = key(
        None, partial(one_of, names=KINDS), "numeric or categorical; by default the column's type decides"
    )
    category_names: str = key(
        "plain",
        partial(one_of, names=("plain", "hashed", "withheld")),
        "how its categories are told: plain, hashed (a digest for each), or withheld (their number alone)",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig(_VerdictConfig):
    """What holds for one model; its name is the key it stands under."""

    match: str = key("", text, "class name of the model objects that this is about; by default the model's name")
    version: str = key("", text, "the model's version")
    baseline: tuple[str, ...] = key((), texts, "paths of the model's baseline files, one of a kind")
    compare_with: str = key(
        "", text, "another model, `name` or `name@version`, whose windows this one's are compared with, as drift"
    )
    segments: tuple[str, ...] | None = key(
        None, texts, "columns whose values get sketches and signals of their own; by default the general ones"
    )
    min_rows: int | None = key(None, integer, "fewer rows in a window give no verdict", least=1)
    columns: Mapping[str, ColumnConfig] = field(
        default_factory=dict, metadata={"of": ColumnConfig, "says": "by column name"}
    )

    def _check_together(self) -> None:
        for name in self.segments or ():
            if not self.may_tell_values(name):
                raise ConfigError(
                    f"segments must not name a column with ignore, or with category_names withheld; got {name!r}"
                )

    def of_column(self, column: str) -> ColumnConfig:
        """Return what is set for a column, by its name; the defaults where nothing is."""
        return self.columns.get(column, _OF_ANY_COLUMN)

    def may_tell_values(self, column: str) -> bool:
        """Whether a column's values may be told, be it as digests, so that segments may be named for them."""
        own = self.of_column(column)
        return not (own.ignore or own.category_names == "withheld")


_OF_ANY_COLUMN: Final = ColumnConfig()
_OF_ANY_MODEL: Final = ModelConfig()
"""Made once: they are asked for with each snapshot, and building them means checking them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(Keyed):
    """Everything that can be set. Durations are in seconds here; as text also '250ms', '30s', '1m', '1h'."""

    enabled: bool = key(default=True, parse=boolean, says="watch at all")
    baseline: tuple[str, ...] = key((), texts, "paths of baseline files; each is used by the model it describes")
    model_name: str = key("", text, "name of the model, in a service that has one")
    model_version: str = key("", text, "version of the model, in a service that has one")
    training: bool = key(default=True, parse=boolean, says="a span and a duration for each training of a model")
    capture: str = key(
        "none",
        partial(one_of, names=("none", "predictions")),
        "what spans tell of values: none, or the predictions of batches of up to 10 rows",
    )
    signals: bool = key(
        default=True, parse=boolean, says="compare windows in this process; false where a gateway does it"
    )
    exemplars: bool = key(
        default=True,
        parse=boolean,
        says="while a verdict is 1, point out a few traces of rows in the bins that gained the most",
    )
    window: float = key(
        3600.0, duration, "how much traffic one verdict speaks of, up to 366 days", least=0.001, most=MOST_SECONDS
    )
    step: float = key(
        60.0,
        duration,
        f"how often windows are evaluated; at most the window, which may have {MAX_STEPS} steps",
        least=0.001,
        most=MOST_SECONDS,
    )
    grace: float = key(0.0, duration, "how long after its end a step waits for late rows", least=0, most=MOST_SECONDS)
    previous_window: bool = key(
        default=False, parse=boolean, says="compare each window with the one before it, as drift"
    )
    seasonal: tuple[float, ...] = key(
        (), durations, "compare each window with the one so long before it, such as `24h, 7d`, as drift"
    )
    learn_rows: int = key(
        10_000, integer, "rows that a model without any baseline is compared with later, as drift; 0: none", least=0
    )
    distance: str = key("psi", partial(one_of, names=DISTANCES), f"the distance to report: {', '.join(DISTANCES)}")
    alpha: float = key(0.001, number, "false discovery rate of a window's verdicts", above=0, most=0.5)
    alpha_repeated: float = key(
        0.05,
        number,
        "the same where the window before says so too; 0: each window speaks for itself",
        least=0,
        most=0.5,
    )
    effect_floor: float = key(
        0.03, number, "share of rows that must have moved between bins for a verdict", least=0, most=1
    )
    quality_floor: float = key(
        0.005, number, "by how much a bad-value ratio must exceed the baseline's for a verdict", least=0, most=1
    )
    min_rows: int = key(50, integer, "fewer rows in a window give no verdict", least=1)
    volume_floor: float = key(
        0.3, number, "by how much a window's rows must differ from the usual, as a share of it, for a verdict", least=0
    )
    segments: tuple[str, ...] = key((), texts, "columns whose values get sketches and signals of their own")
    max_segments: int = key(20, integer, "values of one such column; the rest is `__other__`", least=1, most=1000)
    emit: tuple[str, ...] = key(
        (),
        partial(some_of, names=("bins",)),
        "what to send of each numeric column beside its sketch: `bins`, a histogram with explicit bounds, those of the "
        "bins that its baseline is compared on",
    )
    overflow: str = key(
        "flush", partial(one_of, names=("flush", "drop")), "what a full row buffer does: flush (no loss) or drop"
    )
    buffer_bytes: int = key(1 << 20, integer, "size of one model's row buffer", least=1024)
    max_models: int = key(50, integer, "models watched in one process", least=1)
    max_columns: int = key(500, integer, "features watched of one model", least=1)
    max_categories: int = key(100, integer, "categories kept apart beside the baseline's", least=0)
    category_secret: str = key(
        "",
        text,
        "what digests of hashed category names are keyed with, the same in all processes; without one they can be "
        "guessed",
        secret=True,
    )
    gpu_metrics: bool = key(default=True, parse=boolean, says="tell of the machine's GPUs, where there is a driver")
    gpu_interval: float = key(15.0, duration, "how often GPUs are asked", least=1, most=3600)
    host_metrics: bool = key(
        default=True, parse=boolean, says="tell of the process and its host; off where a collector's hostmetrics do"
    )
    call_resources: bool = key(
        default=False, parse=boolean, says="the process's CPU time and memory on the span of each call"
    )
    max_points: int = key(20_000, integer, "sketch data points in one export", least=1)
    models: Mapping[str, ModelConfig] = field(
        default_factory=dict, metadata={"of": ModelConfig, "says": "by model name"}
    )

    def of_model(self, model: str) -> ModelConfig:
        """Return what is set for a model, by its name; the defaults where nothing is."""
        return self.models.get(model, _OF_ANY_MODEL)

    def _check_together(self) -> None:
        if self.step > self.window:
            raise ConfigError(f"step must be at most window, {self.window:g} s; got {self.step:g} s")
        if self.window > MAX_STEPS * self.step:
            raise ConfigError(
                f"step must be at least window / {MAX_STEPS}, window is {self.window:g} s; got {self.step:g} s"
            )
        if round(self.window * 1e9) % round(self.step * 1e9):
            raise ConfigError(f"window must be a multiple of step, {self.step:g} s; got {self.window:g} s")
        for name, model in self.models.items():
            if model.compare_with == name:
                raise ConfigError(f"models.{name}.compare_with must be another model, or name@version; got {name!r}")
        for offset in self.seasonal:
            if offset < self.window or round(offset * 1e9) % round(self.window * 1e9):
                raise ConfigError(f"seasonal must be multiples of window, {self.window:g} s; got {offset:g} s")
            if offset > MAX_SEASON * self.window:
                raise ConfigError(
                    f"seasonal must be at most {MAX_SEASON} windows, {MAX_SEASON * self.window:g} s; got {offset:g} s"
                )
