"""What is kept of a model object from call to call never outlives what it says."""

from __future__ import annotations

import gc

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import StandardScaler

import driftmeter
from driftmeter import Baseline

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = np.where(X[:, 0] + X[:, 1] > 0, "yes", "no")


class Echo(BaseEstimator):
    """Takes anything."""

    def predict(self, rows):
        return [0.0] * len(rows)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_a_model_that_is_fitted_again_has_the_names_of_its_new_features(sdk) -> None:
    model = LinearRegression().fit(pd.DataFrame(X, columns=list("abc")), X[:, 0])
    sdk.watch()
    for names in ("abc", "xyz"):
        model.fit(pd.DataFrame(X, columns=list(names)), X[:, 0])
        model.predict(X)
        model.predict(X.copy())
        assert sdk.counts() == dict.fromkeys(names, 120) | {"prediction": 120}
    model.fit(X, X[:, 0])
    model.predict(X)
    assert sdk.counts() == dict.fromkeys(("f0", "f1", "f2", "prediction"), 60)


def test_rows_of_another_width_or_form_have_names_of_their_own(sdk) -> None:
    sdk.watch()
    model = Echo()
    for rows in (np.ones((2, 3)), np.ones((2, 2)), np.ones((2, 1, 2)), np.ones(2), np.ones((2, 3)).tolist()):
        model.predict(rows)
    assert sdk.counts() == {"f0": 10, "f1": 8, "f2": 4, "prediction": 10}
    model.predict(np.zeros((2, 2), dtype=[("a", int)]))
    assert sdk.counts() == {"prediction": 2}


def test_a_baseline_that_comes_later_names_the_columns_from_then_on(sdk) -> None:
    sdk.watch()
    model = driftmeter.monitor(Echo(), name="m")
    model.predict(X)
    assert set(sdk.counts()) == {"f0", "f1", "f2", "prediction"}
    driftmeter.monitor(model, name="m", baseline=Baseline.from_frame(pd.DataFrame(X, columns=list("abc")), model="m"))
    model.predict(X)
    assert sdk.counts() == dict.fromkeys(("a", "b", "c", "prediction"), 60)


def test_a_model_that_is_named_later_has_its_name_from_then_on(sdk) -> None:
    sdk.watch()
    model = Echo()
    model.predict(X)
    driftmeter.monitor(model, name="late", version="2")
    model.predict(X)
    assert [(span.name, span.attributes.get("ml.model.version")) for span in sdk.spans()] == [
        ("predict Echo", None),
        ("predict late", "2"),
    ]
    points = sdk.collect(sdk.cumulative)["ml.prediction.rows"]
    assert {p.attributes["ml.model.name"]: p.value for p in points} == {"Echo": 60, "late": 60}


def test_calls_after_a_restart_go_to_the_new_providers(sdk) -> None:
    sdk.watch()
    model = Echo()
    model.predict(X)
    driftmeter.shutdown()
    model.predict(X)
    sdk.watch()
    model.predict(X)
    assert len(sdk.spans()) == 2
    (point,) = sdk.collect(sdk.cumulative)["ml.prediction.rows"]
    assert point.value == 120


@pytest.mark.parametrize("rows", [1, 16, 17, 1000])
@pytest.mark.parametrize(
    ("labels", "answers"),
    [
        (["a", "b", "cc"], ["a", "b", "cc"]),
        ([1, 2, 30], [1, 2, 30]),
        ([1.5, 2.0, 3.0], [1.5, 2.0, 3.0]),
        ([False, True], [False, True]),
        (["a", "b"], ["a", "unheard of", "b"]),
        (["b", "a"], ["a", "b"]),
        ([1, 2], [1, 2, 3]),
        ([1.0, 2.0], [1.0, float("nan"), 2.0]),
        ([False, True], [0, 1]),
        ([0, 1], ["0", "1"]),
        (["a", "b" * 200], ["a", "b" * 200]),
    ],
    ids=str,
)
def test_labels_are_counted_alike_whether_or_not_the_classes_tell_them(labels, answers, rows, sdk) -> None:
    class Fixed(BaseEstimator):
        def predict(self, data):
            return np.resize(np.array(answers), len(data))

    def counted():
        points = sdk.collect(sdk.delta)
        found = {p.attributes["ml.category"]: p.value for p in points["ml.column.categories"]}
        missing = [p.value for p in points["ml.column.missing"] if p.attributes["ml.column.name"] == "prediction"]
        return found, missing

    sdk.watch()
    told = Fixed()
    told.classes_ = np.array(labels)
    told.predict(np.ones((rows, 1)))
    found = counted()
    told.classes_ = list(labels)
    told.predict(np.ones((rows, 1)))
    assert counted() == found
    assert sum(found[0].values()) + sum(found[1]) == rows


def test_a_model_that_changes_its_input_does_not_change_what_is_recorded(sdk) -> None:
    class Scales(BaseEstimator):
        def predict(self, rows):
            rows *= 1000
            return rows[:, 0].copy()

    sdk.watch()
    model = Scales()
    for _ in range(3):
        model.predict(np.ones((4, 2)))
    points = sdk.collect(sdk.cumulative)["ml.column.value"]
    largest = {p.attributes["ml.column.name"]: p.max for p in points}
    assert largest == {"f0": 1, "f1": 1, "prediction": 1000}


