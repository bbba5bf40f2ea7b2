"""Which columns a call has, and of which kind: features, predictions, scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.ensemble import IsolationForest, VotingRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import driftmeter

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = np.where(X[:, 0] + X[:, 1] > 0, "yes", "no")
NUMBERS = X @ [1.0, 2.0, 3.0]


def test_names_of_columns_come_from_the_frame(sdk) -> None:
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = LogisticRegression().fit(frame, Y)
    sdk.watch()
    model.predict(frame)
    assert set(sdk.counts()) == {"a", "b", "c", "prediction"}


def test_rows_without_names_get_those_of_the_training_frame(sdk) -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(pd.DataFrame(X, columns=["a", "b", "c"]), Y)
    sdk.watch()
    with pytest.warns(UserWarning, match="valid feature names"):
        model.predict(X)
    assert set(sdk.counts()) == {"a", "b", "c", "prediction"}


def test_or_those_of_the_models_baseline_in_its_order(sdk, tmp_path) -> None:
    mixed = np.array([["u", 1.0, "v"], ["w", 2.0, "v"]], dtype=object)
    baseline = driftmeter.Baseline.from_frame(pd.DataFrame(mixed, columns=["c", "x", "d"]), model="m")
    baseline.save(tmp_path / "b.json")

    class Takes(BaseEstimator):
        def predict(self, rows):
            return [0] * len(rows)

    sdk.watch(baseline=str(tmp_path / "b.json"))
    Takes().predict(mixed)
    points = sdk.collect(sdk.cumulative)["ml.column.value"]
    assert {p.attributes["ml.column.name"]: p.max for p in points} == {"x": 2.0, "prediction": 0.0}


def test_or_else_made_up_ones(sdk) -> None:
    model = LogisticRegression().fit(X, Y)
    sdk.watch()
    model.predict(X)
    assert set(sdk.counts()) == {"f0", "f1", "f2", "prediction"}


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (Y, {"yes", "no"}),
        ((Y == "yes").astype(int), {"0", "1"}),
        ((Y == "yes") * 2.0, {"0", "2"}),
        (Y == "yes", {"False", "True"}),
        (Y.astype(object), {"yes", "no"}),
    ],
    ids=["texts", "integers", "floats", "truths", "objects"],
)
def test_labels_are_categories_even_where_they_are_numbers(labels, names, sdk) -> None:
    model = make_pipeline(LogisticRegression()).fit(X, labels)
    sdk.watch()
    model.predict(X)
    metrics = sdk.collect(sdk.cumulative)
    counted = {p.attributes["ml.category"]: p.value for p in metrics["ml.column.categories"]}
    assert set(counted) == names
    assert sum(counted.values()) == 60


def test_clusters_and_regressions_are_numbers(sdk) -> None:
    line, clusters = LinearRegression().fit(X, NUMBERS), KMeans(2, n_init=1, random_state=0).fit(X)
    sdk.watch()
    line.predict(X)
    clusters.predict(X)
    points = sdk.collect(sdk.cumulative)["ml.column.value"]
    kinds = {p.attributes["ml.model.name"] for p in points if p.attributes["ml.column.role"] == "prediction"}
    assert kinds == {"LinearRegression", "KMeans"}


def test_scores_are_named_for_their_classes(sdk) -> None:
    three = np.array(["a", "b", "c"] * 20)
    sdk.watch()
    LogisticRegression().fit(X, three).predict_proba(X)
    assert set(sdk.counts()) == {"f0", "f1", "f2", "score.a", "score.b", "score.c"}
    RidgeClassifier().fit(X, Y).decision_function(X)
    IsolationForest(n_estimators=5, random_state=0).fit(X).decision_function(X)
    assert set(sdk.counts()) == {"f0", "f1", "f2", "score"}


def test_many_classes_keep_their_predictions_only(sdk) -> None:
    model = KNeighborsClassifier(1).fit(X, np.arange(60) % 30)
    sdk.watch()
    model.predict_proba(X)
    model.predict(X)
    assert set(sdk.counts()) == {"f0", "f1", "f2", "prediction"}


def test_several_outputs_are_several_columns(sdk) -> None:
    line = LinearRegression().fit(X, np.c_[NUMBERS, -NUMBERS])
    classes = MultiOutputClassifier(LogisticRegression()).fit(X, np.c_[Y, Y])
    sdk.watch()
    line.predict(X)
    assert sdk.counts()["prediction.1"] == 60
    classes.predict(X)
    assert sdk.counts() == dict.fromkeys(("f0", "f1", "f2", "prediction.0", "prediction.1"), 60)
    classes.predict_proba(X.copy())
    assert sdk.counts() == dict.fromkeys(("f0", "f1", "f2"), 60)


def test_a_standard_deviation_beside_the_predictions_is_no_prediction(sdk) -> None:
    model = GaussianProcessRegressor().fit(X, NUMBERS)
    sdk.watch()
    model.predict(X, return_std=True)
    assert sdk.counts() == dict.fromkeys(("f0", "f1", "f2", "prediction"), 60)
    VotingRegressor([("line", LinearRegression())]).fit(X, NUMBERS).predict(X)
    assert sdk.counts()["prediction"] == 60
