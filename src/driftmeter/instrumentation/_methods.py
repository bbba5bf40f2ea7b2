"""Patching a class's own methods, and putting them back."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

from driftmeter.instrumentation._call import Framework, Instruments, call

_MARK: Final = "__driftmeter_watched__"


class Patches:
    """The methods of one framework that are patched; each can be put back."""

    def __init__(self, framework: Framework, operations: tuple[str, ...], *, instruments: Instruments) -> None:
        self._framework = framework
        self._instruments = instruments
        self._operations = operations
        self._undo: list[Callable[[], None]] = []

    def patch(self, cls: type) -> None:
        """Watch the class's methods, each where it is defined: often a mixin that is no model itself."""
        for base in cls.__mro__[:-1]:
            for operation in self._operations:
                attribute = vars(base).get(operation)
                if attribute is not None and not getattr(attribute, _MARK, False):
                    self._patch_attribute(base, operation, attribute)

    def _patch_attribute(self, cls: type, operation: str, attribute: Any) -> None:
        if callable(getattr(attribute, "fn", None)):
            self._patch_descriptor(attribute, operation)
        elif callable(attribute) and _binds(attribute):
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
        framework, instruments = self._framework, self._instruments

        @functools.wraps(original)
        def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
            return call(original, self, args, kwargs, framework=framework, instruments=instruments, operation=operation)

        setattr(watched, _MARK, True)
        return watched

    def restore(self) -> None:
        """Put every original back."""
        while self._undo:
            self._undo.pop()()


def _binds(attribute: object) -> bool:
    """Whether calling the attribute on an instance hands it the instance, as a function does."""
    return hasattr(type(attribute), "__get__") and not isinstance(attribute, staticmethod | classmethod)
