"""What one call of a PyTorch module tells: its rows and its outputs, at once or when a device has copied them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from driftmeter.instrumentation import _tensors
from driftmeter.instrumentation._device_copies import DeviceCopies, Slot
from driftmeter.instrumentation._gpu_of import cuda_ordinal, parameters_device
from driftmeter.instrumentation._parameters import shapes_of
from driftmeter.recorder import Identity, ModelRecorder, Registry, active
from driftmeter.schema import Role
from driftmeter.tables import Table, tabulate
from driftmeter.typing import AnyArray

_LOOKS_UP: Final = frozenset({"Embedding", "EmbeddingBag"})


class TorchCall:
    """What one call of a module tells; a `Framework`, and a new one for each call."""

    name = "torch"

    def __init__(self, module: Any, copies: DeviceCopies | None) -> None:
        self._module = module
        self._copies = copies
        self._slot: Slot | None = None
        self._has_asked = False
        self._roles: list[Role] = []
        self._ordinal: int | None = None

    def features(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the first input's rows; of a tensor on a device their number, while a copy is under way."""
        source = _tensors.first_input(args, kwargs)
        self._ordinal = cuda_ordinal(getattr(source, "device", None))
        if _tensors.is_tensor(source) and source.ndim == 2:
            if _tensors.is_ids(source) and _looks_up(self._module):
                return _tensors.rows_alone(source.shape[0])
            self._copy(source, "feature")
        return _tensors.rows_of(source)

    def feature_names(self, model: Any) -> Sequence[str]:  # noqa: ARG002  # modules know none
        """Return no names; those of the model's baseline are used."""
        return ()

    def identity(self, model: Any) -> Identity:
        """Return the class's name, of a scripted module the one that it was written as, and its parameters' shapes."""
        class_name = str(getattr(model, "original_name", "")) or type(model).__name__
        return Identity(class_name, trained_on=shapes_of(model.parameters()))

    def device(self, model: Any) -> int | None:
        """Return the number of the CUDA device that the input is on, else that of the module's first parameter."""
        if self._ordinal is not None or self._copies is None:
            return self._ordinal
        return parameters_device(model)

    def outputs(self, model: Any, operation: str, result: Any) -> list[tuple[Role, Table]]:  # noqa: ARG002
        """Return a column of predictions, or up to twenty of scores; what is on a device comes later."""
        tensor = _tensors.predicted(result)
        if tensor is None:
            return []
        array = _tensors.as_array(tensor)
        if array is None or self._is_on_device(tensor):
            self._copy(tensor, "score")
            return []
        return [_tensors.output_table(array)]

    def _is_on_device(self, tensor: Any) -> bool:
        return self._copies is not None and tensor.device.type == self._copies.kind

    def _copy(self, tensor: Any, role: Role) -> None:
        if self._copies is None or not self._is_on_device(tensor) or tensor.is_complex():
            return
        if not self._has_asked:
            self._has_asked = True
            self._slot = self._copies.take()
        if self._slot is not None and self._slot.put(tensor):
            self._roles.append(role)

    def end(self, model: Any, *, succeeded: bool) -> None:
        """Let what was copied from a device be recorded when it is there; of a call that failed nothing is."""
        if self._copies is None or self._slot is None:
            return
        registry = active()
        bound = registry.bound(model) if registry is not None and succeeded else None
        recorder = bound.recorder if bound is not None else None
        roles = tuple(self._roles)

        def deliver(arrays: Sequence[AnyArray]) -> None:
            if registry is not None and recorder is not None:
                tables = [_table(registry, recorder, role, array) for role, array in zip(roles, arrays, strict=True)]
                registry.record(recorder, tables)

        self._copies.leave(self._slot, deliver if recorder is not None else None)


def _table(registry: Registry, recorder: ModelRecorder, role: Role, array: AnyArray) -> tuple[Role, Table]:
    if role != "feature":
        return _tensors.output_table(array)
    table = tabulate(array, max_columns=registry.config.max_columns + 1)
    return role, table if table.named else registry.with_baseline_names(table, recorder.model)


def _looks_up(module: Any) -> bool:
    """Whether a module has an embedding, so that whole numbers are ids; found out once a module."""
    registry = active()
    bound = registry.bound(module) if registry is not None else None
    known: bool | None = None if bound is None else bound.kept.get(_LOOKS_UP)
    if known is None:
        names = {getattr(part, "original_name", type(part).__name__) for part in module.modules()}
        known = not _LOOKS_UP.isdisjoint(names)
        if bound is not None:
            bound.kept[_LOOKS_UP] = known
    return known
