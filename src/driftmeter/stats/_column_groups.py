"""How many columns to compute in one go."""

from __future__ import annotations

# The arrays of a group stay in the cache and, below 128 kB, in the allocator's own memory: larger ones are mapped and
# faulted in anew for each intermediate result, which takes longer than computing it. 53 columns of 300 bins.
_COUNTS = 16_000


def column_groups(columns: int, bins: int) -> list[slice]:
    """Slices that cover all columns, each of some 125 kB of counts."""
    size = max(_COUNTS // max(bins, 1), 1)
    return [slice(start, start + size) for start in range(0, max(columns, 1), size)]
