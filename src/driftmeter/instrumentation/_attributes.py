"""Attributes of a framework's classes that are replaced, and put back."""

from __future__ import annotations

from typing import Any, Final

_ABSENT: Final = object()


class Replaced:
    """What was put on which class in the place of what."""

    def __init__(self) -> None:
        self._put: list[tuple[type, str, Any, Any]] = []

    def put(self, cls: type, name: str, value: Any) -> None:
        """Set a class's attribute; one that the class did not have itself hides the inherited one."""
        self._put.append((cls, name, vars(cls).get(name, _ABSENT), value))
        setattr(cls, name, value)

    def restore(self) -> None:
        """Put every original back, where nobody else has put something in its place."""
        while self._put:
            cls, name, original, value = self._put.pop()
            if vars(cls).get(name) is not value:
                continue
            if original is _ABSENT:
                delattr(cls, name)
            else:
                setattr(cls, name, original)
