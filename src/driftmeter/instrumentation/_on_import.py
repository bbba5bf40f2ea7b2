"""Instrumentors that wait for a library: its classes are patched when the program imports it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping
from typing import Any

import wrapt
from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]  # no __all__ there
    BaseInstrumentor,
)

from driftmeter.instrumentation._instruments import use_providers
from driftmeter.recorder import guard


class ImportInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # opentelemetry-instrumentation ships no types
    """Watches a library from the day that it is imported; without it nothing happens."""

    @abstractmethod
    def hooks(self) -> Mapping[str, Callable[[Any], None]]:
        """Start anew; return by module what is to be done when it is imported, or at once if it was."""

    @abstractmethod
    def restore(self) -> None:
        """Leave everything as it was found."""

    def take_providers(self, **kwargs: Any) -> None:
        """Tell calls to the providers that the instrumentor was given."""
        use_providers(tracer_provider=kwargs.get("tracer_provider"), meter_provider=kwargs.get("meter_provider"))

    def instrumentation_dependencies(self) -> Collection[str]:
        """Nothing is needed: the library is watched if it is imported."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        self.take_providers(**kwargs)
        self._start: object = object()
        for module, patch in self.hooks().items():
            wrapt.register_post_import_hook(self._hook(patch, self._start), module)

    def _hook(self, patch: Callable[[Any], None], start: object) -> Callable[[Any], None]:
        def on_import(module: Any) -> None:
            # Not after the end, and not for a later start: each start has hooks of its own.
            if start is self._start:
                with guard:
                    patch(module)

        return on_import

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ARG002
        self._start = None
        self.restore()
