"""The same answer, of every estimator that scikit-learn has; its own checks pass where they pass unwatched.

Estimators without ``predict``, ``predict_proba`` and ``decision_function`` are not fitted, only copied.
"""

from __future__ import annotations

import copy
import inspect
import pickle
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.ensemble import (
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
)
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import ClassifierChain
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import all_estimators, estimator_checks, validation
from threadpoolctl import threadpool_limits

instances = pytest.importorskip("sklearn.utils._test_common.instance_generator")  # since scikit-learn 1.6

OPERATIONS = ("predict", "predict_proba", "decision_function")
METHODS = (*OPERATIONS, "fit", "fit_predict", "fit_transform", "score", "partial_fit")
RNG = np.random.default_rng(0)
GROUPS = np.arange(40) % 3
ROWS = RNG.normal(size=(40, 4)) + GROUPS[:, np.newaxis]

pytestmark = pytest.mark.filterwarnings("ignore")


class UsersOwn(RegressorMixin, BaseEstimator):
    """As scikit-learn's guide says that estimators are to be written."""

    def fit(self, X, y):  # noqa: N803  # scikit-learn's checks pass it by this name
        self.mean_ = validation.validate_data(self, X, y, y_numeric=True)[1].mean()
        return self

    def predict(self, X):  # noqa: N803
        validation.check_is_fitted(self)
        return np.full(len(validation.validate_data(self, X, reset=False)), self.mean_)


@dataclass(frozen=True)
class Case:
    """A fitted estimator, what it is called with, and what it answered unwatched."""

    model: Any
    unfitted: Any
    rows: Any
    targets: Any
    bad_rows: dict[str, Any]
    answers: dict[str, Any]
    errors: dict[tuple[str, str], Any]


def made() -> dict[str, Any]:
    """Return one instance of each class, by scikit-learn's own recipes where there are no defaults."""
    found: dict[str, Any] = {"UsersOwn": UsersOwn()}
    for name, cls in all_estimators():
        if name != "FrozenEstimator":  # which has no recipe: it stands around a model that is fitted
            found[name] = next(iter(instances._construct_instances(cls)))
            estimator_checks.set_random_state(found[name])
    return found


def told(call: Callable[[], Any]) -> Any:
    """Return the very bits of a call's answer, or its exception."""
    try:
        answer = call()
    except Exception as error:
        return type(error), str(error)
    return bits(answer)


def bits(answer: Any) -> Any:
    if isinstance(answer, list | tuple):
        return type(answer), [bits(part) for part in answer]
    if sparse.issparse(answer):
        return type(answer), bits(answer.toarray())
    array = np.asarray(answer)
    return type(answer), array.dtype, array.shape, array.tolist() if array.dtype == object else array.tobytes()


def case(model: Any) -> Case:
    unfitted = clone(model)
    rows = estimator_checks._enforce_estimator_tags_X(model, ROWS.copy())  # which works in place
    targets = estimator_checks._enforce_estimator_tags_y(model, GROUPS.copy())
    if isinstance(model, ClassifierChain):
        targets = np.column_stack([GROUPS == 0, GROUPS == 1]).astype(int)
    model.fit(rows, targets)
    operations = [operation for operation in OPERATIONS if hasattr(model, operation)]
    bad = {"too wide": np.hstack([np.atleast_2d(rows), np.atleast_2d(rows)]), "null": np.full_like(rows, np.nan)}
    bad |= {"none": None, "text": [["a"] * 4]}
    answers = {operation: told(lambda o=operation: getattr(model, o)(rows)) for operation in operations}
    errors = {
        (operation, which): told(lambda o=operation, x=wrong: getattr(model, o)(x))
        for operation in operations
        for which, wrong in bad.items()
    }
    return Case(model, unfitted, rows, targets, bad, answers, errors)


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module")
def plain(_one_thread):
    """Every estimator, nobody watching."""
    return made()


@pytest.fixture(scope="module")
def cases(plain):
    """Those that predict, fitted, with what they answered."""
    return {
        name: case(clone(model))
        for name, model in plain.items()
        if any(hasattr(type(model), operation) for operation in OPERATIONS)
    }


def answered(one: Case, model: Any) -> dict[str, Any]:
    """Return what a model answers to all that can be asked of it."""
    return {operation: told(lambda o=operation: getattr(model, o)(one.rows)) for operation in one.answers}


