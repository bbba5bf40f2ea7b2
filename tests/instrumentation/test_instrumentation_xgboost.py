from __future__ import annotations

import copy
import inspect
import pickle
import threading

import numpy as np
import pytest

import driftmeter
from driftmeter.instrumentation.sklearn import SklearnInstrumentor
from driftmeter.instrumentation.xgboost import XgboostInstrumentor

xgb = pytest.importorskip("xgboost")
pd = pytest.importorskip("pandas")
sparse = pytest.importorskip("scipy.sparse")
sklearn = pytest.importorskip("sklearn")

from sklearn.base import clone  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

RNG = np.random.default_rng(0)
NAMES = ["age", "income", "debt"]
X = RNG.normal(size=(60, 3)).astype(np.float32)
FRAME = pd.DataFrame(X, columns=NAMES)
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
THREE = RNG.integers(0, 3, 60)
QUICK = {"n_estimators": 4, "max_depth": 2, "n_jobs": 1}


@pytest.fixture(params=["beside scikit-learn's", "alone"])
def watch(request, sdk):
    """Watch by XGBoost's instrumentation, beside scikit-learn's or without it."""

    def start() -> None:
        sdk.watch()
        if request.param == "alone":
            SklearnInstrumentor().uninstrument()
        if XgboostInstrumentor().is_instrumented_by_opentelemetry:
            XgboostInstrumentor().uninstrument()
        XgboostInstrumentor().instrument(
            skip_dep_check=True, tracer_provider=sdk.tracer_provider, meter_provider=sdk.meter_provider
        )

    yield start
    if XgboostInstrumentor().is_instrumented_by_opentelemetry:
        XgboostInstrumentor().uninstrument()


def matrix(rows=X, **kwargs):
    return xgb.DMatrix(rows, nthread=1, **kwargs)


def trained(objective="reg:squarederror", label=X[:, 0], *, rows=FRAME, **params):
    return xgb.train({"objective": objective, "max_depth": 2, "nthread": 1, **params}, matrix(rows, label=label), 4)


CALLS = {
    "classifier": lambda m: m["classifier"].predict(X),
    "probabilities": lambda m: m["classifier"].predict_proba(FRAME),
    "three classes": lambda m: m["three"].predict_proba(X),
    "regressor": lambda m: m["regressor"].predict(FRAME),
    "sparse rows": lambda m: m["regressor"].predict(sparse.csr_matrix(X)),
    "sparse columns": lambda m: m["forest"].predict(sparse.csc_matrix(X)),
    "ranker": lambda m: m["ranker"].predict(X),
    "forest": lambda m: m["forest"].predict(X),
    "booster": lambda m: m["booster"].predict(matrix(FRAME)),
    "booster in place": lambda m: m["booster"].inplace_predict(FRAME),
    "pipeline": lambda m: m["pipeline"].predict(X),
    "search": lambda m: m["search"].predict(X),
}


@pytest.fixture(scope="module")
def models():
    return {
        "classifier": xgb.XGBClassifier(**QUICK).fit(X, Y),
        "three": xgb.XGBClassifier(**QUICK).fit(X, THREE),
        "regressor": xgb.XGBRegressor(**QUICK).fit(FRAME, X[:, 0]),
        "ranker": xgb.XGBRanker(**QUICK).fit(X, Y, qid=np.repeat(np.arange(6), 10)),
        "forest": xgb.XGBRFRegressor(**QUICK).fit(X, X[:, 0]),
        "booster": trained(),
        "pipeline": make_pipeline(StandardScaler(), xgb.XGBClassifier(**QUICK)).fit(X, Y),
        "search": GridSearchCV(xgb.XGBClassifier(**QUICK), {"max_depth": [1, 2]}, cv=2).fit(X, Y),
    }


