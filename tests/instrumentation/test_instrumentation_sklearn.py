from __future__ import annotations

import copy
import gc
import inspect
import pickle
import threading
import weakref

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier, StackingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

import driftmeter

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = np.where(X[:, 0] + X[:, 1] > 0, "yes", "no")
NUMBERS = X @ [1.0, 2.0, 3.0]

MODELS = {
    "pipeline": make_pipeline(StandardScaler(), LogisticRegression()),
    "nested pipeline": make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), LogisticRegression())),
    "search": GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=3),
    "stacking": StackingClassifier(
        [("tree", DecisionTreeClassifier(random_state=0)), ("line", LogisticRegression())], cv=3
    ),
    "calibrated": CalibratedClassifierCV(DecisionTreeClassifier(max_depth=2, random_state=0), cv=3),
    "forest in threads": RandomForestClassifier(12, n_jobs=2, random_state=0),
    "search over a forest in threads": GridSearchCV(RandomForestClassifier(5, n_jobs=2, random_state=0), {}, cv=3),
    "neighbours": KNeighborsClassifier(),
    "kernel": SVC(),
}


@pytest.fixture(scope="module", params=MODELS)
def fitted(request):
    return MODELS[request.param].fit(X, Y)


def test_one_span_for_each_call_of_the_outermost_model(fitted, sdk) -> None:
    operations = [o for o in ("predict", "predict_proba", "decision_function") if hasattr(fitted, o)]
    plain = {operation: getattr(fitted, operation)(X) for operation in operations}
    sdk.watch()
    for operation in operations:
        watched = getattr(fitted, operation)(X)
        assert watched.dtype == plain[operation].dtype
        assert watched.tobytes() == plain[operation].tobytes()
    assert [span.attributes["ml.operation.name"] for span in sdk.spans()] == operations
    points = sdk.collect(sdk.cumulative)["ml.prediction.rows"]
    assert {p.attributes["ml.operation.name"]: p.value for p in points} == dict.fromkeys(operations, 60)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: LogisticRegression().predict(X), "NotFittedError"),
        (lambda: LogisticRegression().fit(X, Y).predict(X[:, :2]), "ValueError"),
        (lambda: LogisticRegression().fit(X, Y).predict([["a", "b", "c"]]), "ValueError"),
        (lambda: LogisticRegression().fit(X, Y).predict(None), "ValueError"),
        (lambda: LogisticRegression().fit(X, Y).predict(np.full((1, 3), np.nan)), "ValueError"),
        (lambda: LogisticRegression().fit(X, Y).predict(np.empty((0, 3))), "ValueError"),
        (lambda: LogisticRegression().fit(X, Y).predict(), "TypeError"),
        (lambda: LogisticRegression().fit(X, Y).predict(X, 1, 2, wrong=3), "TypeError"),
    ],
)
def test_an_exception_is_the_models_own_and_is_on_the_span(call, error, sdk) -> None:
    with pytest.raises(Exception) as plain:  # noqa: PT011  # which one it is, is compared below
        call()
    sdk.watch()
    with pytest.raises(Exception) as watched:  # noqa: PT011
        call()
    assert type(watched.value) is type(plain.value)
    assert type(watched.value).__name__ == error
    assert str(watched.value) == str(plain.value)
    span = sdk.spans()[-1]  # in some of them a fit comes before
    assert span.attributes["error.type"] == error
    assert not span.status.is_ok
    (duration,) = sdk.collect(sdk.cumulative)["ml.prediction.duration"]
    assert duration.attributes["error.type"] == error
    assert sdk.counts() == {}


def test_pipelines_offer_a_method_only_where_their_last_step_does(sdk) -> None:
    sdk.watch()
    assert not hasattr(make_pipeline(StandardScaler()), "predict")
    assert not hasattr(make_pipeline(SVC()), "predict_proba")
    assert hasattr(make_pipeline(LogisticRegression()), "predict_proba")


def test_signatures_docs_pickles_clones_and_copies_are_as_before(sdk) -> None:
    methods = {
        cls: (inspect.signature(cls.predict), cls.predict.__doc__, cls.predict.__qualname__, cls.predict.__module__)
        for cls in (LogisticRegression, RandomForestClassifier, GridSearchCV, KMeans, SVC)
    }
    model = LogisticRegression().fit(X, Y)
    before = pickle.dumps(model)
    sdk.watch()
    for cls, (signature, doc, qualname, module) in methods.items():
        assert inspect.signature(cls.predict) == signature
        assert (cls.predict.__doc__, cls.predict.__qualname__, cls.predict.__module__) == (doc, qualname, module)
    assert pickle.dumps(model) == before
    wanted = model.predict(X).tolist()
    for other in (pickle.loads(before), copy.deepcopy(model), clone(model).fit(X, Y)):
        assert other.predict(X).tolist() == wanted
    assert pickle.loads(pickle.dumps(LogisticRegression.predict)) is LogisticRegression.predict
    assert LogisticRegression().get_params() == clone(LogisticRegression()).get_params()