def test_every_estimator_gives_the_same_answer_in_one_span_a_call(cases, sdk) -> None:
    sdk.watch(max_models=1000)
    for name, one in cases.items():
        assert answered(one, one.model) == one.answers, name
        spans = [(span.attributes["ml.model.name"], span.attributes["ml.operation.name"]) for span in sdk.spans()]
        assert spans == [(type(one.model).__name__, operation) for operation in one.answers], name
    points = sdk.collect(sdk.delta)["ml.column.value"]
    assert len({point.attributes["ml.model.name"] for point in points}) > 100  # rows were recorded, that is


def test_every_estimator_learns_the_same_in_one_span(cases, sdk) -> None:
    sdk.watch(max_models=1000)
    for name, one in cases.items():
        model = clone(one.unfitted).fit(one.rows, one.targets)
        assert [span.attributes["ml.operation.name"] for span in sdk.spans()] == ["fit"], name
        assert answered(one, model) == one.answers, name
        sdk.spans()


def test_every_estimator_raises_the_same_for_bad_rows(cases, sdk) -> None:
    refused = [key for one in cases.values() for key, error in one.errors.items() if issubclass(error[0], Exception)]
    assert {which for _, which in refused} == {"too wide", "null", "none", "text"}
    assert len(refused) > 500
    sdk.watch(max_models=1000)
    for name, one in cases.items():
        for (operation, which), error in one.errors.items():
            now = told(lambda m=one.model, o=operation, x=one.bad_rows[which]: getattr(m, o)(x))
            assert now == error, (name, operation, which)


def test_every_estimator_pickles_clones_and_copies_as_before(plain, cases, sdk) -> None:
    def copies(model: Any) -> list[Any]:
        return [pickle.loads(pickle.dumps(model)), copy.deepcopy(model)]

    parameters = {name: repr(model.get_params()) for name, model in plain.items()}
    pickled = {name: pickle.dumps(one.model) for name, one in cases.items()}
    # Of the copies: some give other bits than their original, whose arrays lie in memory in another order.
    answers = {name: [answered(one, model) for model in copies(one.model)] for name, one in cases.items()}
    sdk.watch(max_models=1000)
    for name, model in plain.items():
        for other in (clone(model), copy.copy(model), *copies(model)):
            assert type(other) is type(model)
            assert repr(other.get_params()) == parameters[name], name
    for name, one in cases.items():
        assert pickle.dumps(one.model) == pickled[name], name
        assert [answered(one, model) for model in copies(one.model)] == answers[name], name


def looks(model: Any) -> dict[str, Any]:
    """Return what the class and its methods look like; a method that is not there says so."""
    cls = type(model)
    found: dict[str, Any] = {"class": (str(inspect.signature(cls)), cls.__doc__, cls.__mro__)}
    for method in METHODS:
        mine = getattr(cls, method, None)
        if callable(mine):  # some are properties, which choose a method
            found[method] = (str(inspect.signature(mine)), mine.__doc__, mine.__name__, mine.__qualname__)
        found[f"has {method}"] = hasattr(model, method)
    return found


def test_every_estimator_keeps_its_signatures(plain, sdk) -> None:
    before = {name: looks(model) for name, model in plain.items()}
    sdk.watch()
    assert {name: looks(model) for name, model in plain.items()} == before


CHECKED = [
    make_pipeline(StandardScaler(), LogisticRegression()),
    HistGradientBoostingRegressor(max_iter=5),
    LinearRegression(),
    KMeans(n_clusters=2, n_init=2, random_state=0),
    SVC(),
    UsersOwn(),
]
CHECKED_SLOWLY = [
    GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2),
    StackingClassifier(
        [("tree", DecisionTreeClassifier(max_depth=2, random_state=0)), ("line", LogisticRegression())], cv=2
    ),
    CalibratedClassifierCV(DecisionTreeClassifier(max_depth=2, random_state=0), cv=2),
    RandomForestClassifier(n_estimators=5, random_state=0),
    GaussianProcessRegressor(),
    IsolationForest(n_estimators=5, random_state=0),
]


def checked(model: Any) -> list[tuple[str, str, str]]:
    """Return how each of scikit-learn's own checks of an estimator ends."""
    results = estimator_checks.check_estimator(model, on_fail=None, on_skip=None)
    return [(found["check_name"], found["status"], type(found["exception"]).__name__) for found in results]


@pytest.mark.parametrize(
    "model",
    [*CHECKED, *(pytest.param(model, marks=pytest.mark.slow) for model in CHECKED_SLOWLY)],
    ids=lambda model: type(model).__name__,
)
def test_scikit_learns_own_checks_pass_where_they_pass_unwatched(model, sdk) -> None:
    before = checked(model)
    assert sum(status == "passed" for _, status, _ in before) > 40
    sdk.watch(max_models=1000)
    assert checked(model) == before
    assert sdk.spans()
