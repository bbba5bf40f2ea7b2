"""Patching a class's own methods, and putting them back.

What predicts is a call (`driftmeter.instrumentation._call`), what trains a training
(`driftmeter.instrumentation._training`). What evaluates is passed through, but what the model predicts inside of it is
no serving.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Protocol, TypeAlias

from driftmeter.instrumentation import _pools
from driftmeter.instrumentation._async_call import call_async
from driftmeter.instrumentation._call import Framework, call
from driftmeter.instrumentation._outermost import inside
from driftmeter.instrumentation._training import fit
from driftmeter.instrumentation._wrappers import Perform, wrapper_of
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


def _call_as_chosen(
    original: Callable[..., Any],
    model: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    choose: Choose,
    caller: Caller,
    operation: str,
) -> Any:
    framework: Framework | None = None
    if active() is not None:
        with guard:
            framework = choose(model, operation, args, kwargs)
    if framework is None:
        return original(model, *args, **kwargs)
    return caller(original, model, args, kwargs, framework=framework, operation=operation)


def _evaluate(original: Callable[..., Any], model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return inside(original, model, *args, **kwargs)


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
        trainer: What performs them.
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
        trainer: Caller = fit,
        evaluation: tuple[str, ...] = EVALUATION,
    ) -> None:
        self._performers: dict[str, Perform] = {}
        for operation in operations:
            caller = (callers or {}).get(operation, call)
            if choose is not None:
                perform: Perform = partial(_call_as_chosen, choose=choose, caller=caller, operation=operation)
            elif framework is not None:
                perform = partial(caller, framework=framework, operation=operation)
            else:
                raise TypeError("framework or choose must be given; got neither")
            self._performers[operation] = perform
        if framework is not None:
            self._performers |= {one: partial(trainer, framework=framework, operation=one) for one in training}
        self._performers |= dict.fromkeys(evaluation, _evaluate)
        self._awaited = dict(self._performers)
        if framework is not None and choose is None:
            self._awaited |= {one: partial(call_async, framework=framework, operation=one) for one in operations}
        self._operations = tuple(self._performers)
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
                if self._is_own(attribute):
                    self._classes.add(base)  # a class made from another one's parts, as with slots of dataclasses
                elif attribute is not None and not is_watched(attribute):
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
        performers = self._awaited if inspect.iscoroutinefunction(original) else self._performers
        wrapper = wrapper_of(original, performers[operation])
        setattr(wrapper, _MARK, wrapper)
        self._own.add(wrapper)
        return wrapper

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
