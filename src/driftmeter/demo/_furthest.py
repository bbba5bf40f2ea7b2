"""How a column stood in one window, in driftmeter's words.

An event is sent when a verdict turns, and says how the column stood then. A column that moves in March and goes on
moving until July sends no second one. For the summary, the week in which it was furthest from the training data is
compared once more here: the same flights, the same comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from driftmeter.baseline import Baseline
from driftmeter.config import Config
from driftmeter.demo._windows import Window
from driftmeter.processor import Processor, describe

if TYPE_CHECKING:
    from driftmeter.demo._flights import Flights


_SECOND: Final = 1_000_000_000


class Retelling:
    """Says what had moved in a window."""

    def __init__(self, *, baseline: Baseline, model: Any, weeks: Sequence[Flights]) -> None:
        self._baseline = baseline
        self._model = model
        self._weeks = weeks
        self._told: dict[str, dict[str, str]] = {}

    def __call__(self, column: str, window: Window) -> str:
        """Return what moved in a column, with its name before it; or an empty string where it cannot be compared.

        Whether this alone makes a verdict of 1 does not matter: one that stands, or rests on two windows, needs less.
        """
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
        processor = Processor(Config(window=1.0, step=1.0), baselines=lambda _: (self._baseline,))
        processor.add([replace(live, start=0, end=_SECOND)])
        processor.advance(_SECOND)
        return {
            verdict.column.name: describe(verdict)
            for evaluation in processor.latest().values()
            for comparison in evaluation.comparisons
            for verdict in comparison.verdicts
        }


def _between(week: Flights, window: Window) -> pd.DataFrame:
    days = week.scheduled.dt.normalize()
    first, last = pd.Timestamp(window.stretch.first), pd.Timestamp(window.stretch.last)
    return week.features[((days >= first) & (days <= last)).to_numpy()]
