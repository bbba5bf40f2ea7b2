"""Room for streams that are new: bounds of a model and of all models together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from driftmeter.gateway.streams._identity import Series
from driftmeter.gateway.streams._outcomes import COLUMNS, NONE, STREAMS, Codes
from driftmeter.schema import Column
from driftmeter.typing import Int64Array


@dataclass(slots=True)
class Room:
    """What may still be taken.

    Attributes:
        columns: The columns of the model, which grow.
        max_columns: How many there may be.
        streams: How many streams may still come, of all models.
    """

    columns: dict[Column, None]
    max_columns: int
    streams: int

    def slots(self, known: dict[bytes, int], series: Sequence[Series]) -> tuple[Int64Array, Codes]:
        """Return the number of each stream, and why it is refused where it is; those that are new get the next ones.

        Args:
            known: The numbers of a writer's streams, by their keys.
            series: The streams.
        """
        found = list(map(known.get, [named.key for named in series]))
        codes: Codes = np.full(len(series), NONE, dtype=np.int8)
        if None in found:
            for at, slot in enumerate(found):
                if slot is None:
                    found[at], codes[at] = self._take(known, series[at])
        return np.array(found, dtype=np.int64), codes

    def _take(self, known: dict[bytes, int], named: Series) -> tuple[int, int]:
        slot = known.get(named.key)
        if slot is not None:  # it came twice
            return slot, NONE
        if self.streams <= 0:
            return -1, STREAMS
        if named.column not in self.columns:
            if len(self.columns) >= self.max_columns:
                return -1, COLUMNS
            self.columns[named.column] = None
        self.streams -= 1
        slot = known[named.key] = len(known)
        return slot, NONE
