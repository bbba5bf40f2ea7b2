from __future__ import annotations

import copy
import gc
import inspect
import subprocess
import sys
import threading
import weakref

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression

import driftmeter
from driftmeter.instrumentation.mlflow import MlflowInstrumentor
from driftmeter.recorder import active

pyfunc = pytest.importorskip("mlflow.pyfunc")
flavour = pytest.importorskip("mlflow.sklearn")
models = pytest.importorskip("mlflow.models")


@pytest.fixture(autouse=True)
def _store_beside_the_test(tmp_path, monkeypatch) -> None:
    """Else MLflow leaves a folder where the tests were started."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "tracking").as_uri())


RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(RNG.normal(size=(60, 3)), columns=["a", "b", "c"])
Y = np.where(FRAME["a"] + FRAME["b"] > 0, "yes", "no")
NUMBERS = FRAME.to_numpy() @ [1.0, 2.0, 3.0]
NAMES = ("a", "b", "c")


FAILS = "fails"


class Doubles(pyfunc.PythonModel):
    """A model of the program's own, which has another one inside."""

    def __init__(self, inner=None):
        self.inner = inner

    def predict(self, context, model_input, params=None):
        if self.inner is not None:
            self.inner.predict(model_input)
        if isinstance(model_input, str) and model_input == FAILS:
            raise LookupError("secret")
        return model_input["a"] * 2

    def predict_stream(self, context, model_input, params=None):
        if self.inner is not None:
            self.inner.predict(FRAME)
        yield "one"
        yield "two"
        if model_input == "fail":
            raise LookupError("secret")


class Returns(pyfunc.PythonModel):
    """Gives what it was made with."""

    def __init__(self, answer):
        self.answer = answer

    def predict(self, context, model_input, params=None):
        return self.answer


@pytest.fixture
def watched(sdk):
    """MLflow watched on the providers of the SDK."""
    instrumentor = MlflowInstrumentor()

    def watch(**settings):
        sdk.watch(**settings)
        if not instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.instrument(
                skip_dep_check=True, meter_provider=sdk.meter_provider, tracer_provider=sdk.tracer_provider
            )

    sdk.watch_mlflow = watch
    yield sdk
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


def _estimator(path, model, **options):
    flavour.save_model(model, path, serialization_format="cloudpickle", pip_requirements=[], **options)
    return pyfunc.load_model(str(path))


def _own(path, model, **options):
    pyfunc.save_model(path, python_model=model, pip_requirements=[], **options)
    return pyfunc.load_model(str(path))


def _signature(answer, frame=FRAME):
    return models.infer_signature(frame, answer)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    model = RandomForestClassifier(6, n_jobs=2, random_state=0).fit(FRAME, Y)
    return _estimator(tmp_path_factory.mktemp("m") / "m", model, signature=_signature(Y))


def _by_role(sdk, role):
    metrics = sdk.collect(sdk.cumulative)
    return {
        p.attributes["ml.column.name"]
        for metric in ("ml.column.value", "ml.column.categories")
        for p in metrics.get(metric, ())
        if p.attributes["ml.column.role"] == role
    }


def test_the_outermost_call_is_the_only_one_and_its_answer_is_as_before(classifier, watched) -> None:
    plain = classifier.predict(FRAME)
    watched.watch_mlflow()
    again = classifier.predict(FRAME)
    assert type(again) is type(plain)
    assert again.tolist() == plain.tolist()
    (span,) = watched.spans()
    assert span.name == "predict RandomForestClassifier"
    assert dict(span.attributes) == {
        "ml.model.name": "RandomForestClassifier",
        "ml.model.version": classifier.metadata.model_uuid,
        "ml.model.framework": "mlflow",
        "ml.operation.name": "predict",
        "ml.batch.size": 60,
    }
    assert watched.counts() == dict.fromkeys((*NAMES, "prediction"), 60)
    points = watched.collect(watched.cumulative)["ml.column.categories"]
    counted = {p.attributes["ml.category"]: p.value for p in points}
    assert counted == dict(zip(*(one.tolist() for one in np.unique(plain, return_counts=True)), strict=True))


def test_rows_that_are_refused_since_they_have_no_names_have_those_of_the_signature(classifier, watched) -> None:
    watched.watch_mlflow()
    classifier.predict(FRAME)
    with pytest.raises(Exception, match="Failed to enforce schema"):
        classifier.predict(data=FRAME.to_numpy())
    assert watched.counts() == {**dict.fromkeys(NAMES, 120), "prediction": 60}


