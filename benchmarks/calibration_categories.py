"""Categorical columns on their way through the processor, which draws its lines by the baseline: alarms and power."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

import numpy as np

from driftmeter.baseline import Baseline
from driftmeter.config import Config
from driftmeter.processor import Comparer, Rules
from driftmeter.schema import Column, Model
from driftmeter.sketches import CategoricalSketch, Snapshot


class _Change(NamedTuple):
    """Some categories and how many times as frequent they are after it."""

    index: slice
    factor: float


ALPHAS: Final = (0.05, 0.01)
LIVE_ROWS: Final = (100, 1000, 5000)
BASELINE_ROWS: Final = (1000, 20_000, 1_000_000)
_CATEGORIES: Final = {"alike": (20, 200, 1000), "1 / rank": (20, 200, 1000, 5000)}
STRICT: Final = 0.001
_POWER_ROWS: Final = (100, 200, 500, 1000, 5000)
_KEPT: Final = 1000
"""Names that a baseline keeps, as `Baseline.from_frame` does."""
_OTHERS: Final = 100
"""Names beside the baseline's that a service keeps of one export."""
_CHANGES: Final = {
    "half of them vanish": _Change(slice(0, None, 2), 0.0),
    "one grows to 5 %": _Change(slice(66, 67), 0.05 * 199 / 0.95),
    "one grows to 20 %": _Change(slice(66, 67), 0.2 * 199 / 0.8),
    "one doubles": _Change(slice(66, 67), 2.0),
}
_MODEL: Final = Model("m")
_COLUMN: Final = Column("x", kind="categorical")


def categories(trials: int, rng: np.random.Generator) -> Iterator[str]:
    """Return the section: multiples of alpha, and the share of columns that get a p-value."""
    yield "## Categories, through the processor"
    yield ""
    yield (
        f"Whole sketches and whole verdicts: which categories have bins of their own is chosen by a baseline of which "
        f"{_KEPT:,} names are kept at most; of a window those are kept and {_OTHERS} others. {trials:,} columns a "
        "cell; false alarms in multiples of alpha over all columns, with one standard error, and the share of the "
        "columns that get a verdict at all. Of many categories that are alike chance makes some frequent, and any line "
        "between them would be an alarm: they share bins by a hash of their names. There is none where names were "
        "lost: of 1,000 alike a third is not in a baseline of 1,000 rows, and more than 100 new ones in a large window."
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
    yield from _power(max(trials // 4, 1), rng)


def _power(trials: int, rng: np.random.Generator) -> Iterator[str]:
    yield "### Changes among many rare categories"
    yield ""
    yield (
        f"200 categories, alike before the change; columns detected at {STRICT:g}, of {trials:,} a cell. One that "
        "doubles, from 0.5 % to 1 % of the rows, is more than that many rows can tell from chance."
    )
    yield ""
    yield f"| change | baseline | {' | '.join(f'{rows:,} rows' for rows in _POWER_ROWS)} |"
    yield f"|---|---|{'---|' * len(_POWER_ROWS)}"
    before = np.full(200, 1 / 200)
    for name, change in _CHANGES.items():
        after = before.copy()
        after[change.index] *= change.factor
        after /= after.sum()
        for baseline in BASELINE_ROWS:
            found = [
                np.mean([_p_value(before, baseline, rows, rng, after) <= STRICT for _ in range(trials)])
                for rows in _POWER_ROWS
            ]
            yield f"| {name} | {baseline:,} | {' | '.join(f'{share:.0%}' for share in found)} |"
    yield ""


def _multiple(p_values: np.ndarray, alpha: float) -> str:
    share = np.mean(p_values <= alpha)  # NaN is no alarm
    return f"{share / alpha:.2f} \u00b1 {np.sqrt(max(share, alpha) / len(p_values)) / alpha:.2f}"


def _p_value(
    shares: np.ndarray, baseline: int, rows: int, rng: np.random.Generator, after: np.ndarray | None = None
) -> float:
    """Return the p-value of a column that is alone, so that no other one adjusts it; NaN where there is no verdict."""
    before = _sketch(rng.multinomial(baseline, shares), (), _KEPT)
    live = _sketch(rng.multinomial(rows, shares if after is None else after), before.counts, _OTHERS)
    known, window = (Snapshot(_MODEL, 0, 1, {_COLUMN: sketch}) for sketch in (before, live))
    comparer = Comparer(Baseline(known, "training"))
    verdicts = comparer.verdicts(comparer.count(window), Rules(Config(), _MODEL))
    return verdicts[0].p_value if verdicts else np.nan


def _sketch(counts: np.ndarray, known: Collection[str], others: int) -> CategoricalSketch:
    """Return a sketch that keeps known names, and those of so many others."""
    ranked = [(f"c{at}", int(counts[at])) for at in np.argsort(-counts, kind="stable").tolist() if counts[at]]
    rest = [(name, count) for name, count in ranked if name not in known]
    kept = dict([(name, count) for name, count in ranked if name in known] + rest[:others])
    return CategoricalSketch(kept, other=sum(count for _, count in rest[others:]))
