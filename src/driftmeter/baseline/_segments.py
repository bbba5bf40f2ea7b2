"""Which rows of a baseline belong to which segment: a column's most frequent values, the rest as `__other__`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from driftmeter.baseline._sketching import Prepared
from driftmeter.exceptions import BaselineError, did_you_mean
from driftmeter.schema import Segment
from driftmeter.sketches import OTHER
from driftmeter.typing import Int64Array


def rows_by_segment(
    features: Prepared, columns: Sequence[str], *, max_segments: int
) -> Iterator[tuple[Segment, Int64Array]]:
    """Yield each segment of each column with the places of its rows.

    Raises:
        BaselineError: There is no such column.
    """
    for column in columns:
        names = features.names(column)
        if names is None:
            raise BaselineError(f"segments must be features; got {column!r}{did_you_mean(column, features.columns)}")
        ranked = sorted(Counter(names).items(), key=lambda item: (item[0] == OTHER, -item[1], item[0]))
        kept = [name for name, _ in ranked[:max_segments] if name != OTHER]
        place = {name: at for at, name in enumerate(kept)}
        which = np.array([place.get(name, len(kept)) for name in names])
        for at, name in enumerate([*kept, OTHER]):
            rows = np.flatnonzero(which == at)
            if len(rows):
                yield Segment(column, name), rows