@pytest.mark.parametrize("name", CALLS)
def test_one_span_for_each_call_and_the_same_answer(name, models, watch, sdk) -> None:
    plain = CALLS[name](models)
    watch()
    watched = CALLS[name](models)
    assert (watched.dtype, watched.shape) == (plain.dtype, plain.shape)
    assert watched.tobytes() == plain.tobytes()
    (span,) = sdk.spans()
    assert span.attributes["ml.batch.size"] == 60
    is_sklearns = name in {"pipeline", "search"} and SklearnInstrumentor().is_instrumented_by_opentelemetry
    assert span.attributes["ml.model.framework"] == ("sklearn" if is_sklearns else "xgboost")


def test_predictions_and_scores_have_the_names_and_kinds_of_the_labels(models, watch, sdk) -> None:
    watch()
    models["classifier"].predict(FRAME)
    models["classifier"].predict_proba(FRAME.copy())
    points = sdk.collect(sdk.delta)
    categories = {p.attributes["ml.category"] for p in points["ml.column.categories"]}
    assert categories == {"0", "1"}
    numeric = {p.attributes["ml.column.name"] for p in points["ml.column.value"]}
    assert numeric == {*NAMES, "score.1"}
    models["three"].predict_proba(X)
    assert {"score.0", "score.1", "score.2"} <= set(sdk.counts())
    models["classifier"].predict(X, output_margin=True)
    assert sdk.counts()["score"] == 60


def test_several_outputs_are_columns_each(watch, sdk) -> None:
    model = xgb.XGBRegressor(**QUICK).fit(X, X[:, :2])
    watch()
    model.predict(X)
    assert {"prediction.0", "prediction.1"} <= set(sdk.counts())


@pytest.mark.parametrize(
    ("objective", "label", "params", "wanted"),
    [
        ("binary:logistic", Y, {}, {"score.1"}),
        ("multi:softprob", THREE, {"num_class": 3}, {"score.0", "score.1", "score.2"}),
        ("multi:softmax", THREE, {"num_class": 3}, {"prediction"}),
        ("reg:squarederror", X[:, 0], {}, {"prediction"}),
        ("count:poisson", Y, {}, {"prediction"}),
    ],
)
def test_a_booster_tells_by_its_objective_what_it_returns(objective, label, params, wanted, watch, sdk) -> None:
    booster = trained(objective, label, **params)
    watch()
    booster.predict(matrix(FRAME))
    assert sdk.counts() == dict.fromkeys([*NAMES, *wanted], 60)
    booster.predict(matrix(FRAME), output_margin=True)
    assert not {"prediction", "score.1"} & set(sdk.counts()) or objective.startswith("multi")


def test_classes_of_a_booster_are_categories(watch, sdk) -> None:
    booster = trained("multi:softmax", THREE, num_class=3)
    watch()
    booster.predict(matrix(FRAME))
    points = sdk.collect(sdk.delta)["ml.column.categories"]
    assert {p.attributes["ml.category"] for p in points} <= {"0", "1", "2"}


def test_what_a_dmatrix_does_not_hold_is_null(watch, sdk) -> None:
    booster = trained()
    rows = X.copy()
    rows[:7, 0] = np.nan
    rows[0, 2] = 0.0
    watch()
    booster.predict(matrix(rows, feature_names=NAMES))
    assert nulls(sdk) == {"age": 7}
    values = {p.attributes["ml.column.name"]: p for p in sdk.collect(sdk.delta)["ml.column.value"]}
    assert values["age"].count == 53
    assert values["debt"].zero_count == 1
    assert values["income"].sum == pytest.approx(float(rows[:, 1].sum()), rel=1e-5)
    booster.predict(matrix(sparse.csr_matrix((5, 3), dtype=np.float32), feature_names=NAMES))
    assert nulls(sdk) == {"age": 12, "income": 5, "debt": 5}


def nulls(sdk):
    points = sdk.collect(sdk.cumulative)["ml.column.missing"]
    return {point.attributes["ml.column.name"]: point.value for point in points if point.value}


