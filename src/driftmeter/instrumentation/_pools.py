"""Tasks of thread pools are inside of the model call that submitted them; all other tasks are calls of their own.

Threads begin with an empty context, so the task must bring it. It is told by where it was submitted, not by who made
the pool::

    a forest's predict() -> joblib -> ThreadPool.apply_async(tree)     nested: submitted inside of a call
    a server             -> ThreadPoolExecutor.submit(model.predict)   a call of its own

joblib submits its later tasks in the callbacks of earlier ones, so callbacks take the context along too. A
`threading.Thread` that a model starts by itself is not followed, nor is a process.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import Pool, ThreadPool
from typing import Any, Final

from driftmeter.instrumentation._attributes import Replaced
from driftmeter.instrumentation._outermost import inside, is_nested

_POOL_METHODS: Final = (
    "apply",
    "apply_async",
    "map",
    "map_async",
    "starmap",
    "starmap_async",
    "imap",
    "imap_unordered",
)
_CALLBACKS: Final = ("callback", "error_callback")

_followers = 0
_replaced: Final = Replaced()


def follow() -> None:
    """Let tasks take along that they are inside of a call, until as many have said `unfollow`."""
    global _followers  # noqa: PLW0603  # the pools' classes are global too
    _followers += 1
    if _followers == 1:
        _replaced.put(ThreadPoolExecutor, "submit", _submitting(ThreadPoolExecutor.submit))
        for name in _POOL_METHODS:
            # On the class of threads alone: what a pool of processes is given must be pickled.
            _replaced.put(ThreadPool, name, _handing_over(getattr(Pool, name)))


def unfollow() -> None:
    """Leave the pools' classes as they were found, but for what others have put in our place since."""
    global _followers  # noqa: PLW0603
    _followers -= 1
    if not _followers:
        _replaced.restore()


def _submitting(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def submit(self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        # A pool of interpreters, of Python 3.14, is a subclass that pickles its tasks.
        if is_nested() and type(self).__name__ != "InterpreterPoolExecutor":
            return original(self, inside, fn, *args, **kwargs)
        return original(self, fn, *args, **kwargs)

    return submit


def _handing_over(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def method(self: ThreadPool, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if not is_nested():
            return original(self, func, *args, **kwargs)
        for name in _CALLBACKS:
            if kwargs.get(name) is not None:
                kwargs[name] = functools.partial(inside, kwargs[name])
        return original(self, functools.partial(inside, func), *args, **kwargs)

    return method
