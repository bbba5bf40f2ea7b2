"""Any batch that people pass to a model, seen as named columns.

Frameworks are recognised by what is already imported, never imported here. Nothing is copied as a whole.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import Any, Final

import numpy as np

from driftmeter.schema import Kind, clean_name
from driftmeter.tables._records import as_mapping
from driftmeter.typing import AnyArray, Int64Array

SMALL: Final = 64
"""Rows up to which a frame of mixed types is read as one array of objects."""
_PLAIN: Final = "biufmM"
_PROTOCOLS_OF_MEMORY: Final = ("__array_interface__", "__dlpack__", "__arrow_c_array__")


class Names(tuple[str, ...]):
    """Names of columns, cleaned (see `clean_name`) and made unique (x, x.1, x.2): a table takes them as they are.

    Whoever makes many tables of the same columns keeps theirs: ``Names.of(names)``.
    """

    __slots__ = ()

    @staticmethod
    def of(names: Iterable[Any]) -> Names:
        """Return names of whatever type, cleaned."""
        return names if type(names) is Names else _unique(tuple(map(str, names)))


@dataclass(slots=True, eq=False)
class Table:
    """A batch of rows: ``matrix`` of shape (rows, len(names)), or else ``columns``, one sequence a name.

    Nobody changes one. It is not frozen all the same: each call makes three, and a frozen one costs 1.4 µs, not 0.4.

    ``kind`` is given where it is known better than the values' type tells, ``categories`` where all values are likely
    to be among these few: then they cost less to count. ``named`` is False where the names are made up: f0, f1, ...
    """

    names: tuple[str, ...]
    rows: int
    matrix: AnyArray | None = None
    columns: tuple[Any, ...] = ()
    kind: Kind | None = None
    named: bool = True
    categories: AnyArray | None = None

    def __post_init__(self) -> None:
        if type(self.names) is not Names:
            self.names = Names.of(self.names)

    def column(self, at: int) -> Any:
        """Return the values of one column."""
        return self.columns[at] if self.matrix is None else self.matrix[:, at]

    def copy(self) -> Table:
        """Return a table that stays as it is, whatever becomes of the batch that this one is a view of."""
        if self.matrix is not None:
            return Table(self.names, self.rows, self.matrix.copy(), (), self.kind, self.named, self.categories)
        # What has no copy, an Arrow column say, cannot be changed.
        columns = tuple(values.copy() if hasattr(values, "copy") else values for values in self.columns)
        return replace(self, columns=columns)

    def pick(self, rows: Int64Array) -> Table:
        """Return a table of the rows at these places."""
        if self.matrix is not None:
            return replace(self, rows=len(rows), matrix=self.matrix[rows])
        return replace(self, rows=len(rows), columns=tuple(rows_of(values, rows) for values in self.columns))

    def __len__(self) -> int:
        return self.rows


def rows_of(values: Any, rows: slice | Int64Array) -> Any:
    """Return a column's values at these places; a pandas Series would take them for labels of its index."""
    if hasattr(values, "iloc"):
        return values.iloc[rows]
    if isinstance(rows, slice):
        return values[rows]
    if isinstance(values, list | tuple):
        return [values[row] for row in rows.tolist()]
    if hasattr(values, "to_pylist"):  # pyarrow
        return values.take(rows)
    return values[rows]


class UnreadableError(TypeError):
    """The batch has no shape of rows and columns that driftmeter knows."""


def tabulate(data: Any, *, names: Sequence[str] = (), max_columns: int = 500) -> Table:
    """Return ``data`` as a table.

    Args:
        data: A pandas, polars or pyarrow table, a numpy array of one or two dimensions, a scipy sparse matrix, a
            mapping of columns, a list of mappings, of records (dataclasses and the like), of rows or of values, or
            anything that numpy can make an array of.
        names: The columns' names where the data has none; used when their number fits.
        max_columns: Columns beyond are left out.

    Raises:
        UnreadableError: The data is none of these.
    """
    if type(data) is np.ndarray:
        return _array(data, names, max_columns)
    for module, read in (("pandas", _pandas), ("polars", _polars), ("pyarrow", _pyarrow), ("scipy.sparse", _sparse)):
        if module in sys.modules:
            table = read(sys.modules[module], data, max_columns)
            if table is not None:
                return table if table.names else _named(table, names)
    if isinstance(data, Mapping):
        return _mapping(data, max_columns)
    if isinstance(data, list | tuple):
        return _sequence(data, names, max_columns)
    if isinstance(data, np.ma.MaskedArray):
        return _array(_unmasked(data), names, max_columns)
    if hasattr(data, "__array__"):
        return _array(_in_memory(data), names, max_columns)
    raise UnreadableError(f"rows must come as a table, an array or a list; got {type(data).__name__}")


