"""How a column stood in one window, in driftmeter's words.

An event is sent when a verdict turns, and says how the column stood then. A column that moves in March and goes on
moving until July sends no second one. For the summary, the week in which it was furthest from the training data is
compared once more here: the same flights, the same comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from driftmeter.baseline import Baseline
from driftmeter.config import Config
from driftmeter.processor import Rules, compare, describe

from ._windows import Window

if TYPE_CHECKING:
    from ._flights import Flights


class Retelling:
    """Says what had moved in a window."""

    def __init__(self, *, baseline: Baseline, model: Any, weeks: Sequence[Flights]) -> None:
        self._baseline = baseline
        self._model = model
        self._weeks = weeks
        self._told: dict[str, dict[str, str]] = {}

    def __call__(self, column: str, window: Window) -> str:
        """Return what moved in a column, or an empty string when the window's flights say nothing of it."""
        if window.label not in self._told:
            self._told[window.label] = self._tell(window)
        return self._told[window.label].get(column, "")

    def _tell(self, window: Window) -> dict[str, str]:
        features = pd.concat([_between(week, window) for week in self._weeks])
        if features.empty:
            return {}
        live = Baseline.from_frame(
            features,
            model=self._baseline.model.name,
            predictions={"prediction": self._model.predict(features)},
        ).snapshot
        # No floor: the column is asked about because its verdict was 1.
        rules = Rules(method=Config().distance, alpha=Config().alpha, min_rows=1, effect_floor=lambda _: 0.0)
        return {
            verdict.column.name: describe(verdict).removeprefix(f"{verdict.column.name}: ")
            for verdict in compare(live, self._baseline, rules)
        }


def _between(week: Flights, window: Window) -> pd.DataFrame:
    days = week.scheduled.dt.normalize()
    first, last = pd.Timestamp(window.stretch.first), pd.Timestamp(window.stretch.last)
    return week.features[((days >= first) & (days <= last)).to_numpy()]
