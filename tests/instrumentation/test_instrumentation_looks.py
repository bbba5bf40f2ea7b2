"""The same rows, given to another operation of the same model, are recorded once."""

from __future__ import annotations

import asyncio
import weakref

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from driftmeter.instrumentation._looks import MOST, Looks

ROWS = np.random.default_rng(0).normal(size=(40, 2))
LABELS = (ROWS[:, 0] > 0).astype(int)


@pytest.fixture
def model(sdk):
    sdk.watch()
    return LogisticRegression().fit(ROWS, LABELS)


def test_two_threads_that_look_at_the_same_rows_one_after_the_other_count_them_once(model, sdk) -> None:
    async def serve() -> None:
        for _ in range(3):
            rows = ROWS.copy()
            await asyncio.to_thread(model.predict_proba, rows)
            await asyncio.to_thread(model.predict, rows)

    asyncio.run(serve())
    assert sdk.counts() == {"f0": 120, "f1": 120, "score.1": 120, "prediction": 120}


def test_another_models_look_in_between_changes_nothing(model, sdk) -> None:
    other = GaussianNB().fit(ROWS, LABELS)
    for operation in ("predict_proba", "predict"):
        for one in (model, other):
            getattr(one, operation)(ROWS)
    assert sdk.counts()["f0"] == 2 * len(ROWS)


def test_rows_that_a_failing_call_looked_at_first_are_counted_when_they_are_asked_about_again(sdk) -> None:
    sdk.watch()
    model = LogisticRegression()
    with pytest.raises(AttributeError):
        model.predict_proba(ROWS)
    model.fit(ROWS, LABELS).predict(ROWS)
    assert sdk.counts()["f0"] == len(ROWS)


def test_only_the_latest_objects_are_remembered_and_none_is_kept_alive() -> None:
    looks = Looks()
    kept = [np.zeros(1) for _ in range(MOST + 1)]
    assert all(looks.is_first(rows, "predict_proba") for rows in kept)
    assert looks.is_first(kept[0], "predict")
    assert not looks.is_first(kept[-1], "predict")
    assert looks.is_first(kept[-1], "predict")
    gone = weakref.ref(kept[-1])
    del kept
    assert gone() is None
