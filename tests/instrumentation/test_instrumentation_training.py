"""Trainings are spans of their own, and what is predicted inside of one is no serving."""

from __future__ import annotations

import inspect

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, StackingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import get_scorer, make_scorer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import driftmeter
from driftmeter.instrumentation import Training, train
from driftmeter.instrumentation._training import MAX_HYPERPARAMETERS, shape_of
from driftmeter.recorder import guard
from driftmeter.schema import Model

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = np.where(X[:, 0] + X[:, 1] > 0, "yes", "no")

MODELS = {
    "pipeline": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "search": lambda: GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=3, scoring="accuracy"),
    "search in threads": lambda: GridSearchCV(RandomForestClassifier(5, n_jobs=2), {"max_depth": [1, 2]}, cv=3),
    "calibrated": lambda: CalibratedClassifierCV(DecisionTreeClassifier(max_depth=2), cv=3),
    "early stopping": lambda: HistGradientBoostingClassifier(early_stopping=True, scoring="accuracy", max_iter=5),
    "stacking": lambda: StackingClassifier([("tree", DecisionTreeClassifier())], LogisticRegression(), cv=3),
    "forest": lambda: RandomForestClassifier(5, oob_score=True, bootstrap=True, n_jobs=2),
}


def _served(sdk) -> dict[str, int]:
    points = sdk.collect(sdk.delta)
    return {p.attributes["ml.model.name"]: p.value for p in points.get("ml.prediction.rows", ())}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_a_fit_is_one_span_or_none_and_what_is_predicted_in_it_counts_nothing(name, training, sdk) -> None:
    model = MODELS[name]()
    sdk.watch(training=training)
    assert model.fit(X, Y) is model
    assert [span.name for span in sdk.spans()] == [f"fit {type(model).__name__}"] * training
    points = sdk.collect(sdk.delta)
    assert "ml.prediction.rows" not in points
    assert "ml.prediction.duration" not in points
    assert not any(metric.startswith("ml.column") for metric in points)
    assert [p.count for p in points.get("ml.training.duration", ())] == [1] * training


@pytest.mark.parametrize("name", ["pipeline", "search", "forest"])
def test_a_score_is_an_evaluation_and_no_serving(name, sdk) -> None:
    model = MODELS[name]().fit(X, Y)
    plain = model.score(X, Y)
    sdk.watch()
    assert model.score(X, Y) == plain
    for scorer in (get_scorer("accuracy"), get_scorer("roc_auc"), make_scorer(lambda y, found: np.mean(y == found))):
        scorer(model, X, Y)
    assert sdk.spans() == []
    assert _served(sdk) == {}
    model.predict(X)
    assert _served(sdk) == {type(model).__name__: 60}


@pytest.mark.parametrize("scoring", [None, "accuracy", "roc_auc"])
def test_cross_validation_trains_and_serves_nothing(scoring, sdk) -> None:
    sdk.watch()
    cross_val_score(LogisticRegression(), X, Y, cv=4, scoring=scoring)
    assert [span.name for span in sdk.spans()] == ["fit LogisticRegression"] * 4
    assert _served(sdk) == {}


def test_the_span_says_what_was_trained_on_what(sdk) -> None:
    sdk.watch(training="true")
    model = driftmeter.monitor(LogisticRegression(C=np.float64(0.5), class_weight={"yes": 2}), name="m", version="3")
    model.fit(pd.DataFrame(X), y=Y)
    (span,) = sdk.spans()
    assert span.name == "fit m"
    attributes = dict(span.attributes)
    parameters = {name: value for name, value in attributes.items() if name.startswith("ml.hyperparameter.")}
    assert {name: attributes[name] for name in attributes if name not in parameters} == {
        "ml.model.name": "m",
        "ml.model.version": "3",
        "ml.model.framework": "sklearn",
        "ml.operation.name": "fit",
        "ml.training.rows": 60,
        "ml.training.columns": 3,
    }
    given = model.get_params(deep=False)
    assert parameters == {
        f"ml.hyperparameter.{name}": value
        for name, value in given.items()
        if isinstance(value, str | bool | int | float)
    }
    assert {parameters["ml.hyperparameter.C"], parameters["ml.hyperparameter.fit_intercept"]} == {0.5, True}
    (point,) = sdk.collect(sdk.cumulative)["ml.training.duration"]
    assert point.attributes == {name: attributes[name] for name in attributes if name.startswith(("ml.mo", "ml.op"))}
    assert point.sum == pytest.approx((span.end_time - span.start_time) / 1e9, abs=0.05)


def test_a_fit_that_fails_has_the_error_on_its_span_and_duration(sdk) -> None:
    sdk.watch()
    with pytest.raises(ValueError, match="secret"):
        LinearRegression().fit(np.array([["secret"]], dtype=object), [1.0])
    (span,) = sdk.spans()
    assert span.attributes["error.type"] == "ValueError"
    assert not span.status.is_ok
    assert "secret" not in span.to_json()
    (point,) = sdk.collect(sdk.cumulative)["ml.training.duration"]
    assert point.attributes["error.type"] == "ValueError"
    # What comes after a failure is watched again.
    LinearRegression().fit(X, X[:, 0]).predict(X)
    assert _served(sdk) == {"LinearRegression": 60}