@pytest.mark.parametrize("signed", [False, True], ids=["no signature", "a tensor's"])
def test_without_names_in_the_signature_they_are_made_up(signed, watched, tmp_path) -> None:
    array = FRAME.to_numpy()
    options = {"signature": _signature(NUMBERS, array)} if signed else {}
    model = _estimator(tmp_path / "m", LinearRegression().fit(array, NUMBERS), **options)
    plain = model.predict(array)
    watched.watch_mlflow()
    assert model.predict(data=array).tobytes() == plain.tobytes()
    assert watched.counts() == dict.fromkeys(("f0", "f1", "f2", "prediction"), 60)


def test_numbers_as_labels_are_categories_and_scores_are_named_for_their_classes(watched, tmp_path) -> None:
    labels = (Y == "yes").astype(int)
    model = LogisticRegression().fit(FRAME, labels)
    classes = _estimator(tmp_path / "c", model)
    scores = _estimator(tmp_path / "s", model, pyfunc_predict_fn="predict_proba")
    watched.watch_mlflow()
    classes.predict(FRAME)
    assert {p.attributes["ml.category"] for p in watched.collect(watched.cumulative)["ml.column.categories"]} == {
        "0",
        "1",
    }
    watched.counts()
    scores.predict(FRAME)
    assert watched.counts() == dict.fromkeys((*NAMES, "score.1"), 60)


@pytest.mark.parametrize(
    ("answer", "columns"),
    [
        (np.arange(3.0), {"prediction"}),
        (np.ones((3, 2)), {"prediction.0", "prediction.1"}),
        (pd.Series(["x", "y", "x"]), {"prediction"}),
        (pd.DataFrame({"low": [1, 2, 3], "high": [4, 5, 6]}), {"prediction.low", "prediction.high"}),
        (pd.DataFrame({"only": [1, 2, 3]}), {"prediction"}),
        (["x", "y", "x"], {"prediction"}),
        ([{"label": "x", "p": 0.5}] * 3, {"prediction.label", "prediction.p"}),
        (
            {"low": np.ones((3, 1)), "high": np.ones((3, 2))},
            {"prediction.low", "prediction.high.0", "prediction.high.1"},
        ),
        (np.ones((3, 300)), set()),
        ("text", set()),
        (None, set()),
    ],
)
def test_answers_of_every_form_are_columns(answer, columns, watched, tmp_path) -> None:
    model = _own(tmp_path / "m", Returns(answer))
    watched.watch_mlflow()
    model.predict(FRAME.iloc[:3])
    assert _by_role(watched, "prediction") == columns
    assert watched.counts() == dict.fromkeys((*NAMES, *columns), 3)


@pytest.mark.parametrize(
    ("data", "columns", "size"),
    [
        ({"a": [1.0, 2.0], "b": ["x", "y"]}, {"a", "b"}, 2),
        ([{"a": 1.0}, {"a": 2.0}], {"a"}, 2),
        ({"x": np.ones((4, 2)), "y": np.ones(4)}, {"x.0", "x.1", "y"}, 4),
        (np.ones((4, 3, 2, 2)), set(), 4),
    ],
    ids=["columns", "mappings", "tensors", "images"],
)
def test_data_of_every_form_is_columns(data, columns, size, watched, tmp_path) -> None:
    model = _own(tmp_path / "m", Returns(None))
    watched.watch_mlflow()
    model.predict(data)
    (span,) = watched.spans()
    assert span.attributes["ml.batch.size"] == size
    assert watched.counts() == dict.fromkeys(columns, size)


def test_a_conversation_is_a_span_without_a_word_of_it(watched, tmp_path) -> None:
    model = _own(tmp_path / "m", Returns(["an answer"]))
    watched.watch_mlflow()
    for data in ({"messages": [{"role": "user", "content": "secret"}]}, [{"input": [{"content": "secret"}]}]):
        assert model.predict(data) == ["an answer"]
    assert [span.name for span in watched.spans()] == ["predict Returns"] * 2
    assert watched.counts() == {}


