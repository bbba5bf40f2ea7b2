from __future__ import annotations

import copy
import inspect
import pickle
import threading
import warnings

import numpy as np
import pytest

import driftmeter
from driftmeter.instrumentation.lightgbm import LightgbmInstrumentor
from driftmeter.instrumentation.sklearn import SklearnInstrumentor

lgb = pytest.importorskip("lightgbm")
pd = pytest.importorskip("pandas")
sparse = pytest.importorskip("scipy.sparse")
sklearn = pytest.importorskip("sklearn")

from sklearn.base import clone  # noqa: E402
from sklearn.ensemble import VotingClassifier  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:X does not have valid feature names")

RNG = np.random.default_rng(0)
NAMES = ["age", "income", "debt"]
X = RNG.normal(size=(120, 3))
FRAME = pd.DataFrame(X, columns=NAMES)
Y = np.where(X[:, 0] + X[:, 1] > 0, "yes", "no")
ONES = (Y == "yes").astype(int)
THREE = RNG.integers(0, 3, 120)
QUICK = {"n_estimators": 4, "num_leaves": 4, "n_jobs": 1, "verbose": -1}


@pytest.fixture(params=["beside scikit-learn's", "alone"])
def watch(request, sdk):
    """Watch by LightGBM's instrumentation, beside scikit-learn's or without it."""

    def start() -> None:
        sdk.watch()
        if request.param == "alone":
            SklearnInstrumentor().uninstrument()
        if LightgbmInstrumentor().is_instrumented_by_opentelemetry:
            LightgbmInstrumentor().uninstrument()
        LightgbmInstrumentor().instrument(
            skip_dep_check=True, tracer_provider=sdk.tracer_provider, meter_provider=sdk.meter_provider
        )

    yield start
    if LightgbmInstrumentor().is_instrumented_by_opentelemetry:
        LightgbmInstrumentor().uninstrument()


def trained(objective="regression", label=X[:, 0], rows=FRAME, **params):
    settings = {"objective": objective, "num_leaves": 4, "verbose": -1, "num_threads": 1, **params}
    return lgb.train(settings, lgb.Dataset(rows, label), 4)


@pytest.fixture(scope="module")
def models():
    voting = VotingClassifier([(str(at), lgb.LGBMClassifier(**QUICK)) for at in range(3)], voting="soft", n_jobs=1)
    return {
        "classifier": lgb.LGBMClassifier(**QUICK).fit(X, Y),
        "three": lgb.LGBMClassifier(**QUICK).fit(X, THREE),
        "regressor": lgb.LGBMRegressor(**QUICK).fit(FRAME, X[:, 0]),
        "ranker": lgb.LGBMRanker(**QUICK).fit(X, ONES, group=[20] * 6),
        "booster": trained(),
        "pipeline": make_pipeline(StandardScaler(), lgb.LGBMClassifier(**QUICK)).fit(X, Y),
        "search": GridSearchCV(lgb.LGBMClassifier(**QUICK), {"num_leaves": [3, 4]}, cv=2).fit(X, Y),
        "voting": voting.fit(X, Y),
    }


CALLS = {
    "classifier": lambda m: m["classifier"].predict(X),
    "keyword": lambda m: m["classifier"].predict(X=X),
    "probabilities": lambda m: m["classifier"].predict_proba(X),
    "three classes": lambda m: m["three"].predict_proba(X),
    "regressor": lambda m: m["regressor"].predict(FRAME),
    "sparse rows": lambda m: m["regressor"].predict(sparse.csr_matrix(X)),
    "sparse columns": lambda m: m["classifier"].predict(sparse.csc_matrix(X)),
    "list": lambda m: m["regressor"].predict(X.tolist()),
    "ranker": lambda m: m["ranker"].predict(X),
    "booster": lambda m: m["booster"].predict(FRAME),
    "booster and sparse rows": lambda m: m["booster"].predict(data=sparse.csr_matrix(X)),
    "pipeline": lambda m: m["pipeline"].predict_proba(X),
    "search": lambda m: m["search"].predict(X),
}


