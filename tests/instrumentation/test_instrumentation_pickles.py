"""Classes that are pickled by value, as those of a program's main module are, with their methods."""

from __future__ import annotations

import dataclasses
import importlib
import os
import subprocess
import sys

import cloudpickle
import numpy as np
import pytest
from sklearn.base import BaseEstimator

import driftmeter

TRAIN = """
import cloudpickle
import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV

import driftmeter

driftmeter.instrument(gpu_metrics=False, host_metrics=False)


class Doubled(RegressorMixin, BaseEstimator):
    def __init__(self, times=2):
        self.times = times

    def fit(self, X, y):
        self.line_ = LinearRegression().fit(X, y)
        return self

    def predict(self, X):
        return self.times * self.line_.predict(X)


X = np.arange(40.0).reshape(20, 2)
search = GridSearchCV(Doubled(), {"times": [1, 2]}, n_jobs=2, cv=2).fit(X, X[:, 0])
assert search.best_params_["times"] == 1
with open("model.pickle", "wb") as file:
    cloudpickle.dump(search.best_estimator_, file)
"""
SERVE_WITHOUT = """
import pickle
import sys

import numpy as np

sys.modules["driftmeter"] = None  # as if it were not installed
with open("model.pickle", "rb") as file:
    model = pickle.load(file)
X = np.arange(40.0).reshape(20, 2)
np.testing.assert_allclose(model.predict(X), X[:, 0], atol=1e-9)
assert model.score(X, X[:, 0]) > 0.999
assert model.fit(X, X[:, 1]) is model
"""


def test_an_estimator_of_the_main_module_is_searched_in_processes_and_served_where_driftmeter_is_missing(
    tmp_path,
) -> None:
    for name, script in (("train.py", TRAIN), ("serve.py", SERVE_WITHOUT)):
        (tmp_path / name).write_text(script)
        environ = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
        done = subprocess.run(
            [sys.executable, name], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=90, check=False
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "path",
    [
        "sklearn.linear_model.LinearRegression",
        "xgboost.XGBRegressor",
        "lightgbm.LGBMRegressor",
        "catboost.CatBoostRegressor",
    ],
)
def test_methods_that_come_out_of_a_pickle_are_watched(path, sdk) -> None:
    module, _, name = path.rpartition(".")
    parent = getattr(importlib.import_module(module), name)
    sdk.watch()

    class Own(parent):
        def predict(self, rows):
            return super().predict(rows)

        def fit(self, rows, target):
            return super().fit(rows, target)

    wrapper = Own.predict
    fit, predict = (cloudpickle.loads(cloudpickle.dumps(vars(Own)[name])) for name in ("fit", "predict"))
    assert predict is not wrapper
    rows = np.arange(40.0).reshape(20, 2)
    model = Own()
    fit(model, rows, rows[:, 0])
    predict(model, rows)
    assert [span.name for span in sdk.spans()] == ["fit Own", "predict Own"]
    assert sdk.counts()["f0"] == 20


def test_a_class_that_is_made_anew_with_slots_is_left_as_it_was(sdk) -> None:
    sdk.watch()

    @dataclasses.dataclass(slots=True)
    class Rule(BaseEstimator):
        bound: float = 1.0

        def predict(self, rows):
            return rows[:, 0] > self.bound

    assert hasattr(Rule.predict, "__wrapped__")
    assert Rule().predict(np.ones((3, 2))).tolist() == [False] * 3
    driftmeter.shutdown()
    assert not hasattr(Rule.predict, "__wrapped__")
