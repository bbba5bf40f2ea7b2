"""False alarms of categorical columns whose rows are alike, on their way through the processor."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Final

import numpy as np
from calibration_blocks import AFTER, GAP, error, rate, states
from scipy.special import ndtr

from driftmeter.baseline import Baseline
from driftmeter.config import Config
from driftmeter.processor import Comparer, Rules
from driftmeter.schema import Column, Model
from driftmeter.sketches import CategoricalSketch, Snapshot, merge_snapshots

_BLOCKS: Final = (40, 10)
_CORNERS: Final = {
    500: ((10, 0.5, 0.5), (50, 0.5, 0.0), (50, 0.95, 0.5), (20, 0.5, 0.95)),
    5000: ((10, 0.5, 0.5), (50, 0.5, 0.0), (50, 0.95, 0.5), (200, 0.5, 0.95)),
}
"""By rows of a window: of each state, alike within, and from state to state."""
_LAWS: Final = {
    "20, alike": (20, 0.0),
    "20, 1 / rank": (20, 1.0),
    "200, alike": (200, 0.0),
    "200, 1 / rank": (200, 1.0),
}
_MODEL: Final = Model("m")
_COLUMN: Final = Column("x", kind="categorical")
_RULES: Final = Rules(Config(), _MODEL)


def alike_categories(columns: int, rng: np.random.Generator) -> Iterator[str]:
    """Return the section: multiples of alpha by categories, rows of a window and what the rows share."""
    yield "### Categories of rows that are alike"
    yield ""
    yield (
        "The same for categories, through the processor: a row's category is the interval of its value, in an order "
        f"that means nothing. {columns} columns x {AFTER} windows; bars as above: 1.5 with 40 blocks, 2 with 10."
    )
    yield ""
    yield (
        "| categories | rows | rows a state | alike within | state to state "
        "| 40 blocks: 0.05, 0.01 | 10 blocks: 0.05, 0.01 | verdicts |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    largest = {blocks: np.zeros(2) for blocks in _BLOCKS}
    windows = [(rows, corner) for rows, corners in _CORNERS.items() for corner in corners]
    for (name, law), (rows, corner) in product(_LAWS.items(), windows):
        cells, told = [], []
        for blocks in _BLOCKS:
            p = np.array([_p_values(law, rows, blocks, corner, rng) for _ in range(columns)]).T
            told.append(np.mean(~np.isnan(p)))
            rates = [rate(p, alpha) for alpha in (0.05, 0.01)]
            largest[blocks] = np.maximum(largest[blocks], rates)
            cells.append(
                ", ".join(f"{r:.2f} ± {error(p, alpha):.2f}" for r, alpha in zip(rates, (0.05, 0.01), strict=True))
            )
        yield f"| {name} | {rows:,} | " + " | ".join([*map(str, corner), *cells, f"{min(told):.0%}"]) + " |"
    yield "| largest | | | | | " + " | ".join(", ".join(f"{r:.2f}" for r in largest[b]) for b in _BLOCKS) + " | |"
    yield ""


def _p_values(law: tuple[int, float], rows: int, blocks: int, corner: tuple, rng: np.random.Generator) -> np.ndarray:
    """Return the p-values of a column's windows, NaN where there is no verdict."""
    number, rank = law
    shares = np.arange(1.0, number + 1) ** -rank
    edges = np.cumsum(shares / shares.sum())[:-1]
    values = states(1, blocks + GAP + AFTER, rows, *corner, rng)[0]
    names = rng.permutation(number)
    windows = [_snapshot(at, names[np.searchsorted(edges, ndtr(value))], number) for at, value in enumerate(values)]
    baseline = Baseline(merge_snapshots(windows[:blocks]), "training", blocks=tuple(windows[:blocks]))
    comparer = Comparer(baseline)
    verdicts = [comparer.verdicts(comparer.count(window), _RULES) for window in windows[blocks + GAP :]]
    return np.array([found[0].p_value if found else np.nan for found in verdicts])


def _snapshot(at: int, categories: np.ndarray, number: int) -> Snapshot:
    counts = np.bincount(categories, minlength=number)
    named = {f"c{place}": int(counts[place]) for place in np.flatnonzero(counts).tolist()}
    return Snapshot(_MODEL, at, at + 1, {_COLUMN: CategoricalSketch(named)})
