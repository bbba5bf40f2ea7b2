"""How predictions are told on spans: classes, scores and values, bounded, and hidden where the column is."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeRegressor

from driftmeter.instrumentation._captured import MAX_COLUMNS
from driftmeter.sketches import Disguise

X = np.random.default_rng(0).uniform(7000, 8000, (60, 3))
Y = np.where(X[:, 0] > 7500, "late", "punctual")
NUMBERS = np.round((X[:, 0] - 7500) / 100, 1)


def _told(sdk):
    spans = [span for span in sdk.spans() if "ml.batch.size" in span.attributes]
    return [
        {name: value for name, value in span.attributes.items() if name.startswith("ml.prediction.")} for span in spans
    ]


def test_classes_scores_and_values_of_each_row(sdk) -> None:
    classifier, regressor = LogisticRegression().fit(X, Y), DecisionTreeRegressor(max_depth=3).fit(X, NUMBERS)
    sdk.watch(capture="predictions")
    classes, scores, values = classifier.predict(X[:3]), classifier.predict_proba(X[:3]), regressor.predict(X[:3])
    assert _told(sdk) == [
        {"ml.prediction.class": tuple(classes)},
        {"ml.prediction.score.punctual": tuple(scores[:, 1])},
        {"ml.prediction.value": tuple(values)},
    ]


class Answers(BaseEstimator):
    """Predicts what it was made with."""

    def __init__(self, answers):
        self.answers = answers

    def predict(self, rows):
        return self.answers


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        (["a", None], {"ml.prediction.class": ("a", "")}),
        ([1.5, None], {"ml.prediction.value": (1.5, "nan")}),
        ([[1.0, 2.0], [3.0, 4.0]], {"ml.prediction.value.0": (1.0, 3.0), "ml.prediction.value.1": (2.0, 4.0)}),
        (object(), {}),
        ([], {}),
    ],
)
def test_what_is_missing_or_has_several_outputs_or_none(answers, told, sdk) -> None:
    sdk.watch(capture="predictions")
    assert Answers(answers).predict(X[:2]) is answers
    (found,) = _told(sdk)
    assert {n: tuple("nan" if v != v else v for v in values) for n, values in found.items()} == told


def test_texts_and_outputs_are_bounded(sdk) -> None:
    sdk.watch(capture="predictions")
    Answers(["a word " * 1000, "late"]).predict(X[:2])
    Answers({f"output{at}": ["a", "b"] for at in range(100)}).predict(X[:2])
    text, wide = _told(sdk)
    digest, plain = text["ml.prediction.class"]
    assert plain == "late"
    assert "word" not in digest
    assert len(digest) == 13
    assert len(wide) == MAX_COLUMNS


def test_a_column_that_is_to_be_ignored_is_not_told(sdk) -> None:
    sdk.watch(capture="predictions", models={"Answers": {"columns": {"prediction": {"ignore": True}}}})
    Answers(["a", "b"]).predict(X[:2])
    assert _told(sdk) == [{}]


@pytest.mark.parametrize("answers", [["late", None], [1, 2]])
def test_names_that_are_hidden_are_so_on_spans(answers, sdk) -> None:
    for names in ("hashed", "withheld"):
        sdk.watch(capture="predictions", models={"Answers": {"columns": {"prediction": {"category_names": names}}}})
        Answers(answers).predict(X[:2])
    hashed, withheld = _told(sdk)
    name = Disguise("hashed").name
    assert hashed == {"ml.prediction.class": tuple("" if one is None else name(str(one)) for one in answers)}
    assert withheld == {}


def test_predictions_are_recorded_as_ever(sdk) -> None:
    sdk.watch(capture="predictions")
    Answers(["a", "b"]).predict(X[:2])
    assert sdk.counts() == dict.fromkeys(("f0", "f1", "f2", "prediction"), 2)
