"""Which rows to look for, by the verdicts, and what was found, for each reader.

verdicts of 1 -> the bins that gained the most -> a `Seeker` a model -> exemplars on the sketch points
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from driftmeter.recorder import Bin, Registry
from driftmeter.schema import Column, Model
from driftmeter.sketches import OTHER

if TYPE_CHECKING:
    from driftmeter.processor import Binned, Evaluation, Verdict

_BINS: Final = 3
"""Bins of one column."""
_COLUMNS: Final = 10
"""Columns of one model."""


class Exemplars:
    """Follows the verdicts of one registry's models."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._followed: dict[Model, int] = {}

    def follow(self, latest: Mapping[Model, Evaluation]) -> None:
        """Look for rows of the bins that gained, by each model's latest evaluation."""
        for model, evaluation in latest.items():
            if self._followed.get(model) != evaluation.end:
                self._followed[model] = evaluation.end
                verdicts = (verdict for comparison in evaluation.comparisons for verdict in comparison.verdicts)
                self._registry.seek(model, wanted(verdicts))


def wanted(verdicts: Iterable[Verdict]) -> dict[Column, Sequence[Bin]]:
    """Return the bins that gained the most, of the columns that moved the most."""
    detected = sorted((verdict for verdict in verdicts if verdict.detected), key=lambda verdict: -verdict.effect)
    found: dict[Column, Sequence[Bin]] = {}
    for verdict in detected:
        if len(found) < _COLUMNS:
            found.setdefault(verdict.column, _gained(verdict.binned))
    return {column: bins for column, bins in found.items() if bins}


def _gained(binned: Binned) -> list[Bin]:
    gain = binned.live / max(binned.rows, 1) - binned.baseline / max(binned.baseline_rows, 1)
    most = [at for at in np.argsort(-gain, kind="stable")[:_BINS].tolist() if gain[at] > 0]
    if binned.labels:
        return [Bin(category=binned.labels[at]) for at in most if binned.labels[at] != OTHER]
    lower, upper = binned.edges
    return [Bin(float(lower[at]), float(upper[at])) for at in most]
