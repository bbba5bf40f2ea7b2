from __future__ import annotations

import warnings

import numpy as np
import pytest

from driftmeter.instrumentation._booster_training import final_loss
from driftmeter.instrumentation.catboost import CatboostInstrumentor
from driftmeter.instrumentation.lightgbm import LightgbmInstrumentor
from driftmeter.instrumentation.xgboost import XgboostInstrumentor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3))
Y = (X[:, 0] > 0).astype(int)
NEW, NEW_Y = X[:20], Y[:20]
INSTRUMENTORS = (XgboostInstrumentor, LightgbmInstrumentor, CatboostInstrumentor)


def stop() -> None:
    for cls in INSTRUMENTORS:
        if cls().is_instrumented_by_opentelemetry:
            cls().uninstrument()


@pytest.fixture
def watch(sdk):
    """Watch all three libraries."""

    def start(**settings) -> None:
        sdk.watch(**settings)
        stop()
        for cls in INSTRUMENTORS:
            cls().instrument(
                skip_dep_check=True, tracer_provider=sdk.tracer_provider, meter_provider=sdk.meter_provider
            )

    yield start
    stop()


def fit_xgboost():
    xgb = pytest.importorskip("xgboost")
    model = xgb.XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1, eval_metric=["auc", "logloss"])
    model.fit(X, Y, eval_set=[(X, Y), (NEW, NEW_Y)], verbose=False)
    return model.evals_result()["validation_1"]["logloss"][-1], model.predict_proba(X)