def _in_memory(data: Any) -> AnyArray:
    """Return as an array what holds its values in memory.

    What has ``__array__`` and no more may compute its values or read them from a file, as dask, xarray and h5py do:
    the model will do that once, and must not have to do it twice.
    """
    kind = type(data).__name__
    if not any(hasattr(data, protocol) for protocol in _PROTOCOLS_OF_MEMORY) and not _has_buffer(data):
        raise UnreadableError(f"rows of type {kind} are not read: they may be computed by reading them")
    try:
        return np.asarray(data)
    except Exception as error:
        # A tensor on a device, say: whatever its class raises.
        raise UnreadableError(f"rows of type {kind} give no array: {error}") from error


def _has_buffer(data: Any) -> bool:
    try:
        memoryview(data).release()
    except (TypeError, BufferError):
        return False
    return True


def _unmasked(data: Any) -> AnyArray:
    """Return a masked array's values with nulls where it is masked."""
    if data.dtype.kind in _PLAIN[:4]:
        filled: AnyArray = data.astype(np.float64).filled(np.nan)
        return filled
    objects: AnyArray = data.astype(object).filled(None)
    return objects


def _named(table: Table, names: Sequence[str]) -> Table:
    found, named = _fitting(names, len(table.columns))
    return Table(found, table.rows, None, table.columns, named=named)


def _fitting(names: Sequence[str], width: int) -> tuple[Names, bool]:
    """Return names for so many columns, and whether they are those that were given."""
    if len(names) < width:
        return _made_up(width), False
    return Names.of(names if len(names) == width else names[:width]), True


@lru_cache(maxsize=256)
def _made_up(width: int) -> Names:
    return Names(f"f{i}" for i in range(width))


@lru_cache(maxsize=256)
def _unique(names: tuple[str, ...]) -> Names:
    """Return the names cleaned, those that others had before with a number; calls mostly come with the same ones."""
    cleaned = Names(map(clean_name, names))
    taken = set(cleaned)
    if len(taken) == len(names):
        return cleaned
    found: dict[str, None] = {}
    numbers: Counter[str] = Counter()
    for name in cleaned:
        unique = name
        while unique in found or (unique != name and unique in taken):
            numbers[name] += 1
            unique = clean_name(f"{name}.{numbers[name]}")
        found[unique] = None
    return Names(found)


def _array(array: AnyArray, names: Sequence[str], max_columns: int) -> Table:
    if array.ndim == 0 or array.dtype.names is not None:
        raise UnreadableError(f"an array must have rows and plain values; got shape {array.shape}, type {array.dtype}")
    if array.ndim != 2:
        array = array.reshape(len(array), -1) if array.size else array.reshape(len(array), *array.shape[1:2] or (1,))
    rows, width = array.shape
    if width > max_columns:
        array, width = array[:, :max_columns], max_columns
    found, named = _fitting(names, width)
    return Table(found, rows, array, named=named)


def _is(module: Any, data: Any, *names: str) -> bool:
    """Whether the data is of one of the module's classes; a module still being imported has none."""
    return any(isinstance(data, getattr(module, name, ())) for name in names)


def _pandas(pandas: Any, data: Any, max_columns: int) -> Table | None:
    if _is(pandas, data, "Series"):
        return Table((data.name,) if data.name is not None else (), len(data), columns=(_held(data),))
    if not _is(pandas, data, "DataFrame"):
        return None
    names = tuple(data.columns.tolist()[:max_columns])
    if len(data) <= SMALL or _is_plain(data):
        # One array of all columns: for a few rows much cheaper than a Series of each, even where it holds objects.
        return Table(names, len(data), matrix=data.to_numpy()[:, :max_columns])
    return Table(names, len(data), columns=tuple(_held(column) for _, column in islice(data.items(), max_columns)))


