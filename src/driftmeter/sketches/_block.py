"""Running sketches of all numeric columns of one model, fed with blocks of rows.

Guarantee: what `BlockSketcher.take` returns equals, bucket for bucket, `NumericSketch.from_values` of each column's
values, whatever the blocks were; only ``sum`` may differ in its rounding. Some 5-8 ns a value, in a few numpy calls
over all columns at once.

How: the first rows of an interval are kept as they are; sketching them gives each column a scale and a window of
cells around its bulk (`_windows`, `_cells`). From then on a block is copied into cache-sized pieces, and each piece is
counted in one flat table (`_table`). The values that are in no window (sentinels, far tails) are set aside and sketched
in bulk. When there are too many of them, when many more rows came, or at the end, the table is emptied into sparse
buckets, exactly, which settle on coarser scales if they must (`_stack`), and new windows are opened around what is
known by then.

Memory while it runs: 5 bytes a value through the first 1,024 rows of an interval, up to 30 kB a column through the
first 16,000, then 1 to 19 kB (the table, and 2 kB of values set aside), and 1.1 MB of work space (`_work_space`); what
`take` returns is at most 12 kB a column.
"""

from __future__ import annotations

import itertools
from typing import Final

import numpy as np

from driftmeter.sketches._columns import PIECE, ColumnGroup
from driftmeter.sketches._numeric import MAX_BUCKETS, NumericSketch
from driftmeter.sketches._table import MAX_COLUMNS
from driftmeter.typing import AnyArray

_BUFFER_SIZE: Final = 256
"""Elements of numpy's buffer. With one longer than a column's part of a piece, it copies a column's parameter
into the buffer again and again; with a short one an operation costs half (0.18 instead of 0.38 ns a value)."""


class BlockSketcher:
    """Sketches ``columns`` numeric columns at once; not thread-safe."""

    def __init__(self, columns: int, *, max_buckets: int = MAX_BUCKETS) -> None:
        groups = -(-columns // MAX_COLUMNS)
        edges = [columns * i // groups for i in range(groups + 1)] if groups else []
        self._columns = columns
        self._rows = PIECE // max(-(-columns // max(groups, 1)), 1)
        self._groups = [
            ColumnGroup(slice(start, end), max_buckets=max_buckets) for start, end in itertools.pairwise(edges)
        ]

    def add(self, block: AnyArray) -> None:
        """Add rows.

        Args:
            block: Shape (n, columns), float64 or what numpy converts to it; of any order, strides or flags. It is
                converted and read piece by piece. NaN is missing, infinities are non-finite.
        """
        if block.ndim != 2 or block.shape[1] != self._columns:
            raise ValueError(f"block must have the shape (n, {self._columns}); got {block.shape}")
        buffer_size = np.setbufsize(_BUFFER_SIZE)
        try:
            with np.errstate(invalid="ignore", over="ignore"):
                for start in range(0, len(block), self._rows):
                    piece = block[start : start + self._rows]
                    for group in self._groups:
                        group.add(piece[:, group.columns])
        finally:
            np.setbufsize(buffer_size)

    def take(self) -> list[NumericSketch]:
        """Return the sketches, one a column, and start anew."""
        return [sketch for group in self._groups for sketch in group.take()]
