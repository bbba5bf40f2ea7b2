"""Tensors of PyTorch, seen as rows: without a copy, without a computation, and without waiting for a device.

========================  ==========================================================
the model's first input   its columns
========================  ==========================================================
2-d, of numbers           one a column
2-d, of integers          none where the model has an embedding: they are ids of words or items
3-d and more              none, its first dimension is the number of rows
a mapping of 1-d tensors  one a key
a list of tensors         none, one row each
========================  ==========================================================
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from driftmeter.schema import Role
from driftmeter.tables import Names, Table
from driftmeter.typing import AnyArray

MAX_SCORES: Final = 20
"""Columns of a model's output that are scores of their own; a wider one, an embedding say, is not recorded."""

_PREDICTION: Final = Names.of(("prediction",))
_SCORES: Final = {width: Names.of(f"score.{i}" for i in range(width)) for width in range(2, MAX_SCORES + 1)}


def first_input(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return what a module was called with: its first argument that is a tensor, a mapping or a list."""
    for value in args or kwargs.values():
        if is_tensor(value) or isinstance(value, Mapping | list | tuple):
            return value
    return None


def is_tensor(value: Any) -> bool:
    """Whether this is a tensor of PyTorch, which is not imported for that."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def is_ids(tensor: Any) -> bool:
    """Whether a tensor may hold ids of words or items: two dimensions of integers."""
    return tensor.ndim == 2 and not tensor.dtype.is_floating_point


def rows_alone(count: Any) -> AnyArray | None:
    """Return so many rows without a column; None for a number that is not known, as while a model is exported."""
    return np.empty((count, 0)) if type(count) is int else None


def rows_of(source: Any) -> Any:
    """Return the rows of a model's first input for `driftmeter.tables.tabulate`; None when it has none."""
    if is_tensor(source):
        array = as_array(source) if source.ndim == 2 else None
        return rows_alone(source.shape[0]) if array is None and source.ndim >= 2 else array
    if isinstance(source, Mapping):
        return _rows_of_columns(source)
    if isinstance(source, list | tuple) and source and all(map(is_tensor, source)):
        return rows_alone(len(source))
    return None


def _rows_of_columns(columns: Mapping[Any, Any]) -> Any:
    tensors = {name: value for name, value in columns.items() if is_tensor(value) and value.ndim}
    if not tensors:
        return None
    first = next(iter(tensors.values()))
    arrays = {name: as_array(value) for name, value in tensors.items() if value.ndim == 1 and len(value) == len(first)}
    if len(arrays) == len(columns) and all(array is not None for array in arrays.values()):
        return arrays
    return rows_alone(first.shape[0])


def as_array(tensor: Any) -> AnyArray | None:
    """Return a tensor's own memory as an array; None where it has none here: on a device, sparse, in a transform.

    Numpy knows no bfloat16, so those values are converted.
    """
    torch = sys.modules["torch"]
    if tensor.device.type != "cpu" or tensor.layout is not torch.strided:
        return None
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
        # A subclass says by itself what reading it means: a fake one has no values, a distributed one gathers them.
        return None
    try:
        if tensor.requires_grad:
            tensor = tensor.detach()
        array: AnyArray = (tensor.float() if tensor.dtype is torch.bfloat16 else tensor).numpy()
    except (RuntimeError, TypeError):
        return None
    return array if array.dtype.kind in "biuf" else None


def predicted(result: Any) -> Any:
    """Return the tensor of a module's output that holds its predictions; None when there is none.

    It is the output itself, its ``logits``, or the first of a tuple.
    """
    if not is_tensor(result):
        if isinstance(result, Mapping):
            result = result.get("logits")
        elif isinstance(result, list | tuple):
            result = result[0] if result else None
        else:
            result = getattr(result, "logits", None)
    return result if is_tensor(result) and is_recorded(result.shape) else None


def is_recorded(shape: tuple[int, ...]) -> bool:
    """Whether outputs of this shape are recorded: a value a row, or a few scores."""
    return len(shape) == 1 or (len(shape) == 2 and 1 <= shape[1] <= MAX_SCORES)


def output_table(array: AnyArray) -> tuple[Role, Table]:
    """Return outputs of one column as predictions, of more as scores; whole numbers are classes."""
    width = array.shape[1] if array.ndim == 2 else 1
    if width > 1:
        return "score", Table(_SCORES[width], len(array), array)
    column = array.reshape(-1)
    if column.dtype.kind == "f":
        return "prediction", Table(_PREDICTION, len(column), column.reshape(-1, 1))
    return "prediction", Table(_PREDICTION, len(column), None, (column,), "categorical")
