"""Rows recorded by hand, without a call to watch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from driftmeter.recorder import Registry, guard
from driftmeter.schema import Model, Role
from driftmeter.tables import Table, tabulate


def record_rows(
    registry: Registry, model: Model, features: Any, outputs: Mapping[Role, Any], *, names: Sequence[str] = ()
) -> None:
    """Record features and outputs of one batch; trouble is counted, never raised."""
    with guard:
        tables: list[tuple[Role, Table]] = [("feature", tabulate(features, names=names))]
        for role, values in outputs.items():
            if values is not None:
                table = tabulate(values)
                if len(table.names) == 1 and not isinstance(values, Mapping) and not hasattr(values, "columns"):
                    table = replace(table, names=(role,))
                tables.append((role, table))
        recorder = registry.recorder(model)
        if recorder is not None:
            recorder.record(tables)
