"""Rows recorded by hand, without a call to watch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from driftmeter import semconv
from driftmeter.instrumentation._instruments import instruments
from driftmeter.otlp import model_attributes
from driftmeter.recorder import Registry, guard
from driftmeter.schema import Model, Role
from driftmeter.tables import Table, UnreadableError, tabulate


def record_rows(
    registry: Registry, model: Model, features: Any, outputs: Mapping[Role, Any], *, names: Sequence[str] = ()
) -> None:
    """Record features and outputs of one batch; trouble is counted or told in the log, never raised."""
    with guard:
        try:
            width = registry.config.max_columns + 1
            tables: list[tuple[Role, Table]] = [("feature", tabulate(features, names=names, max_columns=width))]
            tables += [(role, _output(role, values)) for role, values in outputs.items() if values is not None]
        except UnreadableError as error:
            instruments().unreadable.add(1, model_attributes(model))
            registry.tell_unreadable(model, str(error))
            return
        recorder = registry.recorder(model)
        if recorder is not None:
            registry.record(recorder, tables)
        attributes = {**model_attributes(model), semconv.ML_OPERATION_NAME: "record"}
        instruments().calls(attributes).add_rows(tables[0][1].rows)


def _output(role: Role, values: Any) -> Table:
    table = tabulate(values)
    if len(table.names) == 1 and not isinstance(values, Mapping) and not hasattr(values, "columns"):
        return replace(table, names=(role,))
    return table
