"""LightGBM: its estimators, and its native Booster.

``LGBMClassifier.predict`` calls ``predict_proba``, that ``LGBMModel.predict``, and that ``Booster.predict``: the
outermost is the one that counts. What explains a prediction (``pred_contrib``, ``pred_leaf``) is no prediction and is
passed through.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

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
from driftmeter.instrumentation._methods import Patches
from driftmeter.instrumentation._training import Training, shape_of, train
from driftmeter.instrumentation.sklearn import OPERATIONS, SklearnFramework
from driftmeter.recorder import Registry
from driftmeter.schema import Role
from driftmeter.tables import Table

_PLACES_OF_ESTIMATORS: Final = {"raw_score": 1, "pred_leaf": 4, "pred_contrib": 5}
_PLACES_OF_BOOSTERS: Final = {"raw_score": 3, "pred_leaf": 4, "pred_contrib": 5}
_PROBABILITIES: Final = frozenset({"binary", "cross_entropy"})


class LightgbmFramework(SklearnFramework):
    """What LightGBM's estimators tell of themselves."""

    name = "lightgbm"

    def feature_names(self, model: Any) -> Sequence[str]:
        """Return the booster's names; there are none where it was trained on an array."""
        booster = _booster_of(model)
        return _facts_of(booster).names if booster is not None else ()

    def width(self, model: Any) -> int | None:
        """Return the booster's number of features."""
        booster = _booster_of(model)
        width: int | None = None if booster is None else booster.num_feature()
        return width

    def outputs(self, model: Any, operation: str, result: Any) -> list[tuple[Role, Table]]:
        """Return predictions, or scores by class; with an objective of the user's own they are margins."""
        if operation == "predict" and type(result) is np.ndarray and result.dtype.kind == "f":
            classes = getattr(model, "classes_", None)
            if classes is not None and np.asarray(classes).dtype.kind != "f":
                operation = "decision_function"
        return super().outputs(model, operation, result)


class _Margins(Margins, LightgbmFramework):
    """An estimator asked for ``raw_score``."""


class _Native(LightgbmFramework):
    """A Booster."""

    def features(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return args[0] if args else kwargs.get("data")

    def outputs(self, model: Any, operation: str, result: Any) -> list[tuple[Role, Table]]:  # noqa: ARG002
        return scores(result, single=SCORE_OF_ONE) if _facts_of(model).classifies else predictions(result)


class _NativeMargins(NativeMargins, _Native):
    """A Booster asked for ``raw_score``."""


_ESTIMATOR: Final = LightgbmFramework()
_MARGINS: Final = _Margins()
_NATIVE: Final = _Native()
_NATIVE_MARGINS: Final = _NativeMargins()


def _choose(model: Any, operation: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Framework | None:
    if operation == "decision_function":
        return _MARGINS
    native = not hasattr(type(model), "booster_")
    places = _PLACES_OF_BOOSTERS if native else _PLACES_OF_ESTIMATORS
    if argument(args, kwargs, places["pred_leaf"], "pred_leaf"):
        return None
    if argument(args, kwargs, places["pred_contrib"], "pred_contrib"):
        return None
    if argument(args, kwargs, places["raw_score"], "raw_score"):
        return _NATIVE_MARGINS if native else _MARGINS
    return _NATIVE if native else _ESTIMATOR


def _booster_of(model: Any) -> Any:
    """Return an estimator's booster, or the booster itself; None where the estimator is not fitted."""
    return getattr(model, "booster_", None) if hasattr(type(model), "booster_") else model


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is asked of a booster once, since it is asked slowly."""

    names: tuple[str, ...]
    classifies: bool


_facts: Final[weakref.WeakKeyDictionary[Any, _Facts]] = weakref.WeakKeyDictionary()


def _facts_of(booster: Any) -> _Facts:
    facts = _facts.get(booster)
    if facts is None or len(facts.names) not in {0, booster.num_feature()}:
        facts = _facts[booster] = _Facts(_names_of(booster), _classifies(booster))
    return facts


def _names_of(booster: Any) -> tuple[str, ...]:
    names = tuple(booster.feature_name())
    # Those that LightGBM makes up tell nothing, and must not hide the names that a baseline has.
    return () if all(name == f"Column_{at}" for at, name in enumerate(names)) else names


def _classifies(booster: Any) -> bool:
    """Whether a booster returns probabilities of classes."""
    if booster.num_model_per_iteration() > 1:
        return True
    # Older versions do not know the parameters of a model that they have loaded, but can say them.
    found = re.search(r"^objective=(\w+)", booster.model_to_string(num_iteration=1), re.MULTILINE)
    return found is not None and found[1] in _PROBABILITIES


def _evaluations_of(model: Any) -> Evaluations | None:
    found: Evaluations | None = getattr(model, "best_score_", None)
    return found


def _train(original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call ``lightgbm.train``."""

    def describe(registry: Registry) -> Training:
        data = argument(args, kwargs, 1, "train_set")
        return native_training(registry, LightgbmFramework.name, args, kwargs, data=data, shape=_shape_of(data))

    return train(lambda: original(*args, **kwargs), describe, loss=lambda booster: final_loss(booster.best_score))


def _shape_of(data: Any) -> tuple[int | None, int | None]:
    """Return the numbers of rows and columns of a Dataset, which mostly is constructed only when it is trained on."""
    try:
        return data.num_data(), data.num_feature()
    except Exception:  # noqa: BLE001  # LightGBMError, which derives from nothing else
        return shape_of(getattr(data, "data", None))


class LightgbmInstrumentor(BoosterInstrumentor):
    """Watches LightGBM's estimators, its Booster, and ``lightgbm.train``."""

    _package = "lightgbm"

    def _new_patches(self) -> Patches:
        return BoosterPatches(
            _ESTIMATOR, OPERATIONS, choose=_choose, evaluations=_evaluations_of, package=self._package
        )

    def _roots(self, module: Any) -> Iterable[type]:
        return [module.Booster, module.LGBMModel]

    def _functions(self, module: Any) -> Iterable[FunctionPatch]:
        return [FunctionPatch((module, module.engine), "train", _train)]