def test_nor_does_one_that_changes_a_frame(sdk) -> None:
    class Fills(BaseEstimator):
        def predict(self, frame):
            frame.loc[:, "x"] = 1000.0
            del frame["c"]
            return [0.0] * len(frame)

    sdk.watch()
    for rows in (3, 200):
        for frame in (
            pd.DataFrame({"x": [1.0] * rows, "c": ["a"] * rows}),
            pd.DataFrame({"x": [1.0] * rows, "c": [2.0] * rows}),
        ):
            Fills().predict(frame)
    points = sdk.collect(sdk.cumulative)["ml.column.value"]
    assert max(p.max for p in points if p.attributes["ml.column.name"] == "x") == 1


def test_rows_that_a_known_model_refuses_are_seen_all_the_same(sdk) -> None:
    model = LogisticRegression().fit(X, Y)
    sdk.watch()
    model.predict(X)
    sdk.counts()
    with pytest.raises(ValueError, match="NaN"):
        model.predict(np.full((2, 3), np.nan))
    with pytest.raises(ValueError, match="strings"):
        model.predict([["a", "b", "c"]])
    with pytest.raises(ValueError, match="features"):
        model.predict(np.ones((2, 7)))
    points = sdk.collect(sdk.delta)
    # They were seen, but not predicted; and columns that no model ever took are none.
    assert {p.attributes["ml.column.name"]: p.value for p in points["ml.column.missing"]} == dict.fromkeys(
        ("f0", "f1", "f2"), 2
    )
    assert sum(p.value for p in points["ml.column.invalid"]) == 3
    assert "ml.prediction.rows" not in points


def test_rows_of_a_failed_call_are_looked_at_again_where_they_were_not_recorded(sdk) -> None:
    class Halfway(BaseEstimator):
        def predict_proba(self, rows):
            raise NotImplementedError

        def predict(self, rows):
            return [0.0] * len(rows)

    sdk.watch()
    model = Halfway()
    with pytest.raises(NotImplementedError):
        model.predict_proba(X)
    model.predict(X)
    assert sdk.counts() == dict.fromkeys(("f0", "f1", "f2", "prediction"), 60)


def test_models_without_weak_references_are_watched_and_let_go(sdk) -> None:
    alive = []

    class Slots:
        __slots__ = ("name",)

        def __init__(self):
            alive.append(1)

        def __del__(self):
            alive.pop()

        def predict(self, rows):
            return [0.0] * len(rows)

    sdk.watch()
    named = driftmeter.monitor(Slots(), name="named")
    for _ in range(20):
        Slots().predict(X)
    named.predict(X)
    gc.collect()
    assert len(alive) == 1
    points = sdk.collect(sdk.cumulative)["ml.prediction.rows"]
    assert {p.attributes["ml.model.name"]: p.value for p in points} == {"Slots": 1200, "named": 60}


def test_declared_objects_without_weak_references_are_kept_alive_within_bounds(sdk) -> None:
    from driftmeter.recorder._identity import MAX_HELD

    class Slots:
        __slots__ = ()

        def predict(self, rows):
            return [0.0] * len(rows)

    sdk.watch()
    made = [driftmeter.monitor(Slots(), name=f"m{at}") for at in range(MAX_HELD + 5)]
    made[-1].predict(X)
    made[0].predict(X)
    assert [span.name for span in sdk.spans()] == [f"predict m{MAX_HELD + 4}", "predict Slots"]


def test_rows_that_may_be_computed_by_reading_them_are_left_to_the_model(sdk, caplog) -> None:
    class Lazy:
        computed = 0

        def __len__(self):
            return 2

        def __array__(self, dtype=None, copy=None):
            self.computed += 1
            return np.ones((2, 3))

    class Computes(BaseEstimator):
        def predict(self, rows):
            return np.asarray(rows)[:, 0]

    sdk.watch()
    rows = Lazy()
    Computes().predict(rows)
    assert rows.computed == 1
    assert sdk.counts() == {"prediction": 2}
    (record,) = caplog.records
    assert "may be computed by reading them" in record.getMessage()


def test_scaling_in_place_is_seen_before_it_happens(sdk) -> None:
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(StandardScaler(copy=False), LinearRegression()).fit(X.copy() * 100, X[:, 0])
    sdk.watch()
    model.predict(rows := X.copy() * 100)
    assert abs(rows).max() < 10
    points = sdk.collect(sdk.cumulative)["ml.column.value"]
    assert max(p.max for p in points if p.attributes["ml.column.role"] == "feature") == pytest.approx(X.max() * 100)


def test_calls_whose_rows_cannot_be_read_are_counted(sdk) -> None:
    class Answers(BaseEstimator):
        def predict(self, rows):
            return [0.0]

    sdk.watch()
    model = driftmeter.monitor(Answers(), name="m")
    for rows in (None, object(), X):
        model.predict(rows)
    driftmeter.record(model="by hand", features=3)
    points = sdk.collect(sdk.cumulative)["driftmeter.unreadable_calls"]
    assert {p.attributes["ml.model.name"]: p.value for p in points} == {"m": 2, "by hand": 1}
