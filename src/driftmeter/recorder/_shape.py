"""Rows of one shape: the same columns, of the same kinds, in the same order, with their buffer and their sketches."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from driftmeter.recorder._buffer import Batch, RowBuffer
from driftmeter.recorder._guard import guard
from driftmeter.schema import Column, Role
from driftmeter.sketches import BlockSketcher, CategoryCounter, Disguise, Sketch, truth_names
from driftmeter.tables import Table


class Shape:
    """Buffers and sketches the rows of one shape; not thread-safe, but the buffer and the sketches are independent."""

    def __init__(
        self,
        columns: tuple[Column, ...],
        *,
        undecided: bool,
        ignored: Collection[str],
        disguises: Mapping[str, Disguise],
        known: Mapping[tuple[Role, str], Collection[str]],
        buffer_bytes: int,
        max_categories: int,
    ) -> None:
        self.columns = columns
        self.undecided = undecided
        self.names: tuple[str, ...] = ()
        """The very names that the last table of this shape had: most tables of one model share one object."""
        self._ignored = ignored
        self._disguises = disguises
        self._numeric = [column for column in columns if column.kind == "numeric"]
        self._categorical = [column for column in columns if column.kind == "categorical"]
        self.buffer = RowBuffer(columns, capacity=max(64, buffer_bytes // (8 * max(1, len(columns)))))
        self._sketcher = BlockSketcher(len(self._numeric))
        named = [known.get((column.role, column.name), ()) for column in self._categorical]
        self._truths = [truth_names(names) for names in named]
        self._counters = [
            # A baseline that was built from digests names none of the categories that come: they are further ones.
            CategoryCounter(names, max_others=max_categories + len(names) * (column.name in disguises))
            for column, names in zip(self._categorical, named, strict=True)
        ]
        self._mismatched = np.zeros(len(self._numeric), dtype=np.int64)
        self._rows = 0
        self.lost_rows = 0
        """Rows that were not sketched in every column."""

    def fill(self, table: Table) -> list[Batch]:
        """Copy all of a table's rows into the buffer; return the batches that filled up on the way."""
        full: list[Batch] = []
        start = 0
        while start < table.rows:
            stop = min(table.rows, start + self.buffer.free)
            self.buffer.append(table, start, stop)
            start = stop
            if not self.buffer.free:
                full.append(self.buffer.detach())
        return full

    def sketch(self, batch: Batch) -> None:
        """Add a batch to the sketches; a column that cannot be sketched costs the others nothing."""
        rows = len(batch.numeric)
        if not rows:
            return
        self._rows += rows
        sketched = 0
        if self._numeric:
            with guard:
                self._sketcher.add(batch.numeric)
                self._mismatched += batch.mismatched
                sketched += 1
        for counter, values, counted, coded in zip(
            self._counters, batch.categorical, batch.counted, batch.coded, strict=True
        ):
            with guard:
                counter.add(values)
                if counted:
                    counter.add_codes(np.repeat(np.arange(len(counted)), list(counted.values())), list(counted))
                for part in coded:
                    counter.add_codes(part.codes, part.names)
                sketched += 1
        if sketched < len(self._counters) + bool(self._numeric):
            self.lost_rows += rows
        self.buffer.give_back(batch)

    def take(self) -> dict[Column, Sketch]:
        """Return the sketches and start anew; empty when no row came."""
        if not self._rows:
            return {}
        taken: dict[Column, Sketch] = {}
        for column, numeric, mismatched in zip(
            self._numeric, self._sketcher.take(), self._mismatched.tolist(), strict=True
        ):
            # A value of a wrong type stands as NaN in the block; it is not a null.
            taken[column] = replace(numeric, missing=numeric.missing - mismatched, mismatched=mismatched)
        for column, counter, truths in zip(self._categorical, self._counters, self._truths, strict=True):
            sketch = counter.take()
            if truths:
                sketch = sketch.renamed(partial(_either, truths))
            disguise = self._disguises.get(column.name)
            taken[column] = sketch if disguise is None else disguise.sketch(sketch)
        self._mismatched[:] = 0
        self._rows = 0
        return {column: sketch for column, sketch in taken.items() if column.name not in self._ignored}


def _either(names: Mapping[str, str], name: str) -> str:
    return names.get(name, name)
