"""Varints at many places: seven bits a byte, the lowest first, the top bit set on all but the last byte.

A length of 300::

    wire   ac 02        0x2c + (0x02 << 7) = 300
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from driftmeter.typing import Int64Array

Octets: TypeAlias = npt.NDArray[np.uint8]

MORE: Final = 0x80
LONGEST: Final = 10
"""Bytes of a varint of 64 bits."""
LONGEST_HERE: Final = 5
"""Bytes of one of 32 bits."""


def varints(octets: Octets, at: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Return the varints at some places, -1 for those of more than five bytes, and the places behind them."""
    here = octets[at]
    values = (here & (MORE - 1)).astype(np.int64)
    more = here >= MORE
    if not more.any():
        return values, at + 1
    lengths = np.ones_like(at)
    for place in range(1, LONGEST_HERE):
        here = octets[at + place]
        values += np.where(more, (here & (MORE - 1)).astype(np.int64) << (7 * place), 0)
        lengths += more
        more &= here >= MORE
        if not more.any():
            return values, at + lengths
    return np.where(more, -1, values), at + lengths