def test_other_ways_to_train_are_trainings_too(sdk) -> None:
    sdk.watch()
    KMeans(2, n_init=1, random_state=0).fit_predict(X)
    PCA(1).fit_transform(X)
    assert [span.name for span in sdk.spans()] == ["fit_predict KMeans", "fit_transform PCA"]


def test_a_fit_names_no_model_so_that_the_first_prediction_does(sdk, tmp_path) -> None:
    frame = pd.DataFrame(X, columns=list("abc"))
    driftmeter.Baseline.from_frame(frame, model="flights").save(tmp_path / "b.json")
    sdk.watch(baseline=str(tmp_path / "b.json"), max_models=1)
    StandardScaler().fit(X)
    model = LinearRegression().fit(frame, X[:, 0])
    model.predict(frame)
    model.fit(frame, X[:, 0])
    assert [span.name for span in sdk.spans()] == [
        "fit StandardScaler",
        "fit LinearRegression",
        "predict flights",
        "fit flights",
    ]


def test_signatures_of_what_trains_and_scores_are_as_before(sdk) -> None:
    methods = [(cls, name) for cls in (LogisticRegression, GridSearchCV, KMeans) for name in ("fit", "score")]
    before = [(inspect.signature(getattr(cls, name)), getattr(cls, name)) for cls, name in methods]
    params = LogisticRegression().get_params()
    sdk.watch()
    assert [inspect.signature(getattr(cls, name)) for cls, name in methods] == [signature for signature, _ in before]
    assert clone(LogisticRegression()).get_params() == params
    driftmeter.shutdown()
    assert [getattr(cls, name) for cls, name in methods] == [method for _, method in before]


def test_hyperparameters_are_single_values_and_bounded(sdk) -> None:
    class Wide(BaseEstimator):
        def get_params(self, deep=True):
            assert not deep
            return {f"p{at}": at for at in range(200)} | {"text": "x" * 1000}

        def fit(self, rows):
            return self

    class Long(BaseEstimator):
        def __init__(self, text="x" * 1000, many=(1, 2), none=None, made=3):
            self.text, self.many, self.none, self.made = text, many, none, np.int64(made)

        def fit(self, rows):
            return self

    sdk.watch()
    Wide().fit(X)
    Long().fit(X)
    wide, long = ({name: value for name, value in span.attributes.items() if "hyper" in name} for span in sdk.spans())
    assert len(wide) == MAX_HYPERPARAMETERS
    assert set(long) == {"ml.hyperparameter.text", "ml.hyperparameter.made"}
    assert len(long["ml.hyperparameter.text"]) == 128
    assert type(long["ml.hyperparameter.made"]) is int


@pytest.mark.parametrize(
    ("data", "shape"),
    [
        (np.ones((4, 2)), (4, 2)),
        (np.ones((4, 2, 3)), (4, 6)),
        (np.ones(4), (4, 1)),
        (np.ones((0, 2)), (0, 2)),
        (pd.DataFrame({"x": [1]}), (1, 1)),
        ([[1, 2], [3, 4]], (2, 2)),
        ([1, 2], (2, None)),
        ([], (0, None)),
        (iter([1]), (None, None)),
        (None, (None, None)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_rows_and_columns_are_told_as_far_as_they_are_known(data, shape) -> None:
    assert shape_of(data) == shape


class TestTrainingOfAnyFramework:
    """`train`, as the modules of other frameworks call it."""

    @staticmethod
    def _describe(registry):
        return Training("boosters", Model("m"), "train", rows=5, hyperparameters={"depth": 3})

    def test_it_returns_what_the_framework_returns_and_tells_the_final_loss(self, sdk) -> None:
        sdk.watch()
        result = object()
        assert train(lambda: result, self._describe, loss=lambda given: 0.25 if given is result else None) is result
        (span,) = sdk.spans()
        assert dict(span.attributes) == {
            "ml.model.name": "m",
            "ml.model.framework": "boosters",
            "ml.operation.name": "train",
            "ml.training.rows": 5,
            "ml.training.loss": 0.25,
            "ml.hyperparameter.depth": 3,
        }

    @pytest.mark.parametrize("loss", [None, float("nan"), float("inf")])
    def test_a_loss_that_is_no_number_is_left_out(self, loss, sdk) -> None:
        sdk.watch()
        train(lambda: None, self._describe, loss=lambda _: loss)
        (span,) = sdk.spans()
        assert "ml.training.loss" not in span.attributes

    def test_trainings_inside_of_one_and_predictions_inside_of_one_are_part_of_it(self, sdk) -> None:
        sdk.watch()
        model = LinearRegression()
        train(lambda: train(lambda: model.fit(X, X[:, 0]).predict(X), self._describe), self._describe)
        assert [span.name for span in sdk.spans()] == ["train m"]
        assert _served(sdk) == {}

    def test_what_goes_wrong_in_telling_costs_the_span_alone(self, sdk, monkeypatch) -> None:
        monkeypatch.setattr(guard, "raises", False)
        sdk.watch()

        def broken(_):
            raise RuntimeError("planted")

        assert train(lambda: 3, broken) == 3
        assert sdk.spans() == []
        assert train(lambda: 4, self._describe, loss=broken) == 4
        assert len(sdk.spans()) == 1

    def test_where_nothing_is_watched_it_only_trains(self) -> None:
        assert train(lambda: 3, self._describe) == 3
