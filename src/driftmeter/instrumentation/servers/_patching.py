"""What the instrumentations of model servers share: a method is replaced when its module is imported."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import wrapt
from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]  # no __all__ there
    BaseInstrumentor,
)

from driftmeter.instrumentation._attributes import Replaced
from driftmeter.recorder import guard


class ServerInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # opentelemetry-instrumentation ships no types
    """Patches a server's classes from the day that they are imported; without the server nothing happens.

    A subclass says in `watched` which modules it waits for. Providers are those that the models' spans go to.
    """

    def watched(self) -> dict[str, Callable[[Any, Replaced], None]]:
        """Return by module what is to be done when it is imported: put replacements where they belong."""
        raise NotImplementedError

    def instrumentation_dependencies(self) -> Collection[str]:
        """Nothing is needed: the server is watched if it is imported."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:  # noqa: ARG002
        self._replaced = Replaced()
        self._on = True
        for module, patch in self.watched().items():
            wrapt.register_post_import_hook(self._hook(patch, self._replaced), module)

    def _hook(self, patch: Callable[[Any, Replaced], None], replaced: Replaced) -> Callable[[Any], None]:
        def on_import(module: Any) -> None:
            # Not after the end, and not for a later start: each start has hooks of its own.
            if self._on and replaced is self._replaced:
                with guard:
                    patch(module, replaced)

        return on_import

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ARG002
        self._on = False
        self._replaced.restore()
