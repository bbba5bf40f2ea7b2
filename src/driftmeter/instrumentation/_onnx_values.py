"""What goes into an ONNX Runtime session and comes out of it, as rows and tables; nothing is copied from a device."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

import numpy as np

from driftmeter.instrumentation._onnx_told import NUMBER, Told
from driftmeter.instrumentation.sklearn import MAX_CLASSES
from driftmeter.schema import Kind, Role
from driftmeter.sketches import category_name
from driftmeter.tables import Names, Table
from driftmeter.typing import AnyArray

_NOT_WAITING: Final = "disable_synchronize_execution_providers"


def rows_of(told: Told, feed: Mapping[str, Any]) -> tuple[Any, Sequence[str]]:
    """Return the rows of a feed, and the names that its inputs give; of what is no table their number alone.

    A single input is its columns. Several have one number of rows, and each is one column or more::

        {"X": (n, 4)}                        -> the very array, f0 to f3
        {"age": (n, 1), "city": (n, 1)}      -> age, city
        {"image": (n, 3, 224, 224)}          -> n rows without columns
        {"X": (n, 4), "threshold": ()}       -> X.0 to X.3
    """
    if len(feed) == 1:
        ((name, only),) = feed.items()
        array = only if isinstance(only, list) else _array(only)
        if array is None or isinstance(array, list) or _is_table(told, name, array):
            return array, ()
        return np.empty((*array.shape[:1], 0)), ()
    arrays = {name: array for name, value in feed.items() if (array := _array(value)) is not None and array.ndim}
    tables = {name: array for name, array in arrays.items() if _is_table(told, name, array)}
    rows = {len(array) for array in (tables or arrays).values()}
    if len(rows) != 1:
        return None, ()
    if not tables:
        return np.empty((*rows, 0)), ()
    columns = columns_of(tables)
    if all(array.dtype.kind in "biuf" for array in tables.values()):
        # One copy of them all costs a fraction of what each column by itself would.
        return np.column_stack(tuple(tables.values())), tuple(columns)
    return columns, ()


def _is_table(told: Told, name: str, array: AnyArray) -> bool:
    return array.ndim in {1, 2} and name not in told.sequences


def columns_of(tables: Mapping[str, AnyArray], *, stem: str = "") -> dict[str, AnyArray]:
    """Return columns by name: an array of one column has its name, one of several numbers them."""
    columns: dict[str, AnyArray] = {}
    for name, array in tables.items():
        if array.ndim == 1:
            columns[stem + name] = array
        elif array.shape[1] == 1:
            columns[stem + name] = array[:, 0]
        else:
            columns |= {f"{stem}{name}.{at}": array[:, at] for at in range(array.shape[1])}
    return columns


def _array(value: Any) -> Any:
    """Return an input or output as an array, if it is one, or holds one in the machine's memory."""
    if type(value) is np.ndarray:
        return value
    if not hasattr(value, "device_name") or not value.is_tensor() or value.device_name() != "cpu":
        return None
    if NUMBER.fullmatch(value.data_type()) and hasattr(value, "__dlpack__"):
        return np.from_dlpack(value)  # a view
    return value.numpy()


def bound_inputs(binding: Any) -> dict[str, Any]:
    """Return what a binding knows of its inputs: arrays, and values of ONNX Runtime's; a pointer is nothing to read."""
    arrays = getattr(binding, "_numpy_obj_references", {})
    bound = getattr(binding, "_bound_inputs", arrays)
    return {name: arrays.get(name) if value is None else value for name, value in bound.items()}


def waits(options: Any) -> bool:
    """Whether a run's outputs are written when it returns; one that was told not to wait for a device says nothing."""
    try:
        return options is None or options.get_run_config_entry(_NOT_WAITING) != "1"
    except RuntimeError:  # no such entry
        return True


def bound_outputs(binding: Any, told: Told) -> tuple[Sequence[str], Sequence[Any]]:
    """Return the outputs of a binding's last run and their names, which come in the order of their first binding."""
    names = tuple(getattr(binding, "_bound_outputs", ())) or tuple(told.outputs)
    values = binding.get_outputs()
    return (names, values) if len(names) == len(values) else ((), ())


def output_tables(told: Told, values: Mapping[str, Any]) -> list[tuple[Role, Table]]:
    """Return what a run gave, as tables of rows."""
    tables: list[tuple[Role, Table]] = []
    found: dict[Role, dict[str, AnyArray]] = {"prediction": {}, "score": {}}
    for name, value in values.items():
        role = told.outputs.get(name, "prediction")
        if isinstance(value, list):
            tables += _scores_of_maps(value)
        elif (array := _array(value)) is None or not _is_table(told, name, array):
            continue
        elif role == "label":
            tables += _table("prediction", {name: array}, several=False, kind="categorical")
        else:
            found["score" if role == "score" else "prediction"][name] = array
    for column_role, arrays in found.items():
        if arrays:
            tables += _table(column_role, arrays, several=column_role in told.several)
    return tables


def _table(
    role: Role, arrays: Mapping[str, AnyArray], *, several: bool, kind: Kind | None = None
) -> list[tuple[Role, Table]]:
    """Return outputs as a table: of a single one its columns are numbered, those of several have its name too."""
    only = next(iter(arrays.values()))
    rows = len(only)
    if not several and (only.ndim == 1 or only.shape[1] == 1):  # as most models return it
        columns = (only if only.ndim == 1 else only[:, 0],)
        return [(role, Table(_named(role, ("",)), rows, None, columns, kind))]
    named = columns_of({name if several else "": array for name, array in arrays.items() if len(array) == rows})
    if not 0 < len(named) <= MAX_CLASSES:
        return []
    if role == "score" and not several and len(named) == 2:
        del named[".0"]  # it follows from the other
    elif len(arrays) == 1 and only.ndim == 2:
        return [(role, Table(_named(role, tuple(named)), rows, only, kind=kind))]
    return [(role, Table(_named(role, tuple(named)), rows, None, tuple(named.values()), kind))]


@functools.lru_cache(maxsize=256)
def _named(role: Role, names: tuple[str, ...]) -> Names:
    return Names.of([role + (name if name.startswith(".") or not name else f".{name}") for name in names])


def _scores_of_maps(maps: Sequence[Any]) -> list[tuple[Role, Table]]:
    """Return what a classifier says of each row as a map from classes to scores; of two classes the second one's."""
    if not maps or not isinstance(maps[0], dict) or len(maps[0]) > MAX_CLASSES:
        return []
    classes = tuple(maps[0])
    if len(classes) == 2:
        classes = classes[1:]
    matrix = np.array([list(map(itemgetter(one), maps)) for one in classes]).T
    return [("score", Table(_named("score", tuple(map(category_name, classes))), len(maps), matrix))]
