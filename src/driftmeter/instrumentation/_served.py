"""What a server calls the model that a request is for: told by `driftmeter.instrumentation.servers`, asked by calls.

A model that bears no name is called like that, see `driftmeter.recorder`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Final

from driftmeter.schema import Model

_served: Final[ContextVar[Model | None]] = ContextVar("driftmeter_served", default=None)

served_model: Final[Callable[[], Model | None]] = _served.get
"""Return what the server calls the model that this thread or task answers for; None where none told."""


def enter(model: Model) -> Token[Model | None]:
    """Mark that a request for a model is answered from here."""
    return _served.set(model)


leave: Final[Callable[[Token[Model | None]], None]] = _served.reset
"""Mark that it was."""
