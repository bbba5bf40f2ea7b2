"""statsmodels: ``predict`` and ``get_prediction`` of fitted results, on rows that are given.

Without rows both give the fitted values of the training data, which is no serving, and is passed through; so are
forecasts of time series, which take a start and an end instead of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from driftmeter.instrumentation._methods import Patches
from driftmeter.instrumentation._on_import import ImportInstrumentor
from driftmeter.instrumentation.sklearn import MAX_CLASSES
from driftmeter.recorder import Identity, digest_of, guard
from driftmeter.schema import Role
from driftmeter.sketches import category_name
from driftmeter.tables import Names, Table, UnreadableError, tabulate

OPERATIONS: Final = ("predict", "get_prediction")
_CLASSES: Final = (
    ("statsmodels.base.model", "Results"),
    ("statsmodels.base.model", "GenericLikelihoodModelResults"),
    ("statsmodels.regression.linear_model", "RegressionResults"),
    ("statsmodels.genmod.generalized_linear_model", "GLMResults"),
    ("statsmodels.discrete.discrete_model", "DiscreteResults"),
    ("statsmodels.gam.generalized_additive_model", "GLMGamResults"),
)
"""Where predictions of rows are made; what derives from these and has methods of its own comes here in the end."""
_PREDICTION: Final = Names.of(("prediction",))


class _Prediction:
    """One prediction: what fitted results tell of it."""

    __slots__ = ("_names", "_options", "_rows")

    name = "statsmodels"

    def __init__(self, rows: Any, names: Sequence[str], options: Mapping[str, Any]) -> None:
        self._rows = rows
        self._names = names
        self._options = options

    def features(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ARG002
        """Return the rows, as they were given."""
        return self._rows

    def feature_names(self, model: Any) -> Sequence[str]:  # noqa: ARG002
        """Return ``exog_names``, which a formula's variables and an array's columns have."""
        return self._names

    def identity(self, model: Any) -> Identity:
        """Return the class of the model that was fitted, and a digest of what it explains by what."""
        of = model.model
        told = getattr(of, "exog_names", None), getattr(of, "endog_names", None)
        return Identity(type(of).__name__, trained_on=digest_of(*told))

    def outputs(self, model: Any, operation: str, result: Any) -> list[tuple[Role, Table]]:
        """Return the predicted means, or, of a model of categories, the probability of each."""
        if self._options.get("which") not in {None, "mean", "prob"} or self._options.get("linear"):
            return []  # a variance, a linear predictor: of another scale than the prediction
        if self._options.get("average"):
            return []
        values = _predicted(result, operation)
        try:
            table = tabulate(values, names=_PREDICTION, max_columns=MAX_CLASSES + 1)
        except UnreadableError:
            return []
        if len(table.names) == 1:
            return [("prediction", Table(_PREDICTION, table.rows, table.matrix, table.columns))]
        if len(table.names) > MAX_CLASSES:
            return []
        categories = _categories(model.model, len(table.names))
        role: Role = "score" if categories else "prediction"
        labels = categories or [str(at) for at in range(len(table.names))]
        return [(role, Table(tuple(f"{role}.{label}" for label in labels), table.rows, table.matrix, table.columns))]


def _predicted(result: Any, operation: str) -> Any:
    """Return the values of a result, which may be in an object with their errors beside them."""
    if operation == "get_prediction":
        return getattr(result, "predicted", getattr(result, "predicted_mean", None))
    return getattr(result, "predicted_values", result)


def _categories(model: Any, width: int) -> list[str]:
    """Return the names of a model's categories; none for a model of numbers."""
    names = getattr(model, "_ynames_map", None)
    labels = list(names.values()) if isinstance(names, Mapping) else getattr(model, "labels", None)
    return [category_name(one) for one in labels] if labels is not None and len(labels) == width else []


def _choose(results: Any, operation: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Prediction | None:  # noqa: ARG001
    """Return what is told of a call; None where it has no rows of its own."""
    model = results.model
    rows = args[0] if args else kwargs.get("exog")
    smooth = kwargs.get("exog_smooth", args[1] if len(args) > 1 and hasattr(model, "smoother") else None)
    if rows is None and smooth is None:
        return None
    names = tuple(getattr(model, "exog_names", None) or ())
    rows = None if rows is None else _in_rows(model, rows)
    if smooth is not None and not isinstance(smooth, bool):
        linear = {} if rows is None else _columns(rows, names)
        rows = linear | _columns(smooth, tuple(getattr(model.smoother, "variable_names", ())))
    which = next((one for one in args[1:] if isinstance(one, str)), kwargs.get("which"))
    return _Prediction(rows, names, {**kwargs, "which": which})


def _in_rows(model: Any, rows: Any) -> Any:
    """Return rows as rows: of a model with several columns, values in one dimension are a single row."""
    shape: tuple[int, ...] = getattr(getattr(model, "exog", None), "shape", ())
    if len(shape) < 2 or shape[1] < 2:
        return rows
    if hasattr(rows, "index") and getattr(rows, "ndim", 2) == 1:  # a Series
        if hasattr(model, "formula") and isinstance(rows.name, str) and rows.name in model.formula:
            return rows
        return {label: [value] for label, value in zip(rows.index.tolist(), rows.tolist(), strict=True)}
    if isinstance(rows, list | tuple) and not any(hasattr(one, "__len__") for one in rows):
        return [rows]
    return rows[np.newaxis, :] if type(rows) is np.ndarray and rows.ndim == 1 else rows


def _columns(rows: Any, names: Sequence[str]) -> dict[str, Any]:
    table = tabulate(rows, names=names)
    return {name: table.column(at) for at, name in enumerate(table.names)}


class StatsmodelsInstrumentor(ImportInstrumentor):
    """Watches ``predict`` and ``get_prediction`` of fitted results."""

    def hooks(self) -> Mapping[str, Callable[[Any], None]]:
        """Wait for the modules of the classes of results."""
        self._patches = Patches(None, OPERATIONS, choose=_choose)
        return dict.fromkeys(dict(_CLASSES), self._patch)

    def _patch(self, module: Any) -> None:
        for name in (known for path, known in _CLASSES if path == module.__name__):
            with guard:
                self._patches.patch(getattr(module, name))

    def restore(self) -> None:
        """Put the methods back."""
        self._patches.restore()
