from __future__ import annotations

import copy
import inspect
import pickle
import threading

import numpy as np
import pytest

import driftmeter
from driftmeter.instrumentation.catboost import CatboostInstrumentor

cb = pytest.importorskip("catboost")
pd = pytest.importorskip("pandas")
sparse = pytest.importorskip("scipy.sparse")

RNG = np.random.default_rng(0)
NAMES = ["age", "income", "debt"]
X = RNG.normal(size=(60, 3)).astype(np.float32)
FRAME = pd.DataFrame(X, columns=NAMES)
Y = np.where(X[:, 0] + X[:, 1] > 0, "yes", "no")
THREE = np.array(["a", "b", "c"])[RNG.integers(0, 3, 60)]
MIXED = FRAME.assign(debt=Y)
QUICK = {"iterations": 4, "depth": 2, "thread_count": 1, "verbose": False, "allow_writing_files": False}


@pytest.fixture
def watch(sdk):
    """Watch by CatBoost's instrumentation."""

    def start() -> None:
        sdk.watch()
        if CatboostInstrumentor().is_instrumented_by_opentelemetry:
            CatboostInstrumentor().uninstrument()
        CatboostInstrumentor().instrument(
            skip_dep_check=True, tracer_provider=sdk.tracer_provider, meter_provider=sdk.meter_provider
        )

    yield start
    if CatboostInstrumentor().is_instrumented_by_opentelemetry:
        CatboostInstrumentor().uninstrument()


@pytest.fixture(scope="module")
def models():
    return {
        "classifier": cb.CatBoostClassifier(**QUICK).fit(FRAME, Y),
        "three": cb.CatBoostClassifier(**QUICK).fit(X, THREE),
        "flags": cb.CatBoostClassifier(**QUICK).fit(X, Y == "yes"),
        "regressor": cb.CatBoostRegressor(**QUICK).fit(FRAME, X[:, 0]),
        "several": cb.CatBoostRegressor(**QUICK, loss_function="MultiRMSE").fit(X, X[:, :2]),
        "ranker": cb.CatBoostRanker(**QUICK).fit(X, (Y == "yes") * 1, group_id=np.repeat(np.arange(6), 10)),
        "plain": cb.CatBoost({**QUICK, "loss_function": "Logloss"}).fit(FRAME, (Y == "yes") * 1),
        "mixed": cb.CatBoostClassifier(**QUICK, cat_features=["debt"]).fit(MIXED, Y),
    }


CALLS = {
    "classifier": (lambda m: m["classifier"].predict(FRAME), 60, {"prediction"}),
    "classifier and rows": (lambda m: m["classifier"].predict(data=X), 60, {"prediction"}),
    "probabilities": (lambda m: m["classifier"].predict_proba(X), 60, {"score.yes"}),
    "probabilities by type": (lambda m: m["classifier"].predict(FRAME, "Probability"), 60, {"score.yes"}),
    "margins": (lambda m: m["classifier"].predict(FRAME, prediction_type="RawFormulaVal"), 60, {"score"}),
    "logarithms": (lambda m: m["classifier"].predict(FRAME, "LogProbability"), 60, set()),
    "three classes": (lambda m: m["three"].predict(X), 60, {"prediction"}),
    "three scores": (lambda m: m["three"].predict_proba(X), 60, {"score.a", "score.b", "score.c"}),
    "flags": (lambda m: m["flags"].predict(X), 60, {"prediction"}),
    "regressor": (lambda m: m["regressor"].predict(FRAME), 60, {"prediction"}),
    "sparse rows": (lambda m: m["regressor"].predict(sparse.csr_matrix(X)), 60, {"prediction"}),
    "several outputs": (lambda m: m["several"].predict(X), 60, {"prediction.0", "prediction.1"}),
    "ranker": (lambda m: m["ranker"].predict(X), 60, {"prediction"}),
    "plain": (lambda m: m["plain"].predict(FRAME), 60, {"score"}),
    "plain classes": (lambda m: m["plain"].predict(FRAME, prediction_type="Class"), 60, {"prediction"}),
    "pool": (lambda m: m["classifier"].predict(cb.Pool(FRAME)), 60, {"prediction"}),
    "list of rows": (lambda m: m["classifier"].predict(X.tolist()), 60, {"prediction"}),
    "categories": (lambda m: m["mixed"].predict(MIXED), 60, {"prediction"}),
    "one object": (lambda m: m["classifier"].predict(X[0]), 1, {"prediction"}),
    "one object as a list": (lambda m: m["classifier"].predict_proba(X[0].tolist()), 1, {"score.yes"}),
    "one object as a series": (lambda m: m["regressor"].predict(FRAME.iloc[0]), 1, {"prediction"}),
    "one object of three classes": (lambda m: m["three"].predict(X[0]), 1, {"prediction"}),
    "one object's margins": (lambda m: m["three"].predict(X[0], "RawFormulaVal"), 1, {"score.a", "score.b", "score.c"}),
    "one object's outputs": (lambda m: m["several"].predict(X[0]), 1, {"prediction.0", "prediction.1"}),
}


