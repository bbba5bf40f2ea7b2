"""When a verdict is 1, by column, as the configuration says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from driftmeter.config import ColumnConfig, Config
from driftmeter.schema import Column, Model
from driftmeter.sketches import Snapshot
from driftmeter.typing import Float64Array


@dataclass(frozen=True, slots=True)
class ColumnRules:
    """When one column's verdict is 1: over the floor, and improbable by chance; or else over a fixed threshold.

    Improbable is a p-value of ``alpha`` at once, or of ``alpha_repeated`` both in this window and in the one before,
    which shares no row with it: what holds twice need not be as rare each time.
    """

    distance: str
    alpha: float
    alpha_repeated: float
    effect_floor: float
    threshold: float | None
    critical: bool


@dataclass(frozen=True)
class RuleTable:
    """The rules of some columns, each array of shape (columns,); of a column without a threshold it is NaN."""

    distances: list[str]
    alpha: Float64Array
    alpha_repeated: Float64Array
    effect_floor: Float64Array
    threshold: Float64Array
    critical: list[bool]

    @classmethod
    def of(cls, rules: Sequence[ColumnRules]) -> RuleTable:
        """Put the columns' rules side by side."""
        numbers = [(one.alpha, one.alpha_repeated, one.effect_floor, one.threshold) for one in rules]
        alpha, repeated, floor, threshold = np.array(numbers, dtype=np.float64).reshape(-1, 4).T
        distances, critical = [one.distance for one in rules], [one.critical for one in rules]
        return cls(distances, alpha, repeated, floor, threshold, critical)


class Rules:
    """The rules of one model's columns, and how many rows a verdict needs."""

    def __init__(self, config: Config, model: Model) -> None:
        self._config = config
        self._own = config.of_model(model.name)
        self.min_rows = config.min_rows if self._own.min_rows is None else self._own.min_rows
        self.compare_with = self._own.compare_with
        self._made: dict[Column, ColumnRules] = {}
        self._table: tuple[list[Column], RuleTable] = ([], RuleTable.of([]))

    def of(self, column: Column) -> ColumnRules:
        """Return what holds for a column: its own settings, else the general ones."""
        rules = self._made.get(column)
        if rules is None:
            rules = self._made[column] = self._make(self._own.of_column(column.name))
        return rules

    def table(self, columns: list[Column]) -> RuleTable:
        """Return what holds for some columns, which mostly are the same from one window to the next."""
        if self._table[0] != columns:
            self._table = (columns, RuleTable.of([self.of(column) for column in columns]))
        return self._table[1]

    def is_critical(self, column: Column | None) -> bool:
        """Whether trouble with a column, or with the model where there is none, is an error and not a warning."""
        return bool(self._own.critical) if column is None else self.of(column).critical

    def without_ignored(self, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot without the columns that are to be left out."""
        ignored = {column for column in snapshot.columns if self._own.of_column(column.name).ignore}
        if not ignored:
            return snapshot
        columns = {column: sketch for column, sketch in snapshot.columns.items() if column not in ignored}
        return replace(snapshot, columns=columns)

    def _make(self, column: ColumnConfig) -> ColumnRules:
        own, general = (column, self._own), self._config
        alpha = _first(*(config.alpha for config in own))
        floor = _first(*(config.effect_floor for config in own), general.effect_floor)
        return ColumnRules(
            distance=column.distance or self._own.distance or general.distance,
            alpha=general.alpha if alpha is None else alpha,
            # What has an alpha of its own is held to it: a weaker second chance would undo it.
            alpha_repeated=max(general.alpha, general.alpha_repeated) if alpha is None else alpha,
            effect_floor=0.0 if floor is None else floor,
            threshold=_first(*(config.threshold for config in own)),
            critical=bool(self._own.critical if column.critical is None else column.critical),
        )


def _first(*values: float | None) -> float | None:
    """Return the first value that is set."""
    return next((value for value in values if value is not None), None)


def alpha_share(steps: int, *, whole: bool) -> float:
    """Return which share of a window's alpha one of its looks may spend.

    Args:
        steps: Looks while a window passes: its steps.
        whole: Whether the look is at a window that shares no row with the last such one.

    A window that slides is looked at again with each step, and by chance one look in many shows something. Half of
    alpha goes to the whole windows, so that they see nearly what tumbling ones do, and half to the looks between, as if
    they were 4 ln(steps) independent ones: of 60 steps, 9 to 17 times as many alarms as of one (simulated for
    chi-squares of 1 to 40 degrees at 1e-2 to 1e-4). So the rate of false alarms does not depend on the step.
    """
    if steps == 1:
        return 1.0
    return 0.5 if whole else 0.5 / min(float(steps), 4.0 * math.log(steps))
