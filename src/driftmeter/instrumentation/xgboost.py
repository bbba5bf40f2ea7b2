"""XGBoost: its estimators, and its native Booster.

A Booster is asked by ``predict(DMatrix)`` or ``inplace_predict(rows)``; the estimators call these, which then are
nested. What explains a prediction (``pred_contribs``, ``pred_interactions``, ``pred_leaf``), or trains
(``training=True``), is no prediction and is passed through.
"""

from __future__ import annotations

import contextlib
import functools
import json
import sys
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from driftmeter.instrumentation._booster_training import Evaluations, FunctionPatch, final_loss, native_training
from driftmeter.instrumentation._boosters import (
    SCORE_OF_ONE,
    BoosterInstrumentor,
    BoosterPatches,
    Margins,
    NativeMargins,
    argument,
    predictions,
    scores,
)
from driftmeter.instrumentation._call import Framework
from driftmeter.instrumentation._gpu_of import ordinal_in
from driftmeter.instrumentation._methods import Patches
from driftmeter.instrumentation._training import Training, train
from driftmeter.instrumentation.sklearn import SklearnFramework
from driftmeter.recorder import Identity, Registry, active
from driftmeter.schema import Role
from driftmeter.tables import Table
from driftmeter.typing import AnyArray

OPERATIONS: Final = ("predict", "predict_proba", "inplace_predict")
MAX_CELLS: Final = 1 << 24
"""Rows times columns of a DMatrix that is read: 64 MiB. One that is larger is watched without its rows."""

_NO_PREDICTION: Final = ("pred_leaf", "pred_contribs", "pred_interactions", "training")
_PROBABILITIES: Final = frozenset({"binary:logistic", "multi:softprob"})
_CLASSES: Final = frozenset({"binary:hinge", "multi:softmax"})


class XgboostFramework(SklearnFramework):
    """What XGBoost's estimators tell of themselves."""

    name = "xgboost"

    def feature_names(self, model: Any) -> Sequence[str]:
        """Return the booster's names; there are none where it was trained on an array."""
        booster = _booster_of(model)
        return _names_of(booster) if booster is not None else ()

    def identity(self, model: Any) -> Identity:
        """Return the booster's attributes ``model_name`` and ``model_version``, which are saved with it."""
        booster = _booster_of(model)
        if booster is None:
            return Identity(type(model).__name__)
        name, version = booster.attr("model_name"), booster.attr("model_version")
        return Identity(type(model).__name__, name or "", version or "", self.trained_on(model))

    def width(self, model: Any) -> int | None:
        """Return the booster's number of features."""
        booster = _booster_of(model)
        width: int | None = None if booster is None else booster.num_features()
        return width

    def device(self, model: Any) -> int | None:
        """Return the number of the CUDA device that the estimator or booster is to use."""
        return device_of(model)


class _Margins(Margins, XgboostFramework):
    """An estimator asked for ``output_margin``."""


