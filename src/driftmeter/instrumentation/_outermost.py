"""Only the outermost model call counts: a pipeline's steps and an ensemble's members are inside it.

A context variable tells nested calls of one thread or task. joblib's threads begin with an empty context, so there
the thread that made the pool is asked: `multiprocessing.pool.ThreadPool`, which joblib uses, remembers it.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar, Token
from multiprocessing.dummy import DummyProcess
from typing import Final

_inside: Final[ContextVar[bool]] = ContextVar("driftmeter_inside_model_call", default=False)
_busy_threads: Final[dict[int, int]] = {}


def is_nested() -> bool:
    """Whether this call happens inside another model's call."""
    if _inside.get():
        return True
    if not _busy_threads:
        return False
    thread = threading.current_thread()
    maker = getattr(thread, "_parent", None) if isinstance(thread, DummyProcess) else None
    return maker is not None and maker.ident in _busy_threads


def enter() -> Token[bool]:
    """Mark that a model call begins here."""
    thread = threading.get_ident()
    _busy_threads[thread] = _busy_threads.get(thread, 0) + 1
    return _inside.set(True)


def leave(token: Token[bool]) -> None:
    """Mark that it ended."""
    thread = threading.get_ident()
    depth = _busy_threads.get(thread, 1) - 1
    if depth:
        _busy_threads[thread] = depth
    else:
        _busy_threads.pop(thread, None)
    _inside.reset(token)
