"""scikit-learn, and every estimator that derives from its BaseEstimator: a user's own and other libraries'.

Classes are patched when they are made (`BaseEstimator.__init_subclass__`), so nothing of scikit-learn is imported that
the program does not import itself; those that are there already are found as subclasses.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

import numpy as np
import wrapt
from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]  # no __all__ there
    BaseInstrumentor,
)

from driftmeter.instrumentation._instruments import use_providers
from driftmeter.instrumentation._methods import Patches
from driftmeter.recorder import Identity, guard
from driftmeter.schema import Kind, Role
from driftmeter.sketches import category_name
from driftmeter.tables import Names, Table, UnreadableError, tabulate

OPERATIONS: Final = ("predict", "predict_proba", "decision_function")
MAX_CLASSES: Final = 20
"""Classes whose scores are columns of their own; a model with more keeps its predictions only."""


class SklearnFramework:
    """What scikit-learn's models tell of themselves."""

    name = "sklearn"

    def features(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return X, which is the first argument or a keyword."""
        return args[0] if args else kwargs.get("X")

    def feature_names(self, model: Any) -> Sequence[str]:
        """Return ``feature_names_in_``, which estimators fitted on a frame have."""
        names: Sequence[str] | None = getattr(model, "feature_names_in_", None)
        return () if names is None else names

    def identity(self, model: Any) -> Identity:
        """Return the class's name; estimators have no place for another."""
        return Identity(type(model).__name__)

    def outputs(self, model: Any, operation: str, result: Any) -> list[tuple[Role, Table]]:
        """Return predictions, or scores by class; of two classes the second one's, since the first follows from it."""
        if operation == "predict":
            return _predictions(model, result)
        try:
            table = tabulate(result, max_columns=MAX_CLASSES + 1)
        except UnreadableError:
            return []
        width = len(table.names)
        if width > MAX_CLASSES or table.matrix is None:
            return []
        if width == 1:
            return [("score", Table(_SCORE, table.rows, table.matrix))]
        names = _score_names(model, operation, table)
        return [("score", Table(names, table.rows, table.matrix[:, 1:] if len(names) < width else table.matrix))]


_SCORE: Final = Names.of(("score",))
_PREDICTION: Final = Names.of(("prediction",))


def _predictions(model: Any, result: Any) -> list[tuple[Role, Table]]:
    if isinstance(result, tuple) and result:
        # Regressors that are asked for a standard deviation too (return_std=True) return it beside the predictions.
        result = result[0]
    # A classifier's labels are names even where they are numbers.
    classes = getattr(model, "classes_", None)
    kind: Kind | None = None if classes is None else "categorical"
    categories = classes if type(classes) is np.ndarray and classes.ndim == 1 else None
    if type(result) is np.ndarray and result.ndim == 1 and kind is not None:
        # As nearly all classifiers return them.
        return [("prediction", Table(_PREDICTION, len(result), None, (result,), kind, categories=categories))]
    try:
        table = tabulate(result, names=_PREDICTION, max_columns=MAX_CLASSES)
    except UnreadableError:
        return []
    if len(table.names) == 1:
        return [
            ("prediction", Table(_PREDICTION, table.rows, table.matrix, table.columns, kind, categories=categories))
        ]
    names = tuple(f"prediction.{i}" for i in range(len(table.names)))
    return [("prediction", replace(table, names=names, kind=kind))]


def _score_names(model: Any, operation: str, table: Table) -> Names:
    """Return the names of a matrix of scores: of all classes, or, of two probabilities, of the second class alone."""
    classes = getattr(model, "classes_", ())
    if len(classes) != len(table.names):
        labels = table.names
    else:
        labels = tuple(classes.tolist() if isinstance(classes, np.ndarray) else classes)
    if len(labels) == 2 and operation == "predict_proba":
        labels = labels[1:]
    # True and 1 are equal, and two categories: so their types are part of what is looked up.
    types = tuple(map(type, labels))
    return (_names_of_scores if _PLAIN.issuperset(types) else _names_of_scores.__wrapped__)(labels, types)


_PLAIN: Final = frozenset({str, int, float, bool})


@lru_cache(maxsize=256)
def _names_of_scores(labels: tuple[Any, ...], types: tuple[type, ...]) -> Names:  # noqa: ARG001
    return Names.of([f"score.{category_name(label)}" for label in labels])


class SklearnInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # opentelemetry-instrumentation ships no types
    """Watches ``predict``, ``predict_proba``, ``decision_function`` and ``fit`` of every estimator."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """scikit-learn is watched from the day that it is imported; without it nothing happens."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        use_providers(tracer_provider=kwargs.get("tracer_provider"), meter_provider=kwargs.get("meter_provider"))
        self._patches = Patches(SklearnFramework(), OPERATIONS)
        self._base: Any = None
        self._on = True
        # Scorers, which searches and cross validation call, predict too, and that is no serving either.
        self._scorers = Patches(SklearnFramework(), (), training=(), evaluation=("__call__",))
        wrapt.register_post_import_hook(self._on_import, "sklearn.base")
        wrapt.register_post_import_hook(self._on_import_of_metrics, "sklearn.metrics")

    def _on_import(self, module: Any) -> None:
        found: list[type] = []
        with guard:
            if not self._on or self._base is not None:
                return
            self._base = module.BaseEstimator
            self._inherited = self._base.__dict__.get("__init_subclass__")
            self._base.__init_subclass__ = classmethod(self._watching_subclasses(self._base))
            found = _subclasses(self._base)
        for cls in found:
            with guard:
                self._patches.patch(cls)

    def _on_import_of_metrics(self, module: Any) -> None:
        with guard:
            if self._on:
                for scorer in _scorers(module):
                    self._scorers.patch(type(scorer))

    def _watching_subclasses(self, base: Any) -> Any:
        patches, inherited = self._patches, self._inherited

        def __init_subclass__(cls: type, **kwargs: Any) -> None:  # noqa: N807  # it takes the place of that method
            if inherited is None:
                super(base, cls).__init_subclass__(**kwargs)  # type: ignore[misc]  # cls is below base
            else:
                inherited.__get__(None, cls)(**kwargs)
            with guard:
                patches.patch(cls)

        return __init_subclass__

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ARG002
        self._on = False
        self._patches.restore()
        self._scorers.restore()
        if self._base is not None:
            if self._inherited is None:
                del self._base.__init_subclass__
            else:
                self._base.__init_subclass__ = self._inherited
            self._base = None


class _Unfitted:
    """What scikit-learn takes for an estimator when it makes a scorer."""

    def fit(self) -> None: ...


def _scorers(metrics: Any) -> list[Any]:
    """Return a scorer of each kind that there is: of one measure, and of several, as cross validation has it."""
    scorers = [metrics.make_scorer(metrics.accuracy_score)]
    with contextlib.suppress(TypeError, ValueError):  # before 1.5 there is no public way to make the second one
        scorers.append(metrics.check_scoring(_Unfitted(), scoring=["accuracy"]))
    return scorers


def _subclasses(cls: type) -> list[type]:
    found: dict[type, None] = {}
    pending = [cls]
    while pending:
        current = pending.pop()
        if current not in found:
            found[current] = None
            pending += type.__subclasses__(current)
    return list(found)
