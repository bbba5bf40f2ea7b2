"""Only the outermost call counts: a pipeline's steps, an ensemble's members, the predictions of a fit are inside it.

A context variable says whether this thread or task is inside of a call. Work that a call hands to a pool of threads
takes the variable along, see `driftmeter.instrumentation._pools`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any, Final

_inside: Final[ContextVar[bool]] = ContextVar("driftmeter_inside_model_call", default=False)

is_nested: Final[Callable[[], bool]] = _inside.get
"""Whether this call happens inside another one; every nested call pays for this, and for no more."""


def enter() -> Token[bool]:
    """Mark that a call begins here."""
    return _inside.set(True)


leave: Final[Callable[[Token[bool]], None]] = _inside.reset
"""Mark that it ended."""


def evaluating(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method in the place of one that evaluates a model: what the model predicts in it is no serving."""

    @functools.wraps(original)
    def evaluated(self: Any, *args: Any, **kwargs: Any) -> Any:
        return original(self, *args, **kwargs) if is_nested() else inside(original, self, *args, **kwargs)

    return evaluated


def inside(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call a function such that all calls of models in it are nested ones."""
    token = _inside.set(True)
    try:
        return function(*args, **kwargs)
    finally:
        _inside.reset(token)
