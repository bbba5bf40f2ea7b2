"""scikit-learn, and every estimator that derives from its BaseEstimator: a user's own and other libraries'.

Classes are patched when they are made (`BaseEstimator.__init_subclass__`), so nothing of scikit-learn is imported that
the program does not import itself; those that are there already are found as subclasses.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

import numpy as np

from driftmeter.instrumentation._methods import Patches
from driftmeter.instrumentation._on_import import ImportInstrumentor
from driftmeter.instrumentation._subclasses import SubclassHook, subclasses
from driftmeter.recorder import Identity, digest_of, guard
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
        """Return X, which is the first argument or a keyword, by whatever name if there is no X."""
        if args:
            return args[0]
        return kwargs["X"] if "X" in kwargs else next(iter(kwargs.values()), None)

    def feature_names(self, model: Any) -> Sequence[str]:
        """Return ``feature_names_in_``, which estimators fitted on a frame have."""
        names: Sequence[str] | None = getattr(model, "feature_names_in_", None)
        return () if names is None else names

    def identity(self, model: Any) -> Identity:
        """Return the class's name, since estimators have no place for another, and a digest of features and labels."""
        return Identity(type(model).__name__, trained_on=self.trained_on(model))

    def trained_on(self, model: Any) -> str:
        """Return a digest of the features and the labels that a model knows: what stays when it is trained again."""
        with guard:
            # By itself: a program's own properties may raise anything, and the call has its span all the same.
            names = self.feature_names(model)
            return digest_of(list(names) if len(names) else self.width(model), getattr(model, "classes_", None))
        return ""

    def width(self, model: Any) -> int | None:
        """Return the number of features that a model knows."""
        width: int | None = getattr(model, "n_features_in_", None)
        return width

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
    classes: Any = getattr(model, "classes_", ())
    labels: tuple[Any, ...]
    if not len(classes) or len(classes) != len(table.names):
        labels = table.names
    elif isinstance(classes[0], np.ndarray):  # a chain's: a column an output, and each has classes
        labels = tuple(range(len(classes)))
    else:
        labels = tuple(classes.tolist() if isinstance(classes, np.ndarray) else classes)
        if len(labels) == 2 and operation == "predict_proba" and not _is_multilabel(model):
            labels = labels[1:]
    # True and 1 are equal, and two categories: so their types are part of what is looked up.
    types = tuple(map(type, labels))
    return (_names_of_scores if _PLAIN.issuperset(types) else _names_of_scores.__wrapped__)(labels, types)


def _is_multilabel(model: Any) -> bool:
    """Whether two labels have probabilities that do not follow from each other."""
    return bool(getattr(model, "multilabel_", False)) or getattr(model, "n_outputs_", 1) == 2


_PLAIN: Final = frozenset({str, int, float, bool})


@lru_cache(maxsize=256)
def _names_of_scores(labels: tuple[Any, ...], types: tuple[type, ...]) -> Names:  # noqa: ARG001
    return Names.of([f"score.{category_name(label)}" for label in labels])


class SklearnInstrumentor(ImportInstrumentor):
    """Watches ``predict``, ``predict_proba``, ``decision_function`` and ``fit`` of every estimator."""

    def hooks(self) -> Mapping[str, Callable[[Any], None]]:
        """Wait for the modules of estimators and of scorers."""
        self._patches = Patches(SklearnFramework(), OPERATIONS)
        # Scorers, which searches and cross validation call, predict too, and that is no serving either.
        self._scorers = Patches(SklearnFramework(), (), training=(), evaluation=("__call__",))
        self._hook_of_base: SubclassHook | None = None
        return {"sklearn.base": self._patch, "sklearn.metrics": self._patch_scorers}

    def _patch(self, module: Any) -> None:
        found = subclasses(module.BaseEstimator)
        self._hook_of_base = SubclassHook(module.BaseEstimator, self._patches.patch)
        for cls in found:
            with guard:
                self._patches.patch(cls)

    def _patch_scorers(self, module: Any) -> None:
        for scorer in _scorers(module):
            self._scorers.patch(type(scorer))

    def restore(self) -> None:
        """Put the methods back."""
        self._patches.restore()
        self._scorers.restore()
        if self._hook_of_base is not None:
            self._hook_of_base.restore()
            self._hook_of_base = None


class _Unfitted:
    """What scikit-learn takes for an estimator when it makes a scorer."""

    def fit(self) -> None: ...


def _scorers(metrics: Any) -> list[Any]:
    """Return a scorer of each kind that there is: of one measure, and of several, as cross validation has it."""
    scorers = [metrics.make_scorer(metrics.accuracy_score)]
    with contextlib.suppress(TypeError, ValueError):  # before 1.5 there is no public way to make the second one
        scorers.append(metrics.check_scoring(_Unfitted(), scoring=["accuracy"]))
    return scorers
