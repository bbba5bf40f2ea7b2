"""From one column's values, of whatever type, to what the sketches take: float64 with NaN for nulls, or a list."""

from __future__ import annotations

import contextlib
import datetime as dt
import decimal
import numbers
from typing import Any

import numpy as np

from driftmeter.schema import Kind
from driftmeter.sketches import is_missing
from driftmeter.tables._arrow import arrow_behind, without_dictionary
from driftmeter.typing import Float64Array

_NUMERIC = "biuf"
_PYTHON_NUMBERS = frozenset({float, int, bool})
_SECONDS = {"W": 604_800.0, "D": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_PARTS_OF_A_SECOND = {"ms": 1e3, "us": 1e6, "ns": 1e9, "ps": 1e12, "fs": 1e15, "as": 1e18}


def kind_of(values: Any) -> Kind | None:
    """Return the kind that a column's type, or else its values, suggest; None when all its values are nulls."""
    # pandas' extension types have numpy's kinds too.
    if getattr(getattr(values, "dtype", None), "kind", "O") in "biufmM":
        return "numeric"
    for value in _as_list(values):
        if not is_missing(value):
            return "numeric" if _is_number(value) else "categorical"
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real | np.bool_ | decimal.Decimal | dt.date | dt.timedelta)


def _number(value: Any) -> float:
    if isinstance(value, dt.datetime):
        return (value if value.tzinfo else value.replace(tzinfo=dt.timezone.utc)).timestamp()
    if isinstance(value, dt.date):
        return (value - dt.date(1970, 1, 1)).days * 86400.0
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    return float(value)


def _numpy_dtype(values: Any) -> np.dtype[Any] | None:
    dtype = getattr(values, "dtype", None)
    return dtype if isinstance(dtype, np.dtype) and dtype.kind != "O" else None


def to_float64(values: Any) -> tuple[Float64Array, int]:
    """Return a column as float64, and how many of its values are of a wrong type (they are NaN there too).

    Times become seconds.
    """
    dtype = _numpy_dtype(values)
    if dtype is not None and dtype.kind in _NUMERIC:
        return np.asarray(values, dtype=np.float64), 0
    if dtype is not None and dtype.kind in "mM":
        return _seconds(np.asarray(values)), 0
    array = _extension_array(values)
    if array is not None:
        return array, 0
    return _from_objects(_as_list(values))


def _seconds(times: Any) -> Float64Array:
    # In the unit that they are in: a year such as 9999 is beyond 64 bits of nanoseconds.
    unit, count = np.datetime_data(times.dtype)
    if unit not in _SECONDS and unit not in _PARTS_OF_A_SECOND:  # months and years
        times, unit, count = times.astype(f"{times.dtype.kind}8[s]"), "s", 1
    units = times.astype(np.int64) * float(count)
    seconds = units * _SECONDS[unit] if unit in _SECONDS else units / _PARTS_OF_A_SECOND[unit]
    return np.where(np.isnat(times), np.nan, seconds)


def _extension_array(values: Any) -> Float64Array | None:
    """Return a pandas, polars or pyarrow column of numbers as float64, nulls as NaN; None when it is not one."""
    if hasattr(values, "isna"):  # pandas: a series, or the array in it
        kind = getattr(values.dtype, "kind", "O")
        if kind in _NUMERIC and not isinstance(values.dtype, np.dtype):
            array: Float64Array = values.to_numpy(dtype=np.float64, na_value=np.nan)
            return array
        return _zoned_seconds(values, kind) if kind in "mM" else None
    if hasattr(values, "null_count"):
        try:
            array = np.asarray(values.to_numpy())
        except (ValueError, TypeError, NotImplementedError):
            return None
        if array.dtype.kind in "mM":
            return _seconds(array)
        return array.astype(np.float64) if array.dtype.kind in _NUMERIC else None
    return None


def _zoned_seconds(values: Any, kind: str) -> Float64Array | None:
    unit = getattr(values.dtype, "unit", "ns")
    try:
        return _seconds(np.asarray(values, dtype=f"{kind}8[{unit}]"))
    except (ValueError, TypeError, OverflowError):
        return None


def _from_objects(values: list[Any]) -> tuple[Float64Array, int]:
    if _PYTHON_NUMBERS.issuperset(map(type, values)):  # as nearly all are
        with contextlib.suppress(OverflowError):  # an integer beyond float64
            return np.array(values, dtype=np.float64), 0
    out = np.full(len(values), np.nan)
    mismatched = 0
    for i, value in enumerate(values):
        try:
            if type(value) in _PYTHON_NUMBERS:  # nearly all; NaN stays NaN
                out[i] = value
            elif is_missing(value):
                continue
            elif _is_number(value):
                out[i] = _number(value)
            else:
                mismatched += 1
        except (ArithmeticError, ValueError):  # an integer beyond float64, a signalling NaN
            out[i] = np.inf
    return out, mismatched


def to_categories(values: Any) -> list[Any]:
    """Return a column as a list of Python objects, nulls among them."""
    return _as_list(values)


def _as_list(values: Any) -> list[Any]:
    if isinstance(values, list):
        return values
    arrow = None if type(values) is np.ndarray else arrow_behind(values)
    if arrow is not None:
        # Their own ways to a list make an object that stands for each value first.
        return list(without_dictionary(arrow).to_pylist())
    for method in ("tolist", "to_list", "to_pylist"):
        if hasattr(values, method):
            return list(getattr(values, method)())
    return np.asarray(values).tolist() if hasattr(values, "__array__") else list(values)
