"""False alarms of categorical columns on their way through the processor, which draws its lines by the baseline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from driftmeter.baseline import Baseline
from driftmeter.config import Config
from driftmeter.processor import Comparer, Rules
from driftmeter.schema import Column, Model
from driftmeter.sketches import CategoricalSketch, Snapshot

ALPHAS: Final = (0.05, 0.01)
LIVE_ROWS: Final = (100, 1000, 5000)
BASELINE_ROWS: Final = (1000, 20_000, 1_000_000)
_CATEGORIES: Final = {"alike": (20, 200), "1 / rank": (20, 200, 1000, 5000)}
_KEPT: Final = 1000
"""Names that a baseline keeps, as `Baseline.from_frame` does."""
_MODEL: Final = Model("m")
_COLUMN: Final = Column("x", kind="categorical")


def categories(trials: int, rng: np.random.Generator) -> Iterator[str]:
    """Return the section: multiples of alpha, and the share of columns that get a p-value."""
    yield "## Categories, through the processor"
    yield ""
    yield (
        f"Whole sketches and whole verdicts: which categories have bins of their own is chosen by a baseline of which "
        f"{_KEPT:,} names are kept at most. {trials:,} columns a cell; false alarms in multiples of alpha over all "
        "columns, with one standard error, and the share of the columns that get a verdict at all. Many categories "
        "that are alike, in a baseline with few rows of each, get none: chance ranks them, and any line between them "
        "would be an alarm."
    )
    yield ""
    yield "| categories | baseline | rows | at 0.05 | at 0.01 | with a verdict |"
    yield "|---|---|---|---|---|---|"
    for law, numbers in _CATEGORIES.items():
        for number in numbers:
            weights = np.ones(number) if law == "alike" else 1.0 / np.arange(1, number + 1)
            for baseline in BASELINE_ROWS:
                for rows in LIVE_ROWS:
                    shares = weights / weights.sum()
                    p_values = np.array([_p_value(shares, baseline, rows, rng) for _ in range(trials)])
                    cells = [_multiple(p_values, alpha) for alpha in ALPHAS]
                    told = np.mean(~np.isnan(p_values))
                    yield f"| {number:,}, {law} | {baseline:,} | {rows:,} | {' | '.join(cells)} | {told:.0%} |"
    yield ""


def _multiple(p_values: np.ndarray, alpha: float) -> str:
    share = np.mean(p_values <= alpha)  # NaN is no alarm
    return f"{share / alpha:.2f} \u00b1 {np.sqrt(max(share, alpha) / len(p_values)) / alpha:.2f}"


def _p_value(shares: np.ndarray, baseline: int, rows: int, rng: np.random.Generator) -> float:
    """Return the p-value of a column that is alone, so that no other one adjusts it; NaN where there is no verdict."""
    known, live = (
        Snapshot(_MODEL, 0, 1, {_COLUMN: _sketch(rng.multinomial(number, shares))}) for number in (baseline, rows)
    )
    comparer = Comparer(Baseline(known, "training"))
    verdicts = comparer.verdicts(comparer.count(live), Rules(Config(), _MODEL))
    return verdicts[0].p_value if verdicts else np.nan


def _sketch(counts: np.ndarray) -> CategoricalSketch:
    ranked = [(f"c{at}", int(counts[at])) for at in np.argsort(-counts, kind="stable").tolist() if counts[at]]
    return CategoricalSketch(dict(ranked[:_KEPT]), other=sum(count for _, count in ranked[_KEPT:]))
