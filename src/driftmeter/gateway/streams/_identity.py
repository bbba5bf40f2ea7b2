"""Whose points they are: the service that sent them, and the stream that each belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from driftmeter.schema import Column, Model


class Service(NamedTuple):
    """What replicas have in common, by their resource attributes; what is not told is empty."""

    namespace: str
    name: str
    environment: str


ShardKey: TypeAlias = tuple[Service, Model]
"""A model, all of its segments included, in a service: the unit of state."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """What the points of a stream are called, read once.

    Attributes:
        key: Stands for the metric and the attributes, in whatever order these come.
        model: The model, or one of its segments.
        whole: The model of all rows.
        column: The column.
        metric: The metric's name.
        detail: What tells this series of the column from others of the metric: a part, a category or a check.
    """

    key: bytes
    model: Model
    whole: Model
    column: Column
    metric: str
    detail: str
