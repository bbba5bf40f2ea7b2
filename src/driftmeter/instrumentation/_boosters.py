"""What the boosting libraries have in common: patches that choose by call, and tables of what native boosters return.

Two things set them apart from scikit-learn's estimators. One method returns different things, as its arguments say
(classes, probabilities, margins, leaves, contributions of features), so each call chooses what is told of it, or that
it predicts nothing. And where their estimators derive from scikit-learn's BaseEstimator, its hook has watched their
methods from the day that they were made: the library's own hook takes its place::

    XGBClassifier.predict    scikit-learn's hook -> original      as the class is made
    XGBClassifier.predict    xgboost's hook -> original           after xgboost is imported
"""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable
from typing import Any, ClassVar, Final, TypeAlias

import numpy as np
import wrapt
from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]  # no __all__ there
    BaseInstrumentor,
)

from driftmeter.instrumentation._booster_training import Evaluations, FunctionPatch, fit_estimator
from driftmeter.instrumentation._call import Framework, call
from driftmeter.instrumentation._instruments import use_providers
from driftmeter.instrumentation._methods import Patches, is_watched
from driftmeter.instrumentation._outermost import is_nested
from driftmeter.instrumentation.sklearn import MAX_CLASSES, _subclasses
from driftmeter.recorder import guard
from driftmeter.schema import Kind, Role
from driftmeter.tables import Names, Table
from driftmeter.typing import AnyArray

Choose: TypeAlias = Callable[[Any, str, tuple[Any, ...], dict[str, Any]], Framework | None]
"""From the model, the method's name, and the call's arguments to what is told of it; None when it predicts nothing."""


class BoosterPatches(Patches):
    """Patches of one library's classes, which replace those that scikit-learn's hook has made."""

    def __init__(
        self,
        framework: Framework,
        operations: tuple[str, ...],
        *,
        choose: Choose,
        evaluations: Callable[[Any], Evaluations | None],
        package: str,
    ) -> None:
        super().__init__(framework, operations)
        self._choose = choose
        self._evaluations = evaluations
        self._package = package

    def patch(self, cls: type) -> None:
        """Watch the methods of one of the library's classes, or of a class below one, each where it is defined."""
        for base in cls.__mro__:
            if any(one.__module__.partition(".")[0] == self._package for one in base.__mro__):
                self._take_over(base)
        super().patch(cls)

    def _take_over(self, cls: type) -> None:
        for operation in self._operations:
            attribute: Any = vars(cls).get(operation)
            if is_watched(attribute):
                setattr(cls, operation, attribute.__wrapped__)

    def _watched(self, original: Callable[..., Any], operation: str) -> Callable[..., Any]:
        choose = self._choose

        @functools.wraps(original)
        def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
            if is_nested():
                return original(self, *args, **kwargs)
            framework: Framework | None = None
            with guard:
                framework = choose(self, operation, args, kwargs)
            if framework is None:
                return original(self, *args, **kwargs)
            return call(original, self, args, kwargs, framework=framework, operation=operation)

        return watched

    def _trained(self, original: Callable[..., Any], operation: str) -> Callable[..., Any]:
        framework, evaluations = self._framework, self._evaluations

        @functools.wraps(original)
        def trained(self: Any, *args: Any, **kwargs: Any) -> Any:
            if is_nested():
                return original(self, *args, **kwargs)
            return fit_estimator(
                original, self, args, kwargs, framework=framework, operation=operation, evaluations=evaluations
            )

        return trained


class BoosterInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # opentelemetry-instrumentation ships no types
    """Watches one boosting library from the day that it is imported."""

    _package: ClassVar[str]

    @abstractmethod
    def _new_patches(self) -> Patches:
        """Return patches for the library's classes."""

    @abstractmethod
    def _roots(self, module: Any) -> Iterable[type]:
        """Return the library's classes that predict, but for those below others."""

    def _functions(self, module: Any) -> Iterable[FunctionPatch]:  # noqa: ARG002
        """Patch the library's functions that train."""
        return ()

    def instrumentation_dependencies(self) -> Collection[str]:
        """The library is watched from the day that it is imported; without it nothing happens."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        use_providers(tracer_provider=kwargs.get("tracer_provider"), meter_provider=kwargs.get("meter_provider"))
        self._patches: Patches | None = None
        self._hooks: list[_SubclassHook | FunctionPatch] = []
        self._on = True
        wrapt.register_post_import_hook(self._on_import, self._package)

    def _on_import(self, module: Any) -> None:
        if not self._on or self._patches is not None:
            return
        self._patches = patches = self._new_patches()
        classes: list[type] = []
        with guard:
            for root in self._roots(module):
                self._hooks.append(_SubclassHook(root, patches))
                classes += _subclasses(root)
            self._hooks += self._functions(module)
        for cls in classes:
            with guard:
                patches.patch(cls)

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ARG002
        self._on = False
        for hook in self._hooks:
            hook.restore()
        self._hooks.clear()
        if self._patches is not None:
            self._patches.restore()
            self._patches = None


class _SubclassHook:
    """Lets patches see every class below a root as it is made: a program's own estimators mostly come late."""

    def __init__(self, root: Any, patches: Patches) -> None:
        self._root = root
        self._found = found = vars(root).get("__init_subclass__")

        def __init_subclass__(cls: type, /, **kwargs: Any) -> None:  # noqa: N807  # it takes the place of that method
            if found is None:
                super(root, cls).__init_subclass__(**kwargs)  # type: ignore[misc]  # cls is below root
            else:
                found.__get__(None, cls)(**kwargs)
            with guard:
                patches.patch(cls)

        root.__init_subclass__ = classmethod(__init_subclass__)

    def restore(self) -> None:
        """Leave the root as it was found."""
        if self._found is None:
            del self._root.__init_subclass__
        else:
            self._root.__init_subclass__ = self._found


def argument(args: tuple[Any, ...], kwargs: dict[str, Any], at: int, name: str) -> Any:
    """Return an argument that may be given by its place or its name; None when it was not given."""
    return args[at] if len(args) > at else kwargs.get(name)


_PREDICTION: Final = Names.of(("prediction",))
SCORE: Final = Names.of(("score",))
SCORE_OF_ONE: Final = Names.of(("score.1",))
"""The probability of a native booster's positive class: its labels are 0 and 1."""


def predictions(result: Any, *, kind: Kind | None = None) -> list[tuple[Role, Table]]:
    """Return what a native booster predicted: an array of shape (rows,) or (rows, outputs)."""
    values = _flat(result)
    if values is None:
        return []
    if values.ndim == 1:
        return [("prediction", Table(_PREDICTION, len(values), None, (values,), kind))]
    return [("prediction", Table(_numbered("prediction", values.shape[1]), len(values), values, kind=kind))]


def scores(result: Any, *, single: Names) -> list[tuple[Role, Table]]:
    """Return a native booster's scores: of shape (rows, classes), or (rows,), which then has the name ``single``."""
    values = _flat(result)
    if values is None:
        return []
    if values.ndim == 1:
        return [("score", Table(single, len(values), values[:, np.newaxis]))]
    return [("score", Table(_numbered("score", values.shape[1]), len(values), values))]


def _flat(result: Any) -> AnyArray | None:
    """Return an array of one or two dimensions, two only for several columns; None for what is no such array."""
    if type(result) is not np.ndarray or result.ndim not in {1, 2}:
        return None
    if result.ndim == 2 and result.shape[1] == 1:
        return result[:, 0]
    return None if result.ndim == 2 and result.shape[1] > MAX_CLASSES else result


@functools.lru_cache(maxsize=256)
def _numbered(stem: str, width: int) -> Names:
    return Names.of([f"{stem}.{at}" for at in range(width)])
