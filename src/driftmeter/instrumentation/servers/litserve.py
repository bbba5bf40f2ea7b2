"""LitServe: every prediction of a ``LitAPI``, in the worker that makes it.

LitServe hands requests to its workers through a queue, which takes no trace along: the spans of a worker are traces of
their own. ``predict`` is replaced on the object and in the worker alone, after its ``setup``: the object has been
pickled by then.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Final

from driftmeter.instrumentation._attributes import Replaced
from driftmeter.instrumentation.servers._patching import ServerInstrumentor
from driftmeter.instrumentation.servers._request import Served, served
from driftmeter.recorder import guard

_AFTER_SETUP: Final = "on_after_setup"


class LitserveInstrumentor(ServerInstrumentor):
    """Tells the class and the route of a LitAPI."""

    def watched(self) -> dict[str, Callable[[Any, Replaced], None]]:
        """Replace what tells LitServe's callbacks that a worker is ready."""
        return {"litserve.callbacks.base": _patch}


def _patch(module: Any, replaced: Replaced) -> None:
    original = module.CallbackRunner.trigger_event

    @functools.wraps(original)
    def trigger_event(self: Any, event_name: Any, *args: Any, **kwargs: Any) -> Any:
        if event_name == _AFTER_SETUP:
            with guard:
                _watch(kwargs["lit_api"])
        return original(self, event_name, *args, **kwargs)

    replaced.put(module.CallbackRunner, "trigger_event", trigger_event)


def _watch(api: Any) -> None:
    """Replace an object's ``predict``; one that streams is left alone, its predictions come after it has returned."""
    original = api.predict
    told = Served("litserve", type(api).__name__, route=str(getattr(api, "api_path", "") or ""))
    if inspect.isgeneratorfunction(original) or inspect.isasyncgenfunction(original):
        return
    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            with served(told):
                return await original(*args, **kwargs)

        api.predict = awaited
        return

    @functools.wraps(original)
    def predict(*args: Any, **kwargs: Any) -> Any:
        with served(told):
            return original(*args, **kwargs)

    api.predict = predict
