"""Which rows a model was asked about lately: ``predict_proba(X)`` and then ``predict(X)`` are the same rows twice.

They are told by the object that holds them, wherever it is passed next: in another thread or task, or when another
model has looked at it meanwhile.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from typing import Any, Final

MOST: Final = 64
"""Objects that are remembered for each model, the latest ones: as many requests may be under way at once."""


class Looks:
    """The latest objects that one model was called with; any number of threads may ask.

    Nothing is kept alive by it.
    """

    __slots__ = ("_latest",)

    def __init__(self) -> None:
        self._latest: OrderedDict[int, tuple[weakref.ref[Any], tuple[str, ...]]] = OrderedDict()

    def is_first(self, rows: Any, operation: str) -> bool:
        """Whether these rows are new.

        Only another operation on the very same object counts as a second look: the same one again is another request.
        """
        key = id(rows)
        last = self._latest.pop(key, None)
        if last is not None and last[0]() is rows and operation not in last[1]:
            self._latest[key] = last[0], (*last[1], operation)
            return False
        try:
            self._latest[key] = weakref.ref(rows), (operation,)
        except TypeError:  # lists and the like cannot be told from another list in the same place
            return True
        if len(self._latest) > MOST:
            self._latest.popitem(last=False)
        return True

    def forget(self, key: int) -> None:
        """Let the next look at the object with this id be the first one."""
        self._latest.pop(key, None)
