"""Patching a class's own methods, and putting them back."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

from driftmeter.instrumentation._call import Framework, call

_MARK: Final = "__driftmeter_watched__"


class Patches:
    """The methods of one framework that are patched; each can be put back."""

    def __init__(self, framework: Framework, operations: tuple[str, ...]) -> None:
        self._framework = framework
        self._operations = operations
        self._undo: list[Callable[[], None]] = []

    def patch(self, cls: type) -> None:
        """Watch the methods that the class itself defines; inherited ones are watched where they are defined."""
        for operation in self._operations:
            attribute = vars(cls).get(operation)
            if attribute is None or getattr(attribute, _MARK, False):
                continue
            if callable(getattr(attribute, "fn", None)):
                self._patch_descriptor(attribute, operation)
            elif callable(attribute):
                setattr(cls, operation, self._watched(attribute, operation))
                self._undo.append(functools.partial(setattr, cls, operation, attribute))

    def _patch_descriptor(self, descriptor: Any, operation: str) -> None:
        # scikit-learn's available_if: a method that is there only when the wrapped estimator has it.
        if getattr(descriptor.fn, _MARK, False):
            return
        original = descriptor.fn
        descriptor.fn = self._watched(original, operation)
        self._undo.append(functools.partial(setattr, descriptor, "fn", original))

    def _watched(self, original: Callable[..., Any], operation: str) -> Callable[..., Any]:
        framework = self._framework

        @functools.wraps(original)
        def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
            return call(original, self, args, kwargs, framework=framework, operation=operation)

        setattr(watched, _MARK, True)
        return watched

    def restore(self) -> None:
        """Put every original back."""
        while self._undo:
            self._undo.pop()()
