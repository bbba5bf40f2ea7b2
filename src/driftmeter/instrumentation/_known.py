"""What stays the same from call to call of one operation of one model object: found out once, kept with the object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from driftmeter import semconv
from driftmeter.instrumentation._looks import Looks
from driftmeter.otlp import model_attributes
from driftmeter.recorder import Bound, Registry
from driftmeter.tables import Names, Table
from driftmeter.typing import AnyArray

if TYPE_CHECKING:
    from driftmeter.instrumentation._call import Framework
    from driftmeter.instrumentation._instruments import Instruments


class _Layout:
    """The names that arrays of one width have, as long as the framework and the baselines name the same."""

    __slots__ = ("_baselines", "_told", "_width", "names")

    def __init__(self, names: Names, told: Any, baselines: object) -> None:
        self.names = names
        self._told = told
        self._baselines = baselines
        self._width = len(names)

    def fits(self, array: AnyArray, told: Any, baselines: object) -> bool:
        return (
            array.ndim == 2
            and array.shape[1] == self._width
            and array.dtype.kind != "V"
            and baselines is self._baselines
            and (
                told is self._told
                or (type(told) in _COMPARED and type(told) is type(self._told) and told == self._told)
            )
        )


_COMPARED: Final = frozenset({list, tuple})
"""What can be compared with ``==``; of arrays it must be the very same one."""


class Known:
    """One operation of one model object: its names, attributes, recorder and instruments."""

    __slots__ = (
        "_layout",
        "attributes",
        "bound",
        "calls",
        "captures",
        "instruments",
        "looks",
        "operation",
        "span_name",
    )

    def __init__(
        self,
        framework: Framework,
        operation: str,
        model: Any,
        bound: Bound,
        instruments: Instruments,
        *,
        captures: bool = False,
    ) -> None:
        recorder = bound.recorder
        self.bound = bound
        self.captures = captures
        """Whether spans tell the predictions of small batches."""
        self.looks: Looks = bound.kept.setdefault(Looks, Looks())
        """What all operations of the model looked at."""
        self.operation = operation
        self.instruments = instruments
        self.attributes: dict[str, Any] = {
            **(model_attributes(recorder.model) if recorder is not None else {}),
            semconv.ML_MODEL_FRAMEWORK: framework.name,
            semconv.ML_OPERATION_NAME: operation,
        }
        self.span_name = (
            f"{operation} {framework.identity(model).known_as if recorder is None else recorder.model.name}"
        )
        self.calls = instruments.calls(self.attributes)
        self._layout: _Layout | None = None

    def table(self, source: Any, told: Any, baselines: object) -> Table | None:
        """Return the rows as a table, if they are an array like one that was seen before."""
        layout = self._layout
        if layout is not None and type(source) is np.ndarray and layout.fits(source, told, baselines):
            return Table(layout.names, len(source), source)
        return None

    def named(self, table: Table, registry: Registry) -> Table:
        """Return rows without names under those of the model's baseline, if it has as many."""
        recorder = self.bound.recorder
        return table if table.named or recorder is None else registry.with_baseline_names(table, recorder.model)

    def remember(self, table: Table, source: Any, told: Any, baselines: object) -> None:
        """Keep what `table` needs for the next rows like these."""
        if table.matrix is source and type(table.names) is Names:
            self._layout = _Layout(table.names, told, baselines)
