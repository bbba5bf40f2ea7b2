"""The classes below a root: those that there are, and those that are made later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from driftmeter.recorder import guard


def subclasses(root: type) -> list[type]:
    """Return a class and all that derive from it."""
    found: dict[type, None] = {}
    pending = [root]
    while pending:
        current = pending.pop()
        if current not in found:
            found[current] = None
            pending += type.__subclasses__(current)
    return list(found)


class SubclassHook:
    """Lets somebody see every class below a root as it is made: a program's own estimators mostly come late."""

    def __init__(self, root: Any, see: Callable[[type], None]) -> None:
        self._root = root
        self._found = found = vars(root).get("__init_subclass__")

        def __init_subclass__(cls: type, /, **kwargs: Any) -> None:  # noqa: N807  # it takes the place of that method
            if found is None:
                super(root, cls).__init_subclass__(**kwargs)  # type: ignore[misc]  # cls is below root
            else:
                found.__get__(None, cls)(**kwargs)
            with guard:
                see(cls)

        root.__init_subclass__ = classmethod(__init_subclass__)

    def restore(self) -> None:
        """Leave the root as it was found."""
        if self._found is None:
            del self._root.__init_subclass__
        else:
            self._root.__init_subclass__ = self._found
