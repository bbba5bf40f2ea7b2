"""Watched calls of methods that are coroutine functions: the model runs when what they return is awaited."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from opentelemetry import context

from driftmeter.instrumentation import _outermost
from driftmeter.instrumentation._call import Framework, StartedCall, fail_call, finish_call, start_call
from driftmeter.recorder import active, guard


async def call_async(
    original: Callable[..., Any],
    model: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    framework: Framework,
    operation: str,
) -> Any:
    """Await the model's own method, watched when it is the outermost; arguments as of `_call.call`.

    What the model awaits meanwhile, and the tasks that it starts, are inside of the call; the caller's other tasks have
    contexts of their own, and are not.
    """
    registry = active()
    if registry is None:
        return await original(model, *args, **kwargs)
    token = _outermost.enter()
    try:
        started: StartedCall | None = None
        with guard:
            started = start_call(registry, framework, model, operation, framework.features(args, kwargs))
        if started is None:
            return await original(model, *args, **kwargs)
        return await _run(started, original, args, kwargs)
    finally:
        _outermost.leave(token)


async def _run(
    started: StartedCall, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    attached = context.attach(started.context)
    begin = time.perf_counter()
    try:
        result = await original(started.model, *args, **kwargs)
    except BaseException as error:
        duration = time.perf_counter() - begin
        with guard:
            fail_call(started, error, duration)
        raise
    else:
        duration = time.perf_counter() - begin
        with guard:
            finish_call(started, result, duration)
        return result
    finally:
        context.detach(attached)