def fit_lightgbm():
    lgb = pytest.importorskip("lightgbm")
    model = lgb.LGBMClassifier(n_estimators=3, max_depth=2, n_jobs=1, verbose=-1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer versions would have it in two arguments, older ones do not know those
        model.fit(X, Y, eval_set=[(NEW, NEW_Y)])
    return model.evals_result_["valid_0"]["binary_logloss"][-1], model.predict_proba(X)


def fit_catboost():
    cb = pytest.importorskip("catboost")
    model = cb.CatBoostClassifier(
        n_estimators=3, max_depth=2, thread_count=1, verbose=False, allow_writing_files=False, eval_metric="AUC"
    )
    model.fit(cb.Pool(X, Y), eval_set=(NEW, NEW_Y))
    return model.get_evals_result()["validation"]["Logloss"][-1], model.predict_proba(X)


def train_xgboost():
    xgb = pytest.importorskip("xgboost")
    history = {}
    held, new = xgb.DMatrix(X, Y, nthread=1), xgb.DMatrix(NEW, NEW_Y, nthread=1)
    settings = {"objective": "binary:logistic", "max_depth": 2, "nthread": 1}
    booster = xgb.train(
        settings, held, num_boost_round=3, evals=[(new, "new")], evals_result=history, verbose_eval=False
    )
    return history["new"]["logloss"][-1], booster.inplace_predict(X)


def train_lightgbm():
    lgb = pytest.importorskip("lightgbm")
    settings = {"objective": "binary", "max_depth": 2, "num_threads": 1, "verbose": -1}
    held = lgb.Dataset(X, Y)
    booster = lgb.train(settings, held, num_boost_round=3, valid_sets=[held.create_valid(NEW, NEW_Y)])
    return booster.best_score["valid_0"]["binary_logloss"], booster.predict(X)


FIT = {"xgboost": fit_xgboost, "lightgbm": fit_lightgbm, "catboost": fit_catboost}
TRAIN = {"xgboost": train_xgboost, "lightgbm": train_lightgbm}
MODELS = {"xgboost": "XGBClassifier", "lightgbm": "LGBMClassifier", "catboost": "CatBoostClassifier"}


@pytest.mark.parametrize("framework", FIT)
def test_a_fit_is_one_span_with_its_shape_hyperparameters_and_loss(framework, watch, sdk) -> None:
    _, plain = FIT[framework]()
    watch()
    loss, watched = FIT[framework]()
    assert watched.tobytes() == plain.tobytes()
    span, _ = sdk.spans()
    assert span.name == f"fit {MODELS[framework]}"
    assert span.attributes["ml.model.framework"] == framework
    assert span.attributes["ml.training.rows"] == 80
    assert span.attributes["ml.training.columns"] == 3
    assert span.attributes["ml.training.loss"] == pytest.approx(loss)
    assert span.attributes["ml.hyperparameter.max_depth"] == 2
    assert span.attributes["ml.hyperparameter.n_estimators"] == 3
    (duration,) = sdk.collect(sdk.cumulative)["ml.training.duration"]
    assert duration.count == 1


@pytest.mark.parametrize("framework", TRAIN)
def test_a_native_training_is_one_span_too(framework, watch, sdk) -> None:
    _, plain = TRAIN[framework]()
    watch()
    loss, watched = TRAIN[framework]()
    assert watched.tobytes() == plain.tobytes()
    span, _ = sdk.spans()
    assert span.name == "train Booster"
    assert span.attributes["ml.model.framework"] == framework
    assert span.attributes["ml.training.rows"] == 80
    assert span.attributes["ml.training.columns"] == 3
    assert span.attributes["ml.training.loss"] == pytest.approx(loss)
    assert span.attributes["ml.hyperparameter.max_depth"] == 2
    assert span.attributes["ml.hyperparameter.num_boost_round"] == 3


def test_a_loss_that_nobody_asked_for_is_told_where_rows_were_evaluated(watch, sdk) -> None:
    xgb = pytest.importorskip("xgboost")
    held = xgb.DMatrix(X, Y, nthread=1)
    watch()
    xgb.train({"nthread": 1}, held, 3, evals=[(held, "train")], verbose_eval=False)
    xgb.train({"nthread": 1}, held, 3)
    evaluated, silent = sdk.spans()
    assert 0 < evaluated.attributes["ml.training.loss"] < 0.5
    assert "ml.training.loss" not in silent.attributes


def test_a_search_is_one_training_and_no_serving(watch, sdk) -> None:
    lgb = pytest.importorskip("lightgbm")
    from sklearn.model_selection import GridSearchCV

    watch()
    GridSearchCV(lgb.LGBMClassifier(n_estimators=2, n_jobs=1, verbose=-1), {"num_leaves": [3, 4]}, cv=2).fit(X, Y)
    assert [span.name for span in sdk.spans()] == ["fit GridSearchCV"]
    assert sdk.counts() == {}


def failing():
    xgb = pytest.importorskip("xgboost")
    lgb = pytest.importorskip("lightgbm")
    cb = pytest.importorskip("catboost")
    return [
        lambda: xgb.train({"objective": "nonsense"}, xgb.DMatrix(X, Y, nthread=1)),
        lambda: xgb.train({"nthread": 1}),
        lambda: lgb.train({}, None),
        lambda: xgb.XGBClassifier().fit(X, Y[:3]),
        lambda: lgb.train({"objective": "nonsense", "verbose": -1}, lgb.Dataset(X, Y)),
        lambda: lgb.LGBMClassifier().fit(X, Y[:3]),
        lambda: cb.CatBoostClassifier(iterations=1, allow_writing_files=False).fit(X, Y[:3]),
    ]


def test_a_training_that_fails_keeps_its_exception(watch, sdk) -> None:
    plain = []
    for call in failing():
        with pytest.raises(Exception) as told:  # noqa: PT011  # which one it is, is compared below
            call()
        plain.append((type(told.value), str(told.value).splitlines()[-1]))
    watch()
    for call, (kind, text) in zip(failing(), plain, strict=True):
        sdk.spans()
        with pytest.raises(kind) as told:
            call()
        assert str(told.value).splitlines()[-1] == text
        assert [span.attributes.get("error.type") for span in sdk.spans()] == [kind.__qualname__]


def test_without_training_spans_what_is_trained_is_still_no_serving(watch, sdk) -> None:
    for library in FIT:
        pytest.importorskip(library)
    watch(training=False)
    for train in (*FIT.values(), *TRAIN.values()):
        train()
    assert {span.attributes["ml.operation.name"] for span in sdk.spans()} == {
        "predict_proba",
        "predict",
        "inplace_predict",
    }


def test_uninstrumenting_puts_the_functions_back(watch) -> None:
    xgb = pytest.importorskip("xgboost")
    lgb = pytest.importorskip("lightgbm")
    plain = (xgb.train, xgb.training.train, lgb.train, lgb.engine.train)
    watch()
    assert xgb.train is not plain[0]
    assert xgb.train is xgb.training.train
    stop()
    assert (xgb.train, xgb.training.train, lgb.train, lgb.engine.train) == plain


@pytest.mark.parametrize(
    ("evaluations", "wanted"),
    [
        (None, None),
        ({}, None),
        ({"train": {"rmse": [3.0, 2.0]}, "valid": {"rmse": [3.0, 2.5]}}, 2.5),
        ({"valid": {"auc": [0.9], "logloss": [0.4, 0.3]}}, 0.3),
        ({"valid": {"ndcg@5": 0.9}}, None),
        ({"learn": {"NDCG:top=5": [0.9], "RMSE": [1.5]}}, 1.5),
    ],
)
def test_the_loss_is_the_last_sets_first_metric_that_is_one(evaluations, wanted) -> None:
    assert final_loss(evaluations) == wanted
