"""KServe: every request that a server's ``Model`` answers, by REST or gRPC, in one worker or several."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from driftmeter.instrumentation._attributes import Replaced
from driftmeter.instrumentation.servers._patching import ServerInstrumentor
from driftmeter.instrumentation.servers._request import Served, served


class KserveInstrumentor(ServerInstrumentor):
    """Tells the name under which KServe serves a model."""

    def watched(self) -> dict[str, Callable[[Any, Replaced], None]]:
        """Replace what both protocols call."""
        return {"kserve.model": _patch}


def _patch(module: Any, replaced: Replaced) -> None:
    original = module.Model.__call__

    @functools.wraps(original)
    async def answer(self: Any, body: Any, headers: Any = None, verb: Any = module.InferenceVerb.PREDICT) -> Any:
        told = Served("kserve", str(getattr(self, "name", "")), _operation(verb), asked_version=_version(body))
        with served(told):
            return await original(self, body, headers, verb)

    replaced.put(module.Model, "__call__", answer)


def _operation(verb: Any) -> str:
    return str(getattr(verb, "name", "predict")).lower()


def _version(body: Any) -> str:
    """Return the version that a request of the Open Inference Protocol asks for; most ask for none."""
    return str(getattr(body, "model_version", None) or "")
