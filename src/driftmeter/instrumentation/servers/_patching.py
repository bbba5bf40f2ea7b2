"""What the instrumentations of model servers share: a method is replaced when its module is imported."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from driftmeter.instrumentation._attributes import Replaced
from driftmeter.instrumentation._on_import import ImportInstrumentor


class ServerInstrumentor(ImportInstrumentor):
    """Patches a server's classes from the day that they are imported; without the server nothing happens."""

    @abstractmethod
    def watched(self) -> dict[str, Callable[[Any, Replaced], None]]:
        """Return by module what is to be done when it is imported: put replacements where they belong."""

    def take_providers(self, **kwargs: Any) -> None:
        """Leave the providers alone: those that the models' spans go to are a server's too."""

    def hooks(self) -> Mapping[str, Callable[[Any], None]]:
        """Wait for the modules that are watched."""
        self._replaced = Replaced()
        return {module: partial(_patch, patch, self._replaced) for module, patch in self.watched().items()}

    def restore(self) -> None:
        """Put the methods back."""
        self._replaced.restore()


def _patch(patch: Callable[[Any, Replaced], None], replaced: Replaced, module: Any) -> None:
    patch(module, replaced)
