"""How much more a column varies from window to window than independent rows would."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class DesignEffect:
    """Overdispersion per column, estimated from blocks of window length; each field has shape (d,)."""

    omnibus: FloatArray
    """Mean of the omnibus statistic over blocks, in multiples of what independent rows give."""

    omnibus_freedom: FloatArray
    """Degrees of freedom that the omnibus statistic of one block effectively has."""

    cumulative: FloatArray
    """The same multiple for the cumulative statistic."""

    cumulative_freedom: FloatArray
    """Degrees of freedom that the cumulative statistic of one block effectively has."""

    blocks: FloatArray
    """Blocks that the column was seen in."""

    rows: FloatArray
    """Mean rows per block."""