class _Ranks(XgboostFramework):
    """A ranker, whose frame holds beside the features the column ``qid``, which says what is ranked together."""

    def features(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        rows = super().features(args, kwargs)
        if "qid" in getattr(rows, "columns", ()):
            return rows[[name for name in rows.columns if name != "qid"]]
        return rows


class _Native(XgboostFramework):
    """A Booster."""

    def features(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        data = args[0] if args else kwargs.get("data")
        return _rows_of(data) if type(data).__name__ == "DMatrix" else data

    def outputs(self, model: Any, operation: str, result: Any) -> list[tuple[Role, Table]]:  # noqa: ARG002
        objective = _told_of(model).objective
        if objective in _PROBABILITIES:
            return scores(result, single=SCORE_OF_ONE)
        if objective in _CLASSES and type(result) is np.ndarray:
            return predictions(result.astype(np.int64), kind="categorical")
        return predictions(result)


class _NativeMargins(NativeMargins, _Native):
    """A Booster asked for margins."""


_ESTIMATOR: Final = XgboostFramework()
_MARGINS: Final = _Margins()
_RANKS: Final = _Ranks()
_NATIVE: Final = _Native()
_NATIVE_MARGINS: Final = _NativeMargins()


_POSITIONS: Final = {
    "predict": ("data", "output_margin", "pred_leaf", "pred_contribs", "approx_contribs", "pred_interactions"),
    "inplace_predict": ("data", "iteration_range", "predict_type"),
}
"""A booster's arguments, where they are given by position."""


def _choose(model: Any, operation: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Framework | None:
    if not hasattr(model, "get_booster"):
        given = {**dict(zip(_POSITIONS.get(operation, ()), args, strict=False)), **kwargs}
        if any(given.get(name) for name in _NO_PREDICTION):
            return None
        wants_margins = given.get("output_margin") or given.get("predict_type") == "margin"
        return _NATIVE_MARGINS if wants_margins else _NATIVE
    if getattr(model, "_estimator_type", None) == "ranker":
        return _RANKS
    wants_margins = args[1] if operation == "predict" and len(args) > 1 else kwargs.get("output_margin")
    return _MARGINS if wants_margins else _ESTIMATOR


def device_of(model: Any) -> int | None:
    """Return the number of the CUDA device that an estimator was told to use, or that a booster is configured for."""
    if not _is_built_for_cuda():
        return None
    return ordinal_in(model.device if hasattr(model, "get_booster") else _told_of(model).device)


def _booster_of(model: Any) -> Any:
    """Return an estimator's booster, or the booster itself; None where the estimator is not fitted."""
    if not hasattr(model, "get_booster"):
        return model
    with contextlib.suppress(AttributeError, ValueError):  # scikit-learn's NotFittedError is both
        return model.get_booster()
    return None


def _rows_of(data: Any) -> AnyArray | Any:
    """Return a DMatrix's rows, dense, with nulls where it holds nothing; the DMatrix itself when it cannot be read.

    Categories are held as codes, whose names are lost, so a DMatrix with any is not read.
    """
    rows, width = data.num_row(), data.num_col()
    registry = active()
    kept = min(width, registry.config.max_columns + 1) if registry is not None else width
    if rows * kept > MAX_CELLS or data.num_nonmissing() > MAX_CELLS or "c" in (data.feature_types or ()):
        return data
    held = data.get_data()
    if held.nnz == rows * width and (held.indices.reshape(rows, width) == np.arange(width)).all():
        dense: AnyArray = held.data.reshape(rows, width)
        return dense
    found = np.full((rows, kept), np.nan, dtype=np.float32)
    at = np.repeat(np.arange(rows), np.diff(held.indptr.astype(np.int64)))
    inside = held.indices < kept
    found[at[inside], held.indices[inside]] = held.data[inside]
    return found


_names: Final[weakref.WeakKeyDictionary[Any, tuple[str, ...]]] = weakref.WeakKeyDictionary()


def _names_of(booster: Any) -> tuple[str, ...]:
    """Return a booster's names, which are asked again only where there were none, or another number of them."""
    names = _names.get(booster, ())
    if not names or len(names) != booster.num_features():
        names = _names[booster] = tuple(booster.feature_names or ())
    return names


class _Told(NamedTuple):
    """What a booster's configuration tells."""

    objective: str
    device: str


_told: Final[weakref.WeakKeyDictionary[Any, _Told]] = weakref.WeakKeyDictionary()


def _told_of(booster: Any) -> _Told:
    """Return what a booster's configuration tells, which is asked for once: it comes as a whole, as JSON."""
    told = _told.get(booster)
    if told is None:
        learner = json.loads(booster.save_config())["learner"]
        told = _Told(str(learner["objective"]["name"]), str(learner.get("generic_param", {}).get("device", "cpu")))
        _told[booster] = told
    return told


@functools.cache
def _is_built_for_cuda() -> bool:
    """Whether this XGBoost can use a GPU at all; one that cannot computes elsewhere than it was told."""
    return bool(sys.modules["xgboost"].build_info().get("USE_CUDA"))


def _evaluations_of(model: Any) -> Evaluations | None:
    found: Evaluations | None = getattr(model, "evals_result_", None)
    return found


def _train(original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call ``xgboost.train``; what it evaluates is told in a mapping that the caller passes, and we if they do not."""
    history = kwargs.get("evals_result")
    if history is None and kwargs.get("evals"):
        history = {}
        kwargs = {**kwargs, "evals_result": history}

    def describe(registry: Registry) -> Training:
        data = argument(args, kwargs, 1, "dtrain")
        shape = (data.num_row(), data.num_col()) if hasattr(data, "num_row") else (None, None)
        return native_training(registry, XgboostFramework.name, args, kwargs, data=data, shape=shape)

    return train(lambda: original(*args, **kwargs), describe, loss=lambda _: final_loss(history))


class XgboostInstrumentor(BoosterInstrumentor):
    """Watches XGBoost's estimators, its Booster, and ``xgboost.train``."""

    _package = "xgboost"

    def _new_patches(self) -> Patches:
        return BoosterPatches(
            _ESTIMATOR, OPERATIONS, choose=_choose, evaluations=_evaluations_of, package=self._package
        )

    def _roots(self, module: Any) -> Iterable[type]:
        return [module.Booster, module.XGBModel]

    def _functions(self, module: Any) -> Iterable[FunctionPatch]:
        return [FunctionPatch((module, module.training), "train", _train)]
