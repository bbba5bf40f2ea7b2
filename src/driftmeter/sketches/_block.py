"""Running sketches of all numeric columns of one model, fed with blocks of rows."""

from __future__ import annotations

from driftmeter.sketches._numeric import MAX_BUCKETS, NumericSketch
from driftmeter.typing import Float64Array


class BlockSketcher:
    """Sketches ``columns`` numeric columns at once; not thread-safe."""

    def __init__(self, columns: int, *, max_buckets: int = MAX_BUCKETS) -> None:
        self._max_buckets = max_buckets
        self._sketches = [NumericSketch() for _ in range(columns)]

    def add(self, block: Float64Array) -> None:
        """Add rows of shape (n, columns), float64; NaN is missing, infinities are non-finite."""
        for i, sketch in enumerate(self._sketches):
            self._sketches[i] = sketch.merge(
                NumericSketch.from_values(block[:, i], max_buckets=self._max_buckets),
                max_buckets=self._max_buckets,
            )

    def take(self) -> list[NumericSketch]:
        """Return the sketches, one a column, and start anew."""
        taken = self._sketches
        self._sketches = [NumericSketch() for _ in taken]
        return taken
