"""What scikit-learn's models of several labels are recorded to have predicted, and rows that are given by a keyword."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain
from sklearn.neural_network import MLPClassifier

import driftmeter

ROWS = np.random.default_rng(0).normal(size=(60, 2))
LABELS = (ROWS > 0).astype(int)
MODELS = {
    "chain": ClassifierChain(LogisticRegression()),
    "one against the rest": OneVsRestClassifier(LogisticRegression()),
    "network": MLPClassifier((4,), max_iter=20, random_state=0),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_each_of_two_labels_has_its_own_score_since_neither_follows_from_the_other(name, sdk) -> None:
    model = MODELS[name].fit(ROWS, LABELS)
    sdk.watch()
    scores = model.predict_proba(ROWS)
    points = sdk.collect(sdk.delta)["ml.column.value"]
    sums = {point.attributes["ml.column.name"]: point.sum for point in points}
    assert {column for column in sums if column.startswith("score")} == {"score.0", "score.1"}
    assert [sums["score.0"], sums["score.1"]] == pytest.approx(scores.sum(axis=0).tolist())


def test_rows_are_found_by_whatever_keyword_they_have(sdk) -> None:
    line = IsotonicRegression().fit(ROWS[:, 0], ROWS[:, 1])
    sdk.watch()
    line.predict(T=ROWS[:7, 0])
    assert sdk.counts() == {"f0": 7, "prediction": 7}

    class Rule:
        def predict(self, rows, *, bound=1):
            return [amount > bound for amount in rows["amount"]]

    rule = driftmeter.monitor(Rule(), name="rule")
    rule.predict(rows={"amount": [1, 2, 3]}, bound=2)
    assert sdk.counts() == {"amount": 3, "prediction": 3}
