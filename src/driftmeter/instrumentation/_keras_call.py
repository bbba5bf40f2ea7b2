"""What one call of a Keras model tells, whichever backend computes it.

Tensors are read where their values lie in this process's memory and are there already; what is on a device, is being
computed, or is read lazily (a ``tf.data.Dataset``, a generator, a ``PyDataset``) is left alone.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from driftmeter.instrumentation import _tensors
from driftmeter.instrumentation._keras_device import leading_weight, weights_device
from driftmeter.instrumentation._known import Known
from driftmeter.instrumentation._parameters import shapes_of
from driftmeter.recorder import Identity, active
from driftmeter.schema import Role
from driftmeter.tables import Names, Table
from driftmeter.typing import AnyArray

_LAYERS: Final = "driftmeter.keras.layers"
_WEIGHT: Final = "driftmeter.keras.weight"
_READS_IDS: Final = "Embedding"
_READS_TEXTS: Final = "TextVectorization"
_CAPITALS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_COMPUTED: Final = ("tensorflow.", "jax", "jaxlib", "torch")


class KerasCall:
    """One call of a model; a `Framework`, and a new one for each call."""

    name = "keras"

    def __init__(self, model: Any) -> None:
        self._model = model
        self._is_lazy = False

    def features(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the rows of what was called with, or their number alone."""
        source = args[0] if args else kwargs.get("x", kwargs.get("inputs"))
        if isinstance(source, Mapping):
            return self._mapping(source)
        if isinstance(source, list | tuple):
            # Several inputs; rows that have no names of their own cannot be told from those of the others.
            return _rows_alone(source[0]) if source else None
        if not hasattr(source, "shape"):
            self._is_lazy = True
            return source
        return self._readable(source)

    def _readable(self, source: Any) -> Any:
        array = in_memory(source)
        if array is None or len(source.shape) > 2 or self._is_looked_up(array):
            return _rows_alone(source)
        return array

    def _mapping(self, source: Mapping[Any, Any]) -> Any:
        columns: dict[Any, Any] = {}
        for name, value in source.items():
            array = in_memory(value)
            shape: tuple[int, ...] = getattr(array, "shape", ())
            is_column = len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)
            if is_column and not self._is_looked_up(array, ids=False):
                columns[name] = array.reshape(-1) if _is_array(array) else array
        return columns or _rows_alone(next(iter(source.values()), None))

    def _is_looked_up(self, array: Any, *, ids: bool = True) -> bool:
        """Whether values are ids of words or items, or texts, by the layers that the model has."""
        kind = getattr(getattr(array, "dtype", None), "kind", "")
        if kind in "iu":
            return ids and _READS_IDS in _layers(self._model)
        return kind in "OUS" and _READS_TEXTS in _layers(self._model)

    def feature_names(self, model: Any) -> Sequence[str]:  # noqa: ARG002
        """Return no names; a mapping has its own, and else those of the model's baseline are used."""
        return ()

    def identity(self, model: Any) -> Identity:
        """Return the name that the model was given, its class, and its weights' shapes; names made up count as none."""
        kind = type(model).__name__
        given = str(getattr(model, "name", "") or kind)
        made_up = "|".join({_CAPITALS.sub("_", kind).lower(), "model", "sequential", "functional"})
        name = "" if re.fullmatch(rf"({kind}|{made_up})(_\d+)?", given) else given
        return Identity(kind, name, trained_on=shapes_of(model.weights))

    def device(self, model: Any) -> int | None:
        """Return the number of the CUDA device that the model's weights are on."""
        return weights_device(_weight(model))

    def outputs(self, model: Any, operation: str, result: Any) -> list[tuple[Role, Table]]:
        """Return a column of predictions, up to twenty of scores, or one a named or numbered output."""
        if isinstance(result, Mapping | list | tuple):
            named = result.items() if isinstance(result, Mapping) else enumerate(result)
            return _several({f"prediction.{name}": in_memory(value) for name, value in named})
        array = in_memory(result)
        if not _is_array(array) or array.dtype.kind not in "biuf" or not _tensors.is_recorded(array.shape):
            return []
        self._count(model, operation, len(array))
        return [_tensors.output_table(array)]

    def _count(self, model: Any, operation: str, rows: int) -> None:
        """Count the rows of a lazily read input by its answers."""
        registry = active()
        bound = registry.bound(model) if registry is not None and self._is_lazy else None
        known: Known | None = bound.kept.get(operation) if bound is not None else None
        if known is not None:
            known.calls.add_rows(rows)