def test_a_large_quantised_or_categorical_dmatrix_is_not_read(watch, sdk, monkeypatch) -> None:
    import driftmeter.instrumentation.xgboost as module

    booster = trained()
    coded = FRAME.assign(age=pd.Categorical(np.where(Y, "a", "b")))
    held = matrix(coded, label=X[:, 0], enable_categorical=True)
    with_categories = xgb.train({"max_depth": 2, "nthread": 1}, held, 4)
    watch()
    booster.predict(xgb.QuantileDMatrix(FRAME, nthread=1))
    with_categories.predict(matrix(coded, enable_categorical=True))
    monkeypatch.setattr(module, "MAX_CELLS", 100)
    booster.predict(matrix(FRAME))
    assert len(sdk.spans()) == 3
    assert sdk.counts() == {"prediction": 180}


def test_names_are_the_boosters_where_the_rows_have_none(models, watch, sdk) -> None:
    watch()
    models["regressor"].predict(X)
    models["booster"].inplace_predict(X)
    assert set(sdk.counts()) == {*NAMES, "prediction"}
    models["classifier"].predict(X)
    assert set(sdk.counts()) == {"f0", "f1", "f2", "prediction"}


def test_names_that_a_booster_is_given_later_are_found(watch, sdk) -> None:
    booster = trained(rows=X)
    watch()
    booster.inplace_predict(X)
    assert set(sdk.counts()) == {"f0", "f1", "f2", "prediction"}
    booster.feature_names = NAMES
    booster.inplace_predict(X)
    assert set(sdk.counts()) == {*NAMES, "prediction"}


def test_a_rankers_groups_are_no_feature(watch, sdk) -> None:
    groups = np.repeat(np.arange(6), 10)
    ranker = xgb.XGBRanker(**QUICK).fit(FRAME.assign(qid=groups), Y)
    watch()
    ranker.predict(FRAME.assign(qid=groups))
    assert set(sdk.counts()) == {*NAMES, "prediction"}


def test_explanations_and_training_are_no_predictions(models, watch, sdk) -> None:
    booster = models["booster"]
    watch()
    for option in ("pred_contribs", "pred_interactions", "pred_leaf", "training"):
        booster.predict(matrix(FRAME), **{option: True})

    def objective(margins, data):
        return margins - data.get_label(), np.ones_like(margins)

    held = matrix(FRAME, label=X[:, 0])
    xgb.Booster({"nthread": 1}, [held]).update(held, 0, fobj=objective)
    models["classifier"].apply(X)
    assert [span for span in sdk.spans() if span.attributes["ml.operation.name"] != "fit"] == []
    assert sdk.counts() == {}


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda m: xgb.XGBClassifier().predict(X), "NotFittedError"),
        (lambda m: m["classifier"].predict(X[:, :2]), "ValueError"),
        (lambda m: m["regressor"].predict(FRAME[["debt", "age", "income"]]), "ValueError"),
        (lambda m: m["classifier"].predict([["secret", "b", "c"]]), None),
        (lambda m: m["classifier"].predict(), "TypeError"),
        (lambda m: m["booster"].predict(X), "TypeError"),
        (lambda m: m["booster"].predict(matrix(X[:, :2])), "ValueError"),
        (lambda m: m["booster"].inplace_predict(None), "TypeError"),
    ],
)
def test_an_exception_is_xgboosts_own_and_is_on_the_span(call, error, models, watch, sdk) -> None:
    with pytest.raises(Exception) as plain:  # noqa: PT011  # which one it is, is compared below
        call(models)
    watch()
    with pytest.raises(Exception) as watched:  # noqa: PT011
        call(models)
    assert type(watched.value) is type(plain.value)
    (span,) = sdk.spans()
    assert span.attributes["error.type"] == type(plain.value).__name__
    assert error is None or type(plain.value).__name__ == error
    assert not span.status.is_ok
    assert "secret" not in span.to_json()
    assert sdk.counts() == {}


