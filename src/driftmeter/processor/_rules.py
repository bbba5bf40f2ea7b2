"""When a verdict is 1, by column, as the configuration says."""

from __future__ import annotations

from dataclasses import dataclass, replace

from driftmeter.config import ColumnConfig, Config, ModelConfig
from driftmeter.schema import Column, Model
from driftmeter.sketches import Snapshot


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


class Rules:
    """The rules of one model's columns, and how many rows a verdict needs."""

    def __init__(self, config: Config, model: Model) -> None:
        self.min_rows = config.min_rows
        self._config = config
        self._columns = config.models.get(model.name, ModelConfig()).columns
        self._made: dict[Column, ColumnRules] = {}

    def of(self, column: Column) -> ColumnRules:
        """Return what holds for a column: its own settings, else the general ones."""
        rules = self._made.get(column)
        if rules is None:
            rules = self._made[column] = self._make(self._columns.get(column.name, ColumnConfig()))
        return rules

    def without_ignored(self, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot without the columns that are to be left out."""
        kept = {
            column: sketch
            for column, sketch in snapshot.columns.items()
            if not self._columns.get(column.name, ColumnConfig()).ignore
        }
        return snapshot if len(kept) == len(snapshot.columns) else replace(snapshot, columns=kept)

    def _make(self, own: ColumnConfig) -> ColumnRules:
        general = self._config
        alpha = general.alpha if own.alpha is None else own.alpha
        # A column with an alpha of its own is held to it: a weaker second chance would undo it.
        repeated = general.alpha_repeated if own.alpha is None else alpha
        return ColumnRules(
            distance=own.distance or general.distance,
            alpha=alpha,
            alpha_repeated=max(alpha, repeated),
            effect_floor=general.effect_floor if own.effect_floor is None else own.effect_floor,
            threshold=own.threshold,
            critical=own.critical,
        )