def _several(outputs: Mapping[str, Any]) -> list[tuple[Role, Table]]:
    columns = {
        name: array.reshape(-1)
        for name, array in outputs.items()
        if _is_array(array) and array.dtype.kind in "biuf" and array.size == len(array)
    }
    rows = {len(column) for column in columns.values()}
    if len(rows) != 1 or len(columns) > _tensors.MAX_SCORES:
        return []
    return [("prediction", Table(Names.of(columns), rows.pop(), columns=tuple(columns.values())))]


def in_memory(value: Any) -> Any:
    """Return a tensor's values as an array without copying or waiting for them, None where that cannot be.

    What is no tensor, an array or a table say, is returned as it is.
    """
    module = type(value).__module__
    if not module.startswith(_COMPUTED):
        return value if hasattr(value, "shape") else None
    if _tensors.is_tensor(value):
        return _tensors.as_array(value)
    if not _is_here(value):
        return None
    array = np.asarray(value)
    return array if array.dtype.kind in "biufOUS" else None


def _is_here(value: Any) -> bool:
    """Whether an eager tensor of TensorFlow or JAX has its values in this process's memory now."""
    is_ready = getattr(value, "is_ready", None)
    if callable(is_ready):
        return bool(is_ready()) and all(device.platform == "cpu" for device in value.devices())
    return hasattr(value, "numpy") and "CPU" in str(getattr(value, "device", ""))


def is_symbolic(value: Any) -> bool:
    """Whether a value stands for tensors that come later, while a model is built or traced."""
    if isinstance(value, Mapping):
        return any(map(is_symbolic, value.values()))
    if isinstance(value, list | tuple):
        return any(map(is_symbolic, value))
    return any(cls.__name__ in {"KerasTensor", "SymbolicTensor", "Tracer"} for cls in type(value).__mro__)


def is_traced() -> bool:
    """Whether TensorFlow is building a graph."""
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and not tensorflow.executing_eagerly()


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray)


def _rows_alone(value: Any) -> AnyArray | None:
    shape = getattr(value, "shape", None)
    if not shape:
        return None
    return _tensors.rows_alone(shape[0])


def _weight(model: Any) -> Any:
    """Return a weight that is where the model computes, looked for once a model: large ones have hundreds."""
    registry = active()
    bound = registry.bound(model) if registry is not None else None
    weight = None if bound is None else bound.kept.get(_WEIGHT)
    if weight is None:
        weight = leading_weight(model)
        if bound is not None:
            bound.kept[_WEIGHT] = weight
    return weight


def _layers(model: Any) -> frozenset[str]:
    """Return the classes of a model's layers, found out once a model."""
    registry = active()
    bound = registry.bound(model) if registry is not None else None
    known: frozenset[str] | None = None if bound is None else bound.kept.get(_LAYERS)
    if known is None:
        known = frozenset(_names(model, set()))
        if bound is not None:
            bound.kept[_LAYERS] = known
    return known


def _names(layer: Any, seen: set[int]) -> set[str]:
    names = {type(layer).__name__}
    for part in getattr(layer, "layers", None) or getattr(layer, "_layers", None) or ():
        if id(part) not in seen:
            seen.add(id(part))
            names |= _names(part, seen)
    return names
