"""Which block of time a row of the baseline belongs to.

Rows that arrive together are alike: they share one hour's weather, one customer, one batch job. How a column varies
from one block to the next when nothing is wrong is what a window may vary by too.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from driftmeter.exceptions import BaselineError
from driftmeter.tables import to_float64
from driftmeter.typing import Int64Array

MAX_BLOCKS: Final = 64


def blocks_by_time(times: Any, *, seconds: float) -> Int64Array:
    """Return each row's block of ``seconds``, from 0; -1 for rows without a time and in a last block cut short.

    Args:
        times: When each row came: datetimes, or Unix seconds, shape (rows,).
        seconds: How long a block lasts.

    Raises:
        BaselineError: No row has a time.
    """
    came, mismatched = to_float64(times)
    known = np.isfinite(came)
    if mismatched or not known.any():
        raise BaselineError("time must hold datetimes or Unix seconds; none was found")
    first, last = came[known].min(), came[known].max()
    # The first block begins with the first row; the last counts when it is full but for a hundredth.
    whole = int((last - first) / seconds + 0.01)
    block = np.full(len(came), -1, dtype=np.int64)
    block[known] = (came[known] - first) // seconds
    block[block >= whole] = -1
    return _latest(block)


def blocks_by_rows(rows: int, *, block_rows: int) -> Int64Array:
    """Return each row's block of ``block_rows`` rows that came one after the other; -1 in a last one cut short."""
    block = np.arange(rows, dtype=np.int64) // block_rows
    block[block >= rows // block_rows] = -1
    return _latest(block)


def _latest(block: Int64Array) -> Int64Array:
    """Keep the latest `MAX_BLOCKS`."""
    surplus = max(0, int(block.max(initial=-1)) + 1 - MAX_BLOCKS)
    return np.maximum(block - surplus, -1)
