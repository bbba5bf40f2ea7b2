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
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Final

import numpy as np

from driftmeter.instrumentation._booster_training import Evaluations, FunctionPatch, fit_estimator
from driftmeter.instrumentation._call import Framework
from driftmeter.instrumentation._methods import Choose, Patches, is_watched
from driftmeter.instrumentation._on_import import ImportInstrumentor
from driftmeter.instrumentation._subclasses import SubclassHook, subclasses
from driftmeter.instrumentation.sklearn import MAX_CLASSES, SklearnFramework
from driftmeter.recorder import guard
from driftmeter.schema import Kind, Role
from driftmeter.tables import Names, Table
from driftmeter.typing import AnyArray


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
        trainer = functools.partial(fit_estimator, evaluations=evaluations)
        super().__init__(framework, operations, choose=choose, trainer=trainer)
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


class BoosterInstrumentor(ImportInstrumentor):
    """Watches one boosting library's estimators, its native boosters, and its functions that train."""

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

    def hooks(self) -> Mapping[str, Callable[[Any], None]]:
        """Wait for the library."""
        self._patches = self._new_patches()
        self._hooked: list[SubclassHook | FunctionPatch] = []
        return {self._package: self._patch}

    def _patch(self, module: Any) -> None:
        classes: list[type] = []
        with guard:
            for root in self._roots(module):
                self._hooked.append(SubclassHook(root, self._patches.patch))
                classes += subclasses(root)
            self._hooked += self._functions(module)
        for cls in classes:
            with guard:
                self._patches.patch(cls)

    def restore(self) -> None:
        """Put methods and functions back."""
        for hooked in self._hooked:
            hooked.restore()
        self._hooked.clear()
        self._patches.restore()


def argument(args: tuple[Any, ...], kwargs: dict[str, Any], at: int, name: str) -> Any:
    """Return an argument that may be given by its place or its name; None when it was not given."""
    return args[at] if len(args) > at else kwargs.get(name)


_PREDICTION: Final = Names.of(("prediction",))
_SCORE: Final = Names.of(("score",))
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


class Margins(SklearnFramework):
    """Beside a library's framework: an estimator that was asked for margins."""

    def outputs(self, model: Any, operation: str, result: Any) -> list[tuple[Role, Table]]:  # noqa: ARG002
        """Return the margins as scores."""
        return super().outputs(model, "decision_function", result)


class NativeMargins(SklearnFramework):
    """Beside a library's framework: a native booster that was asked for margins."""

    def outputs(self, model: Any, operation: str, result: Any) -> list[tuple[Role, Table]]:  # noqa: ARG002
        """Return the margins as scores."""
        return scores(result, single=_SCORE)


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