def test_signatures_pickles_clones_and_copies_are_as_before(models, watch) -> None:
    methods = [
        (cls, name, str(inspect.signature(getattr(cls, name))), getattr(cls, name).__doc__)
        for cls in (xgb.XGBModel, xgb.XGBClassifier, xgb.XGBRegressor, xgb.XGBRanker, xgb.Booster)
        for name in ("predict", "predict_proba", "inplace_predict")
        if hasattr(cls, name)
    ]
    before = pickle.dumps(models["classifier"])
    watch()
    for cls, name, signature, doc in methods:
        assert str(inspect.signature(getattr(cls, name))) == signature
        assert getattr(cls, name).__doc__ == doc
    assert pickle.dumps(models["classifier"]) == before
    wanted = models["classifier"].predict(X).tolist()
    for other in (pickle.loads(before), copy.deepcopy(models["classifier"]), clone(models["classifier"]).fit(X, Y)):
        assert other.predict(X).tolist() == wanted
    copied = copy.deepcopy(models["booster"])
    assert copied.inplace_predict(X).tolist() == models["booster"].inplace_predict(X).tolist()
    assert pickle.loads(pickle.dumps(xgb.XGBClassifier.predict)) is xgb.XGBClassifier.predict


def test_uninstrumenting_puts_every_method_back(models, watch, sdk) -> None:
    def methods():
        return {
            (cls, name): vars(cls).get(name)
            for cls in (xgb.XGBModel, xgb.XGBClassifier, xgb.Booster)
            for name in ("predict", "predict_proba", "inplace_predict")
        }

    plain = methods()
    watch()
    assert all(now is not was for now, was in zip(methods().values(), plain.values(), strict=True) if was is not None)
    XgboostInstrumentor().uninstrument()
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
    assert sdk.counts() == dict.fromkeys(("f0", "f1", "f2", "prediction"), 84)


def test_a_model_has_the_name_and_version_that_were_saved_with_it(watch, sdk) -> None:
    booster = trained()
    booster.set_attr(model_name="churn", model_version="7")
    loaded = xgb.Booster(model_file=booster.save_raw())
    watch()
    loaded.inplace_predict(X)
    assert _identities(sdk) == [("churn", "7")]


def _identities(sdk):
    spans = [span.attributes for span in sdk.spans() if span.name.startswith("inplace")]
    return [(span["ml.model.name"], span["ml.model.version"]) for span in spans]


def test_two_models_never_share_a_sketch_and_one_trained_again_is_the_same(watch, sdk) -> None:
    watch()
    rows = [FRAME, FRAME.rename(columns=str.upper), X, X[:, :2]]
    for _ in range(2):
        for one in rows:
            trained(rows=one).inplace_predict(one)
    identities = _identities(sdk)
    assert identities[:4] == identities[4:]
    assert len(set(identities)) == 4
    assert {name for name, _ in identities} == {"Booster"}


def test_subclasses_of_the_users_own_are_watched_whenever_they_are_made(watch, sdk) -> None:
    class Early(xgb.XGBClassifier):
        def predict(self, X, **kwargs):  # noqa: N803
            return super().predict(X, **kwargs)

    watch()

    class Late(Early):
        def predict(self, X, **kwargs):  # noqa: N803
            return super().predict(X, **kwargs)

    for cls in (Early, Late):
        model = cls(**QUICK).fit(X, Y)
        sdk.spans()
        model.predict(X)
        (span,) = sdk.spans()
        assert span.name == f"predict {cls.__name__}"
        assert span.attributes["ml.model.framework"] == "xgboost"
    driftmeter.shutdown()
    XgboostInstrumentor().uninstrument()
    assert "__init_subclass__" not in vars(xgb.XGBModel)
    Late(**QUICK).fit(X, Y).predict(X)
    assert sdk.spans() == []


def test_flags_that_are_given_by_position_count_too() -> None:
    from driftmeter.instrumentation.xgboost import _MARGINS, _NATIVE_MARGINS, _choose

    booster = xgb.Booster()
    assert _choose(booster, "predict", (None, False, True), {}) is None  # leaves
    assert _choose(booster, "predict", (None, True), {}) is _NATIVE_MARGINS
    assert _choose(booster, "inplace_predict", (None, (0, 0), "margin"), {}) is _NATIVE_MARGINS
    assert _choose(xgb.XGBRegressor(), "predict", (None, True), {}) is _MARGINS