@pytest.mark.parametrize("name", CALLS)
def test_one_span_for_each_call_the_same_answer_and_its_columns(name, models, watch, sdk) -> None:
    call, rows, outputs = CALLS[name]
    plain = call(models)
    watch()
    watched = call(models)
    assert type(watched) is type(plain)
    assert np.shape(watched) == np.shape(plain)
    assert np.asarray(watched).tolist() == np.asarray(plain).tolist()
    (span,) = sdk.spans()
    assert span.attributes["ml.model.framework"] == "catboost"
    assert span.attributes["ml.batch.size"] == rows
    told = sdk.counts()
    features = NAMES if {"f0", *NAMES} & told.keys() <= set(NAMES) else ["f0", "f1", "f2"]
    assert told == dict.fromkeys([*features, *outputs], rows)


def test_predictions_have_the_kind_of_the_labels(models, watch, sdk) -> None:
    watch()
    models["classifier"].predict(FRAME)
    models["three"].predict(X)
    models["regressor"].predict(FRAME)
    points = sdk.collect(sdk.delta)
    categories = {p.attributes["ml.category"] for p in points["ml.column.categories"]}
    assert {"yes", "no"} <= categories <= {"yes", "no", "a", "b", "c"}
    numeric = [p for p in points["ml.column.value"] if p.attributes["ml.column.name"] == "prediction"]
    assert [p.attributes["ml.model.name"] for p in numeric] == ["CatBoostRegressor"]


def test_names_are_the_models_where_the_rows_have_none(models, watch, sdk) -> None:
    watch()
    models["classifier"].predict(X)
    assert set(sdk.counts()) == {*NAMES, "prediction"}
    models["three"].predict(X)  # trained on an array: CatBoost's own 0, 1, 2 are no names
    assert set(sdk.counts()) == {"f0", "f1", "f2", "prediction"}


def test_a_large_quantised_or_categorical_pool_is_not_read(models, watch, sdk, monkeypatch) -> None:
    import driftmeter.instrumentation.catboost as module

    watch()
    models["mixed"].predict(cb.Pool(MIXED, cat_features=["debt"]))
    monkeypatch.setattr(module, "MAX_CELLS", 100)
    models["classifier"].predict(cb.Pool(FRAME))
    assert ["ml.batch.size" in span.attributes for span in sdk.spans()] == [False, False]
    assert sdk.counts() == {"prediction": 120}


@pytest.mark.parametrize(
    "call",
    [
        lambda m: cb.CatBoostClassifier().predict(X),
        lambda m: m["classifier"].predict(FRAME[["age"]]),
        lambda m: m["classifier"].predict([["secret", "b", "c"]]),
        lambda m: m["classifier"].predict(),
        lambda m: m["classifier"].predict(X, "Nonsense"),
        lambda m: m["classifier"].predict(X, 3),
        lambda m: m["classifier"].predict(None),
        lambda m: m["classifier"].predict([]),
        lambda m: m["regressor"].predict("no such file"),
    ],
)
def test_an_exception_is_catboosts_own_and_is_on_the_span(call, models, watch, sdk) -> None:
    with pytest.raises(Exception) as plain:  # noqa: PT011  # which one it is, is compared below
        call(models)
    watch()
    with pytest.raises(Exception) as watched:  # noqa: PT011
        call(models)
    assert type(watched.value) is type(plain.value)
    assert str(watched.value) == str(plain.value)
    (span,) = sdk.spans()
    assert span.attributes["error.type"] == type(plain.value).__name__
    assert not span.status.is_ok
    assert "secret" not in span.to_json()
    assert sdk.counts() == {}