def test_name_and_version_are_those_under_which_it_is_registered(watched, tmp_path, monkeypatch) -> None:
    import mlflow
    from mlflow.tracking import MlflowClient

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    model = _own(tmp_path / "m", Doubles())
    watched.watch_mlflow()
    try:
        mlflow.set_tracking_uri((tmp_path / "store").as_uri())
        mlflow.set_registry_uri((tmp_path / "store").as_uri())
        client = MlflowClient()
        client.create_registered_model("late")
        client.create_model_version("late", str(tmp_path / "m"))
        client.set_registered_model_alias("late", "best", 1)
        pyfunc.load_model("models:/late/1").predict(FRAME)
        pyfunc.load_model(model_uri="models:/late@best").predict(FRAME)
    finally:
        mlflow.set_tracking_uri(before[0])
        mlflow.set_registry_uri(before[1])
    identities = [(span.attributes["ml.model.name"], span.attributes["ml.model.version"]) for span in watched.spans()]
    assert identities == [("late", "1"), ("late", model.metadata.model_uuid)]


@pytest.mark.parametrize("columns", [list("abc"), list("xyz")], ids=["its features", "other features"])
def test_else_those_of_its_metadata_whatever_baselines_there_are(columns, watched, tmp_path) -> None:
    driftmeter.Baseline.from_frame({name: [1.0, 2.0] for name in columns}, model="flights").save(tmp_path / "b.json")
    model = _own(tmp_path / "m", Doubles(), metadata={"model_name": "late", "model_version": 3})
    watched.watch_mlflow(baseline=str(tmp_path / "b.json"))
    model.predict(FRAME)
    (span,) = watched.spans()
    assert (span.attributes["ml.model.name"], span.attributes["ml.model.version"]) == ("late", "3")


def test_a_name_of_the_programs_wins(watched, tmp_path) -> None:
    model = _own(tmp_path / "m", Doubles())
    watched.watch_mlflow()
    driftmeter.monitor(model, name="mine", version="9")
    model.predict(FRAME)
    (span,) = watched.spans()
    assert (span.attributes["ml.model.name"], span.attributes["ml.model.version"]) == ("mine", "9")
    assert span.attributes["ml.model.framework"] == "mlflow"


def test_a_function_has_its_own_name(watched, tmp_path) -> None:
    def lateness(model_input):
        return [1.0] * len(model_input)

    pyfunc.save_model(tmp_path / "m", python_model=lateness, pip_requirements=[], input_example=["x"])
    model = pyfunc.load_model(str(tmp_path / "m"))
    watched.watch_mlflow()
    model.predict(["x", "y"])
    (span,) = watched.spans()
    assert span.attributes["ml.model.name"] == "lateness"


def test_two_models_never_share_a_sketch_and_one_loaded_again_is_the_same(watched, tmp_path) -> None:
    watched.watch_mlflow()
    for at in range(2):
        _own(tmp_path / f"m{at}", Doubles())
    for at in (0, 1) * 3:
        pyfunc.load_model(str(tmp_path / f"m{at}")).predict(FRAME)
    identities = [(s.attributes["ml.model.name"], s.attributes["ml.model.version"]) for s in watched.spans()]
    assert identities[:2] * 2 == identities[2:]
    assert len(set(identities)) == 2
    gc.collect()
    assert not active()._bound
    assert not active()._identities._declared


def test_models_are_let_go(watched, tmp_path) -> None:
    from driftmeter.instrumentation.mlflow import _known

    before = len(_known)
    watched.watch_mlflow()
    model = _own(tmp_path / "m", Doubles())
    model.predict(FRAME)
    list(model.predict_stream("x"))
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
    assert len(_known) == before


def test_an_exception_is_the_models_own_and_is_on_the_span_without_its_text(watched, tmp_path) -> None:
    model = _own(tmp_path / "m", Doubles())
    watched.watch_mlflow()
    with pytest.raises(LookupError, match="secret"):
        model.predict(FAILS)
    (span,) = watched.spans()
    assert span.attributes["error.type"] == "LookupError"
    assert "secret" not in span.to_json()


def test_what_the_signature_refuses_is_the_same_exception(classifier, watched) -> None:
    wrong = FRAME[["a"]]
    with pytest.raises(Exception) as plain:  # noqa: PT011  # which one it is, is compared below
        classifier.predict(wrong)
    watched.watch_mlflow()
    with pytest.raises(Exception) as again:  # noqa: PT011
        classifier.predict(wrong)
    assert type(again.value) is type(plain.value)
    assert str(again.value) == str(plain.value)
    (span,) = watched.spans()
    assert span.attributes["error.type"] == "MlflowException"
    assert watched.counts() == {}


