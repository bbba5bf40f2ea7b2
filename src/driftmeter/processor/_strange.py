"""What lies behind bad values: where those beyond the baseline's range lie, and which the new categories are.

It is kept by step, beside the tally of how many there are, for the columns that have some: mostly for none. It is put
together when a check turns and somebody is to be told.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Final

import numpy as np

from driftmeter.processor._flat import Flat
from driftmeter.processor._tally import Known, Tally, outer_limits, place_of
from driftmeter.schema import Column
from driftmeter.sketches import CategoricalSketch, NumericSketch

NAMES: Final = 5
"""New categories that are kept of a step. One of a window may so be counted short, if it is never among the first."""
_STRANGE: Final = (place_of("out_of_range"), place_of("unseen_category"))


@dataclass(frozen=True, slots=True)
class Strange:
    """The strange values of one column.

    Attributes:
        low: The least one that lies below the baseline's range; infinity where none does.
        high: The greatest one above; minus infinity where there is none.
        names: The most frequent categories that the baseline does not know, and how often each came.
    """

    low: float = math.inf
    high: float = -math.inf
    names: Mapping[str, int] = field(default_factory=dict)


def strange(flat: Flat, known: Mapping[Column, Known], tally: Tally) -> dict[Column, Strange]:
    """Return what lies behind the bad values of a stretch of traffic that was tallied."""
    found: dict[Column, Strange] = {}
    for at in np.flatnonzero(tally.counts[:, _STRANGE].any(axis=1)).tolist():
        column = tally.columns[at]
        sketch, usual = flat.snapshot.columns[column], known[column]
        if isinstance(sketch, NumericSketch):
            first, last = outer_limits(usual)
            low, high = sketch.min, sketch.max
            found[column] = Strange(low if low < first else math.inf, high if high > last else -math.inf)
        elif isinstance(sketch, CategoricalSketch):
            names = usual.names or frozenset()
            found[column] = Strange(names=_first({name: n for name, n in sketch.counts.items() if name not in names}))
    return found


def together(parts: Iterable[Mapping[Column, Strange]]) -> dict[Column, Strange]:
    """Return what lies behind the bad values of several stretches."""
    found: dict[Column, list[Strange]] = {}
    for part in parts:
        for column, one in part.items():
            found.setdefault(column, []).append(one)
    return {column: _merged(several) for column, several in found.items()}


def _merged(several: list[Strange]) -> Strange:
    names: Counter[str] = Counter()
    for one in several:
        names.update(one.names)
    return Strange(min(one.low for one in several), max(one.high for one in several), _first(names))


def _first(names: Mapping[str, int]) -> dict[str, int]:
    return dict(nsmallest(NAMES, names.items(), key=lambda item: (-item[1], item[0])))