def test_estimators_of_the_users_own_are_watched_whenever_their_class_is_made(sdk) -> None:
    class Early(RegressorMixin, BaseEstimator):
        def predict(self, data):
            return np.full(len(data), 1.5)

    sdk.watch()

    class Late(Early):
        def predict(self, data):
            return super().predict(data) + 1

    class Inherits(Late):
        pass

    for cls in (Early, Late, Inherits):
        cls().predict(X)
        cls().predict(data=X)
    names = [span.name for span in sdk.spans()]
    assert names == [f"predict {name}" for name in ("Early", "Late", "Inherits") for _ in range(2)]


def test_a_hook_of_a_subclass_still_sees_its_subclasses_and_their_arguments(sdk) -> None:
    seen = []
    sdk.watch()

    class Base(BaseEstimator):
        def __init_subclass__(cls, *, tag, **kwargs):
            super().__init_subclass__(**kwargs)
            seen.append(tag)

    class Below(Base, tag="x"):
        def predict(self, rows):
            return np.zeros(len(rows))

    Below().predict(X)
    assert seen == ["x"]
    assert len(sdk.spans()) == 1


def test_what_only_looks_like_a_method_is_left_alone(sdk) -> None:
    class Counts:
        def __call__(self, rows):
            return len(rows)

    class Odd(BaseEstimator):
        predict_proba = Counts()
        decision_function = property(lambda self: lambda rows: len(rows) + 2)

        @staticmethod
        def predict(rows):
            return len(rows) + 1

    plain = Odd().predict(X), Odd().predict_proba(X), Odd().decision_function(X)
    sdk.watch()
    assert (Odd().predict(X), Odd().predict_proba(X), Odd().decision_function(X)) == plain == (61, 60, 62)