def test_training_scoring_and_stages_are_no_serving(models, watch, sdk) -> None:
    watch()
    cb.CatBoostClassifier(**QUICK).fit(X, Y)
    list(models["classifier"].staged_predict(FRAME))
    models["classifier"].score(FRAME, Y)
    assert [span for span in sdk.spans() if span.attributes["ml.operation.name"] != "fit"] == []
    assert sdk.counts() == {}


def test_a_step_of_scikit_learns_pipelines_and_searches_is_part_of_their_call(watch, sdk) -> None:
    pytest.importorskip("sklearn")
    from sklearn.base import clone
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    pipeline = make_pipeline(StandardScaler(), cb.CatBoostRegressor(**QUICK)).fit(X, X[:, 0])
    search = GridSearchCV(cb.CatBoostRegressor(**QUICK), {"depth": [1, 2]}, cv=2).fit(X, X[:, 0])
    plain = [model.predict(X).tolist() for model in (pipeline, search)]
    watch()
    assert [model.predict(X).tolist() for model in (pipeline, search)] == plain
    assert [span.name for span in sdk.spans()] == ["predict Pipeline", "predict GridSearchCV"]
    copied = clone(cb.CatBoostRegressor(**QUICK)).fit(X, X[:, 0])
    assert copied.predict(X).shape == (60,)


def test_signatures_pickles_and_copies_are_as_before(models, watch) -> None:
    methods = [
        (cls, name, str(inspect.signature(getattr(cls, name))), getattr(cls, name).__doc__)
        for cls in (cb.CatBoost, cb.CatBoostClassifier, cb.CatBoostRegressor, cb.CatBoostRanker)
        for name in ("predict", "predict_proba")
        if hasattr(cls, name)
    ]
    model = models["classifier"]
    before = pickle.dumps(model)
    watch()
    for cls, name, signature, doc in methods:
        assert str(inspect.signature(getattr(cls, name))) == signature
        assert getattr(cls, name).__doc__ == doc
    wanted = model.predict(X).tolist()
    for other in (pickle.loads(before), pickle.loads(pickle.dumps(model)), copy.deepcopy(model), model.copy()):
        assert other.predict(X).tolist() == wanted
    assert pickle.loads(pickle.dumps(cb.CatBoostClassifier.predict)) is cb.CatBoostClassifier.predict


def test_uninstrumenting_puts_every_method_back(models, watch, sdk) -> None:
    def methods():
        names = ("predict", "predict_proba", "__init_subclass__")
        classes = (cb.CatBoost, cb.CatBoostClassifier, cb.CatBoostRegressor, cb.CatBoostRanker)
        return {(cls, name): vars(cls).get(name) for cls in classes for name in names}

    plain = methods()
    watch()
    assert all(now is not was for now, was in zip(methods().values(), plain.values(), strict=True) if was is not None)
    CatboostInstrumentor().uninstrument()
    driftmeter.shutdown()
    assert methods() == plain
    watch()
    models["classifier"].predict(X)
    assert len(sdk.spans()) == 1


def test_threads_keep_their_own_calls(models, watch, sdk) -> None:
    watch()

    def serve(size: int) -> None:
        for _ in range(4):
            models["classifier"].predict(X[:size].copy())

    threads = [threading.Thread(target=serve, args=(size,)) for size in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    sizes = sorted(span.attributes["ml.batch.size"] for span in sdk.spans())
    assert sizes == sorted(list(range(1, 7)) * 4)
    assert sdk.counts() == dict.fromkeys((*NAMES, "prediction"), 84)


def test_a_model_has_the_name_and_version_that_were_saved_with_it(watch, sdk) -> None:
    model = cb.CatBoostRegressor(**QUICK).fit(X, X[:, 0])
    model.get_metadata()["model_name"] = "churn"
    model.get_metadata()["model_version"] = "7"
    loaded = pickle.loads(pickle.dumps(model))
    watch()
    loaded.predict(X)
    (span,) = sdk.spans()
    assert (span.attributes["ml.model.name"], span.attributes["ml.model.version"]) == ("churn", "7")
