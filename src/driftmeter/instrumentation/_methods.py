"""Patching a class's own methods, and putting them back.

What predicts is a call (`driftmeter.instrumentation._call`), what trains a training
(`driftmeter.instrumentation._training`). What evaluates is passed through, but what the model predicts inside of it is
no serving.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Protocol, TypeAlias

from driftmeter.instrumentation import _pools
from driftmeter.instrumentation._call import Framework, call
from driftmeter.instrumentation._outermost import evaluating, is_nested
from driftmeter.instrumentation._training import fit
from driftmeter.recorder import active, guard

TRAINING: Final = ("fit", "fit_predict", "fit_transform")
EVALUATION: Final = ("score", "partial_fit")
"""Inside of these, and without any signal of their own, predictions are no serving."""
_MARK: Final = "__driftmeter_watched__"


Choose: TypeAlias = Callable[[Any, str, tuple[Any, ...], dict[str, Any]], Framework | None]
"""From the model, the method's name, and the call's arguments to what is told of it; None when it predicts nothing."""


class Caller(Protocol):
    """What performs a call that is watched: `driftmeter.instrumentation._call.call`, or what takes its place."""

    def __call__(
        self,
        original: Callable[..., Any],
        model: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        /,
        *,
        framework: Framework,
        operation: str,
    ) -> Any:
        """Call the model's own method."""


class Patches:
    """The methods of one framework that are patched; each can be put back.

    Args:
        framework: What the framework tells of every call; None where each call is told of by itself. Then trainings are
            not watched.
        operations: The methods that predict.
        choose: Returns what is told of one call, by the model, the method's name and the arguments; None when that one
            predicts nothing. By default the framework.
        callers: By operation what performs its calls, where that is another than `call`.
        training: The methods that train.
        evaluation: The methods that evaluate.
    """

    def __init__(
        self,
        framework: Framework | None,
        operations: tuple[str, ...],
        *,
        choose: Choose | None = None,
        callers: Mapping[str, Caller] | None = None,
        training: tuple[str, ...] = TRAINING,
        evaluation: tuple[str, ...] = EVALUATION,
    ) -> None:
        if choose is not None:
            watched = partial(self._chosen, choose, callers or {})
        elif framework is not None:
            watched = partial(self._watched, framework)
        else:
            raise TypeError("framework or choose must be given; got neither")
        self._wrappers: dict[str, Callable[[Callable[..., Any], str], Callable[..., Any]]] = {
            **dict.fromkeys(operations, watched),
            **({} if framework is None else dict.fromkeys(training, partial(self._trained, framework))),
            **dict.fromkeys(evaluation, lambda original, _: evaluating(original)),
        }
        self._operations = tuple(self._wrappers)
        self._classes: weakref.WeakSet[type] = weakref.WeakSet()
        self._own: weakref.WeakSet[Callable[..., Any]] = weakref.WeakSet()
        self._follows_pools = False

    def patch(self, cls: type) -> None:
        """Watch the class's methods, each where it is defined: often a mixin that is no model itself."""
        if not self._follows_pools:
            self._follows_pools = True
            _pools.follow()
        for base in cls.__mro__[:-1]:
            for operation in self._operations:
                attribute = vars(base).get(operation)
                if attribute is not None and not is_watched(attribute):
                    self._patch_attribute(base, operation, attribute)

    def _patch_attribute(self, cls: type, operation: str, attribute: Any) -> None:
        if callable(getattr(attribute, "fn", None)):
            # scikit-learn's available_if: a method that is there only when the wrapped estimator has it.
            if not is_watched(attribute.fn):
                attribute.fn = self._wrapped(attribute.fn, operation)
                self._classes.add(cls)
        elif callable(attribute) and _binds(attribute):
            setattr(cls, operation, self._wrapped(attribute, operation))
            self._classes.add(cls)

    def _wrapped(self, original: Callable[..., Any], operation: str) -> Callable[..., Any]:
        wrapper = self._wrappers[operation](original, operation)
        setattr(wrapper, _MARK, wrapper)
        self._own.add(wrapper)
        return wrapper

    def _watched(self, framework: Framework, original: Callable[..., Any], operation: str) -> Callable[..., Any]:
        @functools.wraps(original)
        def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
            if is_nested():
                return original(self, *args, **kwargs)
            return call(original, self, args, kwargs, framework=framework, operation=operation)

        return watched

    def _chosen(
        self, choose: Choose, callers: Mapping[str, Caller], original: Callable[..., Any], operation: str
    ) -> Callable[..., Any]:
        caller = callers.get(operation, call)

        @functools.wraps(original)
        def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
            framework: Framework | None = None
            if not is_nested() and active() is not None:
                with guard:
                    framework = choose(self, operation, args, kwargs)
            if framework is None:
                return original(self, *args, **kwargs)
            return caller(original, self, args, kwargs, framework=framework, operation=operation)

        return watched

    def _trained(self, framework: Framework, original: Callable[..., Any], operation: str) -> Callable[..., Any]:
        @functools.wraps(original)
        def trained(self: Any, *args: Any, **kwargs: Any) -> Any:
            if is_nested():
                return original(self, *args, **kwargs)
            return fit(original, self, args, kwargs, framework=framework, operation=operation)

        return trained

    def restore(self) -> None:
        """Put every original back, where nobody else has put something in its place."""
        for cls in self._classes:
            for operation in self._operations:
                attribute: Any = vars(cls).get(operation)
                if self._is_own(attribute):
                    setattr(cls, operation, attribute.__wrapped__)
                elif self._is_own(getattr(attribute, "fn", None)):
                    attribute.fn = attribute.fn.__wrapped__
        self._classes.clear()
        if self._follows_pools:
            self._follows_pools = False
            _pools.unfollow()

    def _is_own(self, attribute: Any) -> bool:
        # Another framework's patches may have taken this one's place, and are theirs to put back.
        return is_watched(attribute) and attribute in self._own


def is_watched(attribute: Any) -> bool:
    """Whether a method is a wrapper of some framework's patches."""
    # The mark is the function itself: `functools.wraps` copies marks to whatever wraps a watched method.
    return attribute is not None and getattr(attribute, _MARK, None) is attribute


def _binds(attribute: object) -> bool:
    """Whether calling the attribute on an instance hands it the instance, as a function does."""
    return hasattr(type(attribute), "__get__") and not isinstance(attribute, staticmethod | classmethod)