def test_threads_keep_their_own_calls(sdk) -> None:
    model = RandomForestClassifier(8, n_jobs=2, random_state=0).fit(X, Y)
    sdk.watch()
    start = threading.Barrier(6)

    def serve(at: int) -> None:
        start.wait(10)
        for _ in range(4):
            model.predict(X[: at + 1].copy())

    threads = [threading.Thread(target=serve, args=(at,)) for at in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    sizes = sorted(span.attributes["ml.batch.size"] for span in sdk.spans())
    assert sizes == sorted(list(range(1, 7)) * 4)
    assert sdk.counts() == dict.fromkeys(("f0", "f1", "f2", "prediction"), 84)


def test_the_span_is_current_while_the_model_runs_and_not_after(sdk) -> None:
    from opentelemetry import trace

    class Looks(BaseEstimator):
        def predict(self, rows):
            self.span = trace.get_current_span().get_span_context().span_id
            return np.zeros(len(rows))

    sdk.watch()
    model = Looks()
    with sdk.tracer_provider.get_tracer("request").start_as_current_span("request") as outer:
        model.predict(X)
        assert trace.get_current_span() is outer
    inner, request = sdk.spans()
    assert inner.context.span_id == model.span
    assert inner.parent.span_id == request.context.span_id


def test_predict_proba_and_then_predict_on_the_same_rows_count_them_once(sdk) -> None:
    model = LogisticRegression().fit(X, Y)
    sdk.watch()
    model.predict_proba(X)
    model.predict(X)
    assert sdk.counts() == {"f0": 60, "f1": 60, "f2": 60, "score.yes": 60, "prediction": 60}
    # The same operation again is a new request, though its rows be the same object.
    model.predict(X)
    assert sdk.counts()["f0"] == 60


def test_the_same_rows_given_to_another_model_count_there_too(sdk) -> None:
    sdk.watch()
    for _ in range(5):
        # The dead model's place in memory, and so its id, is often the next one's.
        LogisticRegression().fit(X, Y).predict(X)
        LogisticRegression().fit(X, Y).predict_proba(X)
    assert sdk.counts()["f0"] == 600


def test_two_models_never_share_a_sketch_and_one_trained_again_is_the_same(sdk) -> None:
    sdk.watch()
    few, many = Y, np.array(["a", "b", "c"])[np.arange(len(X)) % 3]
    trainings = [(X, few), (X[:, :2], few), (X, many), (X, X[:, 0])]
    for _ in range(2):
        for rows, target in trainings:
            estimator = LinearRegression() if target.dtype.kind == "f" else LogisticRegression()
            make_pipeline(StandardScaler(), estimator).fit(rows, target).predict(rows)
    served = [span.attributes for span in sdk.spans() if span.attributes["ml.operation.name"] == "predict"]
    models = [(one["ml.model.name"], one["ml.model.version"]) for one in served]
    assert models[:4] == models[4:]
    assert len(set(models)) == 4
    assert {name for name, _ in models} == {"Pipeline"}
    first = [p for p in sdk.collect(sdk.delta)["ml.column.value"] if p.attributes["ml.column.name"] == "f0"]
    assert {(p.attributes["ml.model.version"], p.count) for p in first} == {(version, 2 * 60) for _, version in models}


def test_models_are_let_go(sdk) -> None:
    sdk.watch()
    references = []
    for _ in range(20):
        model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
        driftmeter.monitor(model, name="delay")
        model.predict(X)
        references.append(weakref.ref(model))
    del model
    gc.collect()
    assert [reference() for reference in references if reference() is not None] == []
    from driftmeter.recorder import active

    registry = active()
    assert registry is not None
    assert not registry._bound
    assert not registry._identities._declared


def test_classes_that_are_made_and_dropped_are_let_go(sdk) -> None:
    sdk.watch()

    def made():
        class Loaded(LogisticRegression):
            def predict(self, rows):
                return super().predict(rows)

        Loaded().fit(X, Y).predict(X)
        return weakref.ref(Loaded)

    references = [made() for _ in range(5)]
    gc.collect()
    assert [reference() for reference in references] == [None] * 5
    assert [span.name for span in sdk.spans()] == ["fit Loaded", "predict Loaded"] * 5


def test_a_wrapper_that_another_has_put_around_a_method_stays(sdk) -> None:
    import functools

    class Model(BaseEstimator):
        def predict(self, rows):
            return len(rows)

    sdk.watch()
    watched = Model.predict

    @functools.wraps(watched)
    def theirs(self, rows):
        return watched(self, rows) + 100

    Model.predict = theirs
    assert Model().predict(X) == 160
    driftmeter.shutdown()
    assert Model.predict is theirs
    assert Model().predict(X) == 160
    assert len(sdk.spans()) == 1


def test_an_exception_that_has_no_text_is_still_the_models_own(sdk) -> None:
    class MuteError(Exception):
        def __str__(self):
            raise RuntimeError("no text")

    class Model(BaseEstimator):
        def predict(self, rows):
            raise MuteError

    from driftmeter.recorder import guard

    sdk.watch()
    guard.raises = False
    try:
        with pytest.raises(MuteError):
            Model().predict(X)
    finally:
        guard.raises = None
    (span,) = sdk.spans()
    assert span.attributes["error.type"].endswith("MuteError")


def test_cross_validation_counts_each_fold_once(sdk) -> None:
    sdk.watch()
    cross_val_predict(LogisticRegression(), X, Y, cv=4)
    assert sum(span.attributes.get("ml.batch.size", 0) for span in sdk.spans()) == 60
    assert sdk.counts()["f0"] == 60


def test_tasks_of_one_thread_keep_their_own_calls(sdk) -> None:
    import asyncio

    model = LogisticRegression().fit(X, Y)
    sdk.watch()

    async def serve(size: int) -> None:
        rows = X[:size].copy()
        for _ in range(3):
            await asyncio.sleep(0)
            model.predict_proba(rows)
            await asyncio.sleep(0)
            model.predict(rows)

    async def serve_all() -> None:
        await asyncio.gather(*(serve(size) for size in range(1, 9)))

    asyncio.run(serve_all())
    assert len(sdk.spans()) == 48
    # Each task's second look at its own rows counts nothing, whatever the others do in between.
    assert sdk.counts()["f0"] == 3 * sum(range(1, 9))


def test_a_failing_calls_span_does_not_tell_the_value_that_the_exception_quotes(sdk) -> None:
    model = LogisticRegression().fit(X, Y)
    sdk.watch()
    with pytest.raises(ValueError, match="secret"):
        model.predict(np.full((1, X.shape[1]), "secret", dtype=object))
    (span,) = sdk.spans()
    assert span.attributes["error.type"] == "ValueError"
    assert "secret" not in span.to_json()
