"""Model objects that the program gave a name with `driftmeter.monitor`, of frameworks that must know that.

They are known by their identity, since a model may be no key of a dictionary, and are not kept alive.
"""

from __future__ import annotations

import weakref
from typing import Any, Final

_declared: Final[weakref.WeakValueDictionary[int, Any]] = weakref.WeakValueDictionary()


def declare(model: object) -> None:
    """Remember that the program gave an object a name."""
    _declared[id(model)] = model


def is_declared(model: object) -> bool:
    """Whether the program gave this very object a name."""
    return id(model) in _declared
