"""BentoML 1.2 and later: every call of a service's API methods, by HTTP or from another service.

BentoML has a tracer provider of its own, which samples nothing as long as its tracing is not configured. The spans of a
request are below that one's, so all of them would be left out. Where BentoML's tracing is not configured, it is given
the global provider.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

from opentelemetry import trace

from driftmeter.instrumentation._attributes import Replaced
from driftmeter.instrumentation.servers._patching import ServerInstrumentor
from driftmeter.instrumentation.servers._request import Served, served
from driftmeter.recorder import guard


class BentomlInstrumentor(ServerInstrumentor):
    """Tells service, method and route of a request, and lets its trace be sampled as all others are."""

    def watched(self) -> dict[str, Callable[[Any, Replaced], None]]:
        """Replace what looks an API method up, and the tracer provider before a server is made."""
        return {"_bentoml_sdk.method": _patch, "_bentoml_impl.server.app": _share_tracer_provider}


def _patch(module: Any, replaced: Replaced) -> None:
    original = module.APIMethod._local_call  # noqa: SLF001  # there is no public place that all calls pass

    @functools.wraps(original)
    def local_call(self: Any, instance: Any) -> Any:
        found = original(self, instance)
        with guard:
            return _watched(found, self, instance)
        return found

    replaced.put(module.APIMethod, "_local_call", local_call)


def _watched(found: Callable[..., Any], method: Any, instance: Any) -> Callable[..., Any]:
    function = method.func
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return found
    told = Served("bentoml", type(instance).__name__, method.name, _version(), method.route)
    answer: Callable[..., Any]
    if inspect.iscoroutinefunction(function):

        @functools.wraps(found)
        async def answer(*args: Any, **kwargs: Any) -> Any:
            with served(told):
                return await found(*args, **kwargs)
    else:

        @functools.wraps(found)
        def answer(*args: Any, **kwargs: Any) -> Any:
            with served(told):
                return found(*args, **kwargs)

    return answer


def _version() -> str:
    """Return the version of the Bento that is served, if it is one and not a folder of sources."""
    # BentoML calls it internal, and documents no other. Whoever calls a service has imported it.
    version = str(sys.modules["bentoml._internal.context"].server_context.bento_version or "")
    return "" if version == "not available" else version


def _share_tracer_provider(module: Any, replaced: Replaced) -> None:  # noqa: ARG001  # a setting, not a patch
    container = module.BentoMLContainer
    provider = trace.get_tracer_provider()
    if not container.tracing.sample_rate.get() and not isinstance(provider, trace.ProxyTracerProvider):
        container.tracer_provider.set(provider)