def _is_plain(data: Any) -> bool:
    """Whether all columns are of one type of numpy's: of any other pandas would make an object of each value first."""
    types = set(data.dtypes)
    only = types.pop() if len(types) == 1 else None
    return isinstance(only, np.dtype) and only.kind in _PLAIN


def _held(series: Any) -> Any:
    """Return the array that a pandas series holds: to cut rows out of it costs a tenth of cutting the series."""
    # Of times, numpy's array would give Python numbers where pandas' gives times.
    plain = isinstance(series.dtype, np.dtype) and series.dtype.kind not in "mM"
    return series.to_numpy() if plain else series.array


def _polars(polars: Any, data: Any, max_columns: int) -> Table | None:
    if _is(polars, data, "Series"):
        return Table((data.name,) if data.name else (), len(data), columns=(data,))
    if not _is(polars, data, "DataFrame"):
        return None
    names = tuple(data.columns[:max_columns])
    return Table(names, data.height, columns=tuple(data.get_column(name) for name in names))


def _pyarrow(pyarrow: Any, data: Any, max_columns: int) -> Table | None:
    if not _is(pyarrow, data, "Table", "RecordBatch"):
        return None
    names = tuple(data.schema.names[:max_columns])
    return Table(names, data.num_rows, columns=tuple(data.column(i) for i in range(len(names))))


def _sparse(sparse: Any, data: Any, max_columns: int) -> Table | None:
    if not sparse.issparse(data):
        return None
    # Only the watched columns become dense, column by column as they are read.
    narrow = data.tocsc()[:, :max_columns]
    return Table((), narrow.shape[0], columns=tuple(_SparseColumn(narrow, i) for i in range(narrow.shape[1])))


@dataclass(frozen=True, slots=True)
class _SparseColumn:
    """One column of a sparse matrix, made dense when numpy asks for it."""

    matrix: Any
    at: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """The values' type."""
        dtype: np.dtype[Any] = self.matrix.dtype
        return dtype

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    def __getitem__(self, rows: slice | Int64Array) -> AnyArray:
        values: AnyArray = np.asarray(self)[rows]
        return values

    def __array__(self, dtype: Any = None, copy: Any = None) -> AnyArray:
        return np.asarray(self.matrix[:, [self.at]].toarray().ravel(), dtype=dtype)


def _mapping(data: Mapping[Any, Any], max_columns: int) -> Table:
    items = list(data.items())[:max_columns]
    columns = tuple(values if _is_column(values) else [values] for _, values in items)
    lengths = {len(column) for column in columns}
    if len(lengths) > 1:
        raise UnreadableError(f"columns must have one length; got {sorted(lengths)}")
    return Table(tuple(name for name, _ in items), lengths.pop() if lengths else 0, columns=columns)


def _is_column(values: Any) -> bool:
    return (
        hasattr(values, "__len__") and not isinstance(values, str | bytes | Mapping) and getattr(values, "ndim", 1) > 0
    )


def _sequence(data: Sequence[Any], names: Sequence[str], max_columns: int) -> Table:
    if not data:
        return Table(tuple(names[:max_columns]), 0, columns=tuple([] for _ in names[:max_columns]))
    first = as_mapping(data[0])
    if isinstance(first, Mapping):
        if first is not data[0]:
            data = [as_mapping(row) for row in data]
        if not all(isinstance(row, Mapping) for row in data):
            raise UnreadableError("rows must all be mappings when the first one is")
        keys = list(dict.fromkeys(key for row in data for key in row))[:max_columns]
        return Table(tuple(keys), len(data), columns=tuple([row.get(key) for row in data] for key in keys))
    if _is_column(data[0]):
        width = len(data[0])
        if any(not _is_column(row) or len(row) != width for row in data):
            raise UnreadableError("rows must have one length")
        transposed = tuple(list(values) for values in zip(*data, strict=True))[:max_columns]
        return _named(Table((), len(data), columns=transposed), names)
    return _named(Table((), len(data), columns=(list(data),)), names)
