"""Sketches at rest: all of a snapshot's columns as a few bytes, which become sketches again when somebody looks.

What is kept for long and looked at rarely (running totals between collections, past windows, baselines and their
blocks) takes a fifth to a tenth of what sketches take, and comes back exactly.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from typing import Final, TypeAlias
from weakref import WeakValueDictionary

from driftmeter.schema import Column
from driftmeter.sketches._categorical import CategoricalSketch
from driftmeter.sketches._numeric import NumericSketch
from driftmeter.sketches._packed_categorical import PackedCategorical
from driftmeter.sketches._packed_numeric import PackedNumeric

Sketch: TypeAlias = NumericSketch | CategoricalSketch


class _Order:
    """Columns in an order, and which of them have numeric sketches: one object, however many snapshots have them."""

    __slots__ = ("__weakref__", "columns", "numeric")

    columns: tuple[Column, ...]
    numeric: tuple[bool, ...]

    def __new__(cls, columns: tuple[Column, ...], numeric: tuple[bool, ...]) -> _Order:  # noqa: PYI034  # Python 3.10 has no Self
        found = _orders.get((columns, numeric))
        if found is None:
            found = super().__new__(cls)
            found.columns, found.numeric = columns, numeric
            _orders[columns, numeric] = found
        return found

    def __reduce__(self) -> tuple[type[_Order], tuple[tuple[Column, ...], tuple[bool, ...]]]:
        return _Order, (self.columns, self.numeric)


_orders: Final[WeakValueDictionary[tuple[tuple[Column, ...], tuple[bool, ...]], _Order]] = WeakValueDictionary()


class PackedColumns(Mapping[Column, Sketch]):
    """The sketches of a snapshot's columns at rest; to read one costs as much as to read all of them."""

    __slots__ = ("_categorical", "_numeric", "_order", "rows")

    def __init__(self, columns: Mapping[Column, Sketch]) -> None:
        sketches = list(columns.values())
        numeric = [sketch for sketch in sketches if isinstance(sketch, NumericSketch)]
        categorical = [sketch for sketch in sketches if isinstance(sketch, CategoricalSketch)]
        self.rows = max((sketch.total for sketch in sketches), default=0)
        """The number of rows: as many as the fullest column has."""
        self._order = _Order(tuple(columns), tuple(isinstance(sketch, NumericSketch) for sketch in sketches))
        self._numeric = PackedNumeric.of(numeric) if numeric else None
        self._categorical = PackedCategorical.of(categorical) if categorical else None

    def unpacked(self) -> dict[Column, Sketch]:
        """Return the sketches."""
        numeric: Iterator[Sketch] = iter(self._numeric.unpacked() if self._numeric is not None else ())
        categorical: Iterator[Sketch] = iter(self._categorical.unpacked() if self._categorical is not None else ())
        order = self._order
        return {
            column: next(numeric if is_numeric else categorical)
            for column, is_numeric in zip(order.columns, order.numeric, strict=True)
        }

    def __iter__(self) -> Iterator[Column]:
        return iter(self._order.columns)

    def __len__(self) -> int:
        return len(self._order.columns)

    def __contains__(self, column: object) -> bool:
        return column in self._order.columns

    def __getitem__(self, column: Column) -> Sketch:
        return self.unpacked()[column]

    def items(self) -> ItemsView[Column, Sketch]:
        """Return the columns with their sketches."""
        return self.unpacked().items()

    def values(self) -> ValuesView[Sketch]:
        """Return the sketches."""
        return self.unpacked().values()
