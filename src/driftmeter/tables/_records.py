"""Rows that are objects with named fields: named tuples, dataclasses, and the classes of pydantic and attrs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


def as_mapping(row: Any) -> Any:
    """Return such an object as a mapping, and anything else as it is; none of these libraries is imported."""
    if isinstance(row, Mapping):
        return row
    names = _fields(row)
    return {name: getattr(row, name, None) for name in names} if names else row


def _fields(row: Any) -> tuple[str, ...]:
    cls = type(row)
    if dataclasses.is_dataclass(cls):
        return tuple(field.name for field in dataclasses.fields(cls))
    if isinstance(row, tuple):
        return tuple(getattr(cls, "_fields", ()))
    # pydantic's, by name; attrs', which have names.
    for attribute in ("model_fields", "__attrs_attrs__"):
        found = getattr(cls, attribute, None)
        if isinstance(found, Mapping | tuple):
            return tuple(str(getattr(one, "name", one)) for one in found)
    return ()