@pytest.mark.parametrize("name", CALLS)
def test_one_span_for_each_call_and_the_same_answer(name, models, watch, sdk) -> None:
    plain = CALLS[name](models)
    watch()
    watched = CALLS[name](models)
    assert (watched.dtype, watched.shape) == (plain.dtype, plain.shape)
    assert watched.tolist() == plain.tolist()
    (span,) = sdk.spans()
    assert span.attributes["ml.batch.size"] == 120
    is_sklearns = name in {"pipeline", "search"} and SklearnInstrumentor().is_instrumented_by_opentelemetry
    assert span.attributes["ml.model.framework"] == ("sklearn" if is_sklearns else "lightgbm")


def test_an_ensemble_of_estimators_in_threads_is_one_call(models, sdk) -> None:
    from joblib import parallel_config
    from sklearn.multioutput import MultiOutputClassifier

    many = MultiOutputClassifier(lgb.LGBMClassifier(**QUICK)).fit(X, np.column_stack([ONES, THREE]))
    many.set_params(n_jobs=2)
    sdk.watch()
    if not LightgbmInstrumentor().is_instrumented_by_opentelemetry:
        LightgbmInstrumentor().instrument(skip_dep_check=True, tracer_provider=sdk.tracer_provider)
    with parallel_config(backend="threading"):
        many.predict(X)
        models["voting"].predict(X)
    LightgbmInstrumentor().uninstrument()
    assert [span.name for span in sdk.spans()] == ["predict MultiOutputClassifier", "predict VotingClassifier"]


def test_predictions_and_scores_have_the_names_and_kinds_of_the_labels(models, watch, sdk) -> None:
    watch()
    models["classifier"].predict(FRAME)
    models["classifier"].predict_proba(FRAME.copy())
    points = sdk.collect(sdk.delta)
    assert {p.attributes["ml.category"] for p in points["ml.column.categories"]} == {"yes", "no"}
    assert {p.attributes["ml.column.name"] for p in points["ml.column.value"]} == {*NAMES, "score.yes"}
    models["three"].predict_proba(X)
    assert {"score.0", "score.1", "score.2"} <= set(sdk.counts())
    models["classifier"].predict(X, True)  # margins
    assert set(sdk.counts()) == {"f0", "f1", "f2", "score"}


def test_with_an_objective_of_the_users_own_a_classifier_returns_margins(watch, sdk) -> None:
    def objective(labels, margins):
        return margins - labels, np.ones_like(margins)

    model = lgb.LGBMClassifier(**QUICK, objective=objective).fit(X, Y)
    watch()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.predict(X)
    assert set(sdk.counts()) == {"f0", "f1", "f2", "score"}


@pytest.mark.parametrize(
    ("objective", "label", "params", "wanted"),
    [
        ("binary", ONES, {}, {"score.1"}),
        ("multiclass", THREE, {"num_class": 3}, {"score.0", "score.1", "score.2"}),
        ("regression", X[:, 0], {}, {"prediction"}),
        ("poisson", ONES, {}, {"prediction"}),
    ],
)
def test_a_booster_tells_by_its_objective_what_it_returns(objective, label, params, wanted, watch, sdk) -> None:
    booster = trained(objective, label, **params)
    loaded = lgb.Booster(model_str=booster.model_to_string())
    watch()
    for one in (booster, loaded):
        one.predict(FRAME)
        assert sdk.counts() == dict.fromkeys([*NAMES, *wanted], 120)
        one.predict(FRAME, raw_score=True)
        assert sdk.counts().keys() - set(NAMES) == ({"score"} if len(wanted) == 1 else wanted)


def test_names_are_the_boosters_where_the_rows_have_none(models, watch, sdk) -> None:
    watch()
    models["regressor"].predict(X)
    models["booster"].predict(X)
    assert set(sdk.counts()) == {*NAMES, "prediction"}
    models["classifier"].predict(X)  # trained on an array: LightGBM's own Column_0 and so on are no names
    assert set(sdk.counts()) == {"f0", "f1", "f2", "prediction"}