def test_a_stream_is_one_span_from_its_first_chunk_to_its_last(watched, tmp_path) -> None:
    line = LinearRegression().fit(FRAME, NUMBERS)
    model = _own(tmp_path / "m", Doubles(line))
    plain = model.predict_stream("x")
    watched.watch_mlflow()
    stream = model.predict_stream("x")
    assert type(stream) is type(plain)
    assert watched.spans() == []
    assert next(stream) == "one"
    assert watched.spans() == []
    # Between two chunks the thread is the program's own.
    line.predict(FRAME)
    assert [span.name for span in watched.spans()] == ["predict LinearRegression"]
    assert list(stream) == ["two"]
    (span,) = watched.spans()
    assert span.name == "predict_stream Doubles"
    assert "error.type" not in span.attributes
    assert watched.counts() == dict.fromkeys((*NAMES, "prediction"), 60)


def test_a_stream_that_fails_or_is_left_ends_its_span(watched, tmp_path) -> None:
    model = _own(tmp_path / "m", Doubles())
    watched.watch_mlflow()
    with pytest.raises(LookupError):
        list(model.predict_stream("fail"))
    stream = model.predict_stream("x")
    next(stream)
    stream.close()
    stream = model.predict_stream("x")
    next(stream)
    with pytest.raises(KeyError):
        stream.throw(KeyError("k"))
    kinds = [span.attributes.get("error.type") for span in watched.spans()]
    assert kinds == ["LookupError", None, "KeyError"]


def test_a_model_that_streams_not_says_so_as_before(classifier, watched) -> None:
    with pytest.raises(Exception, match="does not support") as plain:
        list(classifier.predict_stream("x"))
    watched.watch_mlflow()
    with pytest.raises(type(plain.value), match="does not support"):
        list(classifier.predict_stream("x"))
    with pytest.raises(TypeError):
        classifier.predict_stream()


def test_models_copy_and_are_watched_after(watched, tmp_path) -> None:
    model = _own(tmp_path / "m", Doubles())
    watched.watch_mlflow()
    wanted = model.predict(FRAME)
    other = copy.deepcopy(model)
    assert other == model
    pd.testing.assert_series_equal(other.predict(FRAME), wanted)
    assert len(watched.spans()) == 2
    assert len(active().models()) == 1


def test_threads_keep_their_own_calls(watched, tmp_path) -> None:
    model = _own(tmp_path / "m", Doubles())
    watched.watch_mlflow()
    start = threading.Barrier(6)

    def serve(at: int) -> None:
        start.wait(10)
        for _ in range(4):
            model.predict(FRAME.iloc[: at + 1])

    threads = [threading.Thread(target=serve, args=(at,)) for at in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    sizes = sorted(span.attributes["ml.batch.size"] for span in watched.spans())
    assert sizes == sorted(list(range(1, 7)) * 4)
    assert watched.counts() == dict.fromkeys((*NAMES, "prediction"), 84)


def test_signatures_stay_and_uninstrumenting_puts_everything_back(watched) -> None:
    def parts():
        return {
            "predict": vars(pyfunc.PyFuncModel)["predict"],
            "predict_stream": vars(pyfunc.PyFuncModel)["predict_stream"],
            "served": vars(pyfunc._ServedPyFuncModel)["predict"],
            "load_model": pyfunc.load_model,
        }

    plain = parts()
    watched.watch_mlflow()
    for name, ours in parts().items():
        assert ours is not plain[name]
        assert inspect.signature(ours) == inspect.signature(plain[name])
        assert (ours.__doc__, ours.__qualname__) == (plain[name].__doc__, plain[name].__qualname__)
    MlflowInstrumentor().uninstrument()
    assert parts() == plain


@pytest.mark.slow
def test_instrumenting_imports_nothing() -> None:
    code = (
        "import sys; from driftmeter.instrumentation.mlflow import MlflowInstrumentor as I;"
        "I().instrument(skip_dep_check=True); assert 'mlflow' not in sys.modules; I().uninstrument();"
        "import mlflow.pyfunc as m; assert not hasattr(m.PyFuncModel.predict, '__wrapped__')"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100)
