"""Ray Serve: every request that a replica answers.

Ray ends a replica by killing its process, where no exit handler runs: so what a replica recorded is sent when it is
asked to shut down. The proxy, which takes HTTP requests, has no span unless Ray's own tracing is on; then the replica's
is a child of the caller's.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from opentelemetry import metrics, propagate, trace
from opentelemetry.trace import SpanKind

from driftmeter.instrumentation._attributes import Replaced
from driftmeter.instrumentation.servers._patching import ServerInstrumentor
from driftmeter.instrumentation.servers._request import Served, served
from driftmeter.recorder import guard

_FLUSH_SECONDS: Final = 10.0


class RayServeInstrumentor(ServerInstrumentor):
    """Tells application, deployment and route of a request, and flushes before a replica is killed."""

    def watched(self) -> dict[str, Callable[[Any, Replaced], None]]:
        """Replace what calls the user's code in a replica, and what ends it."""
        return {"ray.serve._private.replica": _patch}


def _patch(module: Any, replaced: Replaced) -> None:
    wrapper = module.UserCallableWrapper
    original, destructor = wrapper._call_func_or_gen, wrapper.call_destructor  # noqa: SLF001  # replicas have no hook

    @functools.wraps(original)
    async def call(self: Any, callable: Any, **kwargs: Any) -> Any:  # noqa: A002  # Ray's name for it
        told: Served | None = None
        parent: Any = None
        with guard:
            told = _served(self)
            parent = _parent(kwargs.get("args") or ())
        if told is None:  # a constructor, a destructor
            return await original(self, callable, **kwargs)
        with served(told, parent=parent, kind=SpanKind.INTERNAL if parent is None else SpanKind.SERVER):
            return await original(self, callable, **kwargs)

    @functools.wraps(destructor)
    def end(self: Any, *args: Any, **kwargs: Any) -> Any:
        return _flushed(destructor(self, *args, **kwargs))

    replaced.put(wrapper, "_call_func_or_gen", call)
    replaced.put(wrapper, "call_destructor", end)


def _served(replica: Any) -> Served | None:
    # Where Ray keeps what the replica is asked; the replica's module has imported it.
    request = sys.modules["ray.serve.context"]._get_serve_request_context()  # noqa: SLF001
    if not request.request_id:
        return None
    deployment = replica._deployment_id  # noqa: SLF001
    return Served("ray_serve", deployment.name, version=request.multiplexed_model_id, route=request.route)


def _parent(args: tuple[Any, ...]) -> Any:
    """Return the context of an HTTP request's caller, where nothing before us has made a span of the request."""
    if trace.get_current_span().get_span_context().is_valid or not args:
        return None
    headers = getattr(args[0], "headers", None)
    if headers is None and isinstance(args[0], Mapping):  # an ASGI application gets the scope
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in args[0].get("headers", ())}
    return None if headers is None else propagate.extract(headers)


async def _flushed(ended: Any) -> Any:
    try:
        return await ended
    finally:
        with guard:
            # In another thread, and bounded: the replica answers for its health meanwhile.
            await asyncio.wait_for(asyncio.to_thread(_flush), _FLUSH_SECONDS)


def _flush() -> None:
    for provider in (metrics.get_meter_provider(), trace.get_tracer_provider()):
        flush = getattr(provider, "force_flush", None)
        if flush is not None:
            with guard:
                flush()
