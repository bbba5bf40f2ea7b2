"""CatBoost: its classifier, regressor, ranker and plain model.

Its models derive from no class of scikit-learn's. What ``predict`` returns is said by ``prediction_type``, whose
default differs from class to class. One object may be passed as a list or an array of its features; its prediction
comes without the dimension of rows then.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from driftmeter.instrumentation._booster_training import Evaluations
from driftmeter.instrumentation._boosters import BoosterInstrumentor, BoosterPatches, argument
from driftmeter.instrumentation._call import Framework
from driftmeter.instrumentation._methods import Patches
from driftmeter.instrumentation.sklearn import SklearnFramework
from driftmeter.recorder import Identity
from driftmeter.schema import Role
from driftmeter.tables import Table

OPERATIONS: Final = ("predict", "predict_proba")
MAX_CELLS: Final = 1 << 18
"""Rows times columns of a Pool that is read, which takes CatBoost 70 ns each; a larger one is watched without its rows.
"""

_Returned: TypeAlias = Literal["values", "labels", "probabilities", "other"]
_RETURNED: Final[dict[str, _Returned]] = {
    "Class": "labels",
    "Probability": "probabilities",
    "RawFormulaVal": "values",
    "Exponent": "values",
    "RMSEWithUncertainty": "values",
}


class CatboostFramework(SklearnFramework):
    """What CatBoost's models tell of themselves, in a call that returns one kind of value, of rows or of one object."""

    name = "catboost"

    def __init__(self, returned: _Returned, *, one: bool) -> None:
        self._returned = returned
        self._one = one

    def features(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the rows; one object's features as one row."""
        rows = _first(args, kwargs)
        if self._one:
            return rows.reshape(1, -1) if type(rows) is np.ndarray else [list(rows)]
        return _rows_of(rows) if _is_pool(rows) else rows

    def feature_names(self, model: Any) -> Sequence[str]:
        """Return the names that the model was trained on; there are none where that was an array."""
        names: list[str] = model.feature_names_ or []
        # Those that CatBoost makes up tell nothing, and must not hide the names that a baseline has.
        made_up = bool(names) and names[0] == "0" and names == [str(at) for at in range(len(names))]
        return () if made_up else names

    def identity(self, model: Any) -> Identity:
        """Return the metadata's ``model_name`` and ``model_version``, which are saved with the model."""
        told: Any = model.get_metadata() if model.is_fitted() else {}
        name, version = told.get("model_name") or "", told.get("model_version") or ""
        return Identity(type(model).__name__, name, version, self.trained_on(model))

    def outputs(self, model: Any, operation: str, result: Any) -> list[tuple[Role, Table]]:  # noqa: ARG002
        """Return predictions, or scores by class; a classifier's raw values are margins, and so scores."""
        if self._returned == "other":
            return []
        classes = model.classes_
        known = classes is not None and len(classes) > 0
        if self._returned == "values":
            shown = "decision_function" if known else "predict"
        else:
            shown = "predict" if self._returned == "labels" else "predict_proba"
        rows = np.asarray(result)[np.newaxis] if self._one else result
        if rows.ndim == 2 and rows.shape[1] == 1:  # classes, of more than two
            rows = rows[:, 0]
        # Asked for its classes again, the model would make them again.
        return super().outputs(SimpleNamespace(classes_=classes) if known else None, shown, rows)


_FRAMEWORKS: Final = {
    (returned, one): CatboostFramework(returned, one=one)
    for returned in (*_RETURNED.values(), "other")
    for one in (False, True)
}


def _choose(model: Any, operation: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Framework | None:
    rows = _first(args, kwargs)
    one = not isinstance(rows, str) and not _is_pool(rows) and _dimensions(rows) == 1
    if operation == "predict_proba":
        return _FRAMEWORKS["probabilities", one]
    # A ranker's second argument is another one.
    told = argument(args, kwargs, 1, "prediction_type")
    if isinstance(told, str):
        return _FRAMEWORKS[_RETURNED.get(told, "other"), one]
    return _FRAMEWORKS["labels" if hasattr(model, "predict_proba") else "values", one]


def _first(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args[0] if args else kwargs.get("data", kwargs.get("X"))


def _dimensions(rows: Any) -> int | None:
    """Return how many dimensions rows have, without making an array of them; None where that is not known."""
    dimensions = getattr(rows, "ndim", None)
    if dimensions is None and isinstance(rows, list | tuple) and rows:
        return 2 if hasattr(rows[0], "__len__") and not isinstance(rows[0], str | bytes) else 1
    if dimensions is None and hasattr(rows, "shape"):  # polars
        return len(rows.shape)
    return dimensions


def _is_pool(rows: Any) -> bool:
    return type(rows).__name__ == "Pool" and hasattr(rows, "get_features")


def _rows_of(pool: Any) -> Any:
    """Return a Pool's rows; the Pool itself when it is large, or holds categories or what is quantised."""
    rows, width = pool.shape
    if rows * width <= MAX_CELLS:
        with contextlib.suppress(Exception):  # CatBoostError, which derives from nothing else
            return pool.get_features()
    return pool


def _evaluations_of(model: Any) -> Evaluations | None:
    found: Evaluations | None = model.get_evals_result()
    return found


class CatboostInstrumentor(BoosterInstrumentor):
    """Watches CatBoost's models."""

    _package = "catboost"

    def _new_patches(self) -> Patches:
        return BoosterPatches(
            _FRAMEWORKS["values", False],
            OPERATIONS,
            choose=_choose,
            evaluations=_evaluations_of,
            package=self._package,
        )

    def _roots(self, module: Any) -> Iterable[type]:
        return [module.CatBoost]
