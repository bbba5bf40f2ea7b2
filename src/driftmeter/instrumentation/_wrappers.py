"""What takes the place of a method: a plain function, which can be pickled wherever the method could.

cloudpickle, and with it joblib's processes, MLflow and Ray, pickle a class of a program's main module by value, methods
and all. A wrapper reaches what watches by its hook alone, so the hook is all of driftmeter that gets into a pickle:
bytes, which are read only where driftmeter can be imported::

    wrapper -> original        by value, as without us
            -> hook -> bytes   unpickled: the hook again, or where there is no driftmeter one that watches nothing
"""

from __future__ import annotations

import functools
import inspect
import pickle
from collections.abc import Callable
from typing import Any, Protocol

from driftmeter.instrumentation._outermost import is_nested


class Perform(Protocol):
    """What is done in the place of a call that is not nested; a pickle must be able to hold it."""

    def __call__(
        self, original: Callable[..., Any], model: Any, args: tuple[Any, ...], kwargs: dict[str, Any], /
    ) -> Any:
        """Call the model's own method."""


class Hook:
    """What a wrapper asks and calls."""

    __slots__ = ("is_nested", "perform")

    def __init__(self, perform: Perform) -> None:
        self.is_nested = is_nested
        self.perform = perform

    def __reduce__(self) -> tuple[Callable[[bytes], Any], tuple[bytes]]:
        """Pickle such that driftmeter is not needed to read it."""
        return _unpickled, (pickle.dumps(self.perform),)


def _unpickled(held: bytes) -> Any:
    """Return the hook again; one for which every call is nested where driftmeter is missing, or is another one."""
    import pickle
    from types import SimpleNamespace

    try:
        from driftmeter.instrumentation._wrappers import Hook

        return Hook(pickle.loads(held))  # noqa: S301  # part of a pickle that is being read
    except Exception:  # noqa: BLE001  # whatever another version makes of it
        return SimpleNamespace(is_nested=object)  # an object is true


# By this name it is pickled by value as well.
_unpickled.__module__ = "__main__"


def wrapper_of(original: Callable[..., Any], perform: Perform) -> Callable[..., Any]:
    """Return a function in the place of a method: nested calls go straight to the original.

    In the place of a coroutine function is another one: servers ask for that before they call it.
    """
    hook = Hook(perform)
    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def awaited(self: Any, *args: Any, **kwargs: Any) -> Any:
            if hook.is_nested():
                return await original(self, *args, **kwargs)
            return await hook.perform(original, self, args, kwargs)

        return awaited

    @functools.wraps(original)
    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        # Nothing but what is closed over: globals would be pickled too.
        if hook.is_nested():
            return original(self, *args, **kwargs)
        return hook.perform(original, self, args, kwargs)

    return watched