def test_two_models_never_share_a_sketch_and_one_trained_again_is_the_same(watch, sdk) -> None:
    watch()
    rows = [FRAME, FRAME.rename(columns=str.upper), X, X[:, :2]]
    for _ in range(2):
        for one in rows:
            trained(rows=one).predict(one)
    spans = [span.attributes for span in sdk.spans() if span.name.startswith("predict")]
    identities = [(span["ml.model.name"], span["ml.model.version"]) for span in spans]
    assert identities[:4] == identities[4:]
    assert len(set(identities)) == 4
    assert {name for name, _ in identities} == {"Booster"}


def test_explanations_and_training_are_no_predictions(models, watch, sdk) -> None:
    watch()
    for model in (models["booster"], models["regressor"]):
        model.predict(FRAME, pred_contrib=True)
        model.predict(FRAME, pred_leaf=True)
    models["classifier"].predict(X, False, 0, None, True)  # leaves
    trained(metric="l2")
    assert [span for span in sdk.spans() if "predict" in span.attributes["ml.operation.name"]] == []
    assert sdk.counts() == {}


@pytest.mark.parametrize(
    "call",
    [
        lambda m: lgb.LGBMClassifier().predict(X),
        lambda m: m["classifier"].predict(X[:, :2]),
        lambda m: m["classifier"].predict([["secret", "b", "c"]]),
        lambda m: m["classifier"].predict(),
        lambda m: m["booster"].predict(X[:, :2]),
        lambda m: m["booster"].predict(lgb.Dataset(X)),
        lambda m: m["booster"].predict("no such file"),
        lambda m: m["booster"].predict(None),
    ],
)
def test_an_exception_is_lightgbms_own_and_is_on_the_span(call, models, watch, sdk) -> None:
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


def test_signatures_pickles_clones_and_copies_are_as_before(models, watch) -> None:
    methods = [
        (cls, name, str(inspect.signature(getattr(cls, name))), getattr(cls, name).__doc__)
        for cls in (lgb.LGBMModel, lgb.LGBMClassifier, lgb.LGBMRegressor, lgb.LGBMRanker, lgb.Booster)
        for name in ("predict", "predict_proba", "decision_function")
        if hasattr(cls, name)
    ]
    model = models["classifier"]
    before = pickle.dumps(model)
    watch()
    for cls, name, signature, doc in methods:
        assert str(inspect.signature(getattr(cls, name))) == signature
        assert getattr(cls, name).__doc__ == doc
    wanted = model.predict(X).tolist()
    for other in (pickle.loads(before), pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert other.predict(X).tolist() == wanted
    assert clone(model).fit(X, Y).predict(X).tolist() == wanted
    assert copy.deepcopy(models["booster"]).predict(X).tolist() == models["booster"].predict(X).tolist()
    assert pickle.loads(pickle.dumps(lgb.LGBMClassifier.predict)) is lgb.LGBMClassifier.predict


def test_uninstrumenting_puts_every_method_back(models, watch, sdk) -> None:
    def methods():
        names = ("predict", "predict_proba", "decision_function", "__init_subclass__")
        return {
            (cls, name): vars(cls).get(name)
            for cls in (lgb.LGBMModel, lgb.LGBMClassifier, lgb.Booster)
            for name in names
        }

    plain = methods()
    watch()
    assert all(now is not was for now, was in zip(methods().values(), plain.values(), strict=True) if was is not None)
    LightgbmInstrumentor().uninstrument()
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


def test_a_subclass_of_the_users_own_is_watched_as_lightgbms(watch, sdk) -> None:
    watch()

    class Late(lgb.LGBMClassifier):
        def predict(self, X, **kwargs):  # noqa: N803
            return super().predict(X, **kwargs)

    model = Late(**QUICK).fit(X, Y)
    sdk.spans()
    model.predict(X)
    (span,) = sdk.spans()
    assert (span.name, span.attributes["ml.model.framework"]) == ("predict Late", "lightgbm")
