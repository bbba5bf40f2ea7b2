"""Categories as codes: places in a list of names, which cost a fraction of Python objects to copy and to count."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from driftmeter.tables._arrow import arrow_behind, without_dictionary
from driftmeter.typing import AnyArray

_FEW: Final = 4


@dataclass(frozen=True, slots=True)
class Coded:
    """Categories as pandas holds them: ``codes`` are places in ``names``, -1 a null."""

    codes: AnyArray
    names: list[Any]


def to_codes(values: Any) -> Coded | None:
    """Return a copy of a column's codes and its categories, where its library has codes or makes them fast.

    That is a pandas Categorical column, and any of texts or dictionaries that are Arrow's. None for any other, and
    where there are more categories than values: then the values are the lesser part.
    """
    if type(values) is np.ndarray or type(values) is list:
        return None
    held = getattr(values, "array", values)  # of a pandas series
    categories, codes = getattr(held, "categories", None), getattr(held, "codes", None)
    if categories is not None and codes is not None:
        return None if len(categories) > len(values) else _coded(codes, _names(categories))
    arrow = arrow_behind(values)
    if arrow is None and "pyarrow" in sys.modules and type(values).__module__.startswith("polars"):
        arrow = values.to_arrow()
    return None if arrow is None else _arrow_codes(arrow)


def _names(categories: Any) -> list[Any]:
    arrow = arrow_behind(categories)
    return list(categories.tolist() if arrow is None else arrow.to_pylist())


def _arrow_codes(column: Any) -> Coded | None:
    types = sys.modules["pyarrow"].types
    if types.is_dictionary(column.type):
        encoded = _whole(column.unify_dictionaries() if hasattr(column, "unify_dictionaries") else column)
        if len(encoded.dictionary) > len(column):
            encoded = _whole(without_dictionary(column).dictionary_encode())
    elif types.is_string(column.type) or types.is_large_string(column.type):
        encoded = _whole(column.dictionary_encode())
    else:
        return None
    codes = encoded.indices
    if codes.null_count:
        codes = codes.cast("int64").fill_null(-1)
    return _coded(codes.to_numpy(zero_copy_only=False), encoded.dictionary.to_pylist())


def _whole(column: Any) -> Any:
    """Return an Arrow column in one piece."""
    return column.combine_chunks() if hasattr(column, "combine_chunks") else column


def _coded(codes: AnyArray, names: Sequence[Any]) -> Coded:
    # In a type of one byte, mostly: many are kept until they are counted.
    return Coded(codes.astype(np.min_scalar_type(-1 - len(names))), list(names))


def to_known_codes(values: Any, categories: AnyArray) -> Coded | None:
    """Return a plain array's codes among sorted categories; None where a value is none of them.

    It costs a fraction of making Python objects and counting those.
    """
    if type(values) is not np.ndarray or values.dtype.kind != categories.dtype.kind or values.dtype.kind not in "biufU":
        return None
    if len(categories) > _FEW:
        codes = np.searchsorted(categories, values)
        return _coded(codes, categories.tolist()) if (categories.take(codes, mode="clip") == values).all() else None
    return _few_codes(values, categories)


def _few_codes(values: AnyArray, categories: AnyArray) -> Coded | None:
    """Do the same for a few categories: to compare all values with each takes half the time of looking them up."""
    equal = [values == categories[place : place + 1] for place in range(len(categories))]
    if sum(map(np.count_nonzero, equal)) != len(values):
        return None
    # Of two categories, as most models have, the comparison with the second one gives the codes.
    codes = equal[1].view(np.int8) if len(equal) > 1 else np.zeros(len(values), dtype=np.int8)
    for place in range(2, len(equal)):
        codes += equal[place] * np.int8(place)
    return Coded(codes, categories.tolist())
