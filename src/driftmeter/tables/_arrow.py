"""Arrow columns, and those of pandas that are Arrow's inside; pyarrow is never imported here."""

from __future__ import annotations

import sys
from typing import Any


def arrow_behind(values: Any) -> Any:
    """Return the pyarrow array, chunked or not, that a column is or that a pandas one holds; None if there is none."""
    pyarrow = sys.modules.get("pyarrow")
    if pyarrow is None:
        return None
    if isinstance(values, (getattr(pyarrow, "Array", ()), getattr(pyarrow, "ChunkedArray", ()))):
        return values
    dtype = getattr(values, "dtype", None)
    # `string[pyarrow]`, `str`, and every `ArrowDtype`.
    if getattr(dtype, "storage", None) != "pyarrow" and not hasattr(dtype, "pyarrow_dtype"):
        return None
    held = getattr(values, "array", values)  # of a series
    return held.__arrow_array__() if hasattr(held, "__arrow_array__") else None


def without_dictionary(column: Any) -> Any:
    """Return an Arrow column's values as they are, where it holds places in a dictionary."""
    value_type = getattr(column.type, "value_type", None)
    return column if value_type is None or not hasattr(column.type, "index_type") else column.cast(value_type)
