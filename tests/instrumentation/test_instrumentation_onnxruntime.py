from __future__ import annotations

import gc
import inspect
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import driftmeter
from driftmeter.instrumentation.onnxruntime import OPERATIONS, OnnxRuntimeInstrumentor
from driftmeter.recorder import active

ort = pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")
skl2onnx = pytest.importorskip("skl2onnx")
types = pytest.importorskip("skl2onnx.common.data_types")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)).astype(np.float32)
Y = np.where(X[:, 0] + X[:, 1] > 0, "yes", "no")
NUMBERS = X @ [1.0, 2.0, 3.0]
FEATURES = ("f0", "f1", "f2")


@pytest.fixture
def watched(sdk):
    """ONNX Runtime watched on the providers of the SDK."""
    instrumentor = OnnxRuntimeInstrumentor()

    def watch(**settings):
        sdk.watch(**settings)
        if not instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.instrument(
                skip_dep_check=True, meter_provider=sdk.meter_provider, tracer_provider=sdk.tracer_provider
            )
        return sdk

    sdk.watch_onnx = watch
    yield sdk
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


# What the lowest version that is supported can read.
OPSET = {"": 17, "ai.onnx.ml": 3}


def _model(estimator, rows=X, *, name="", meta=(), version=0, options=None, **kwargs):
    made = skl2onnx.to_onnx(
        estimator,
        None if "initial_types" in kwargs else rows[:1],
        options=options and {id(estimator): options},
        target_opset=OPSET,
        **kwargs,
    )
    made.graph.name = name or made.graph.name
    made.model_version = version
    for key, value in dict(meta).items():
        made.metadata_props.add(key=key, value=value)
    return made.SerializeToString()


def _session(content):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 2  # run_async needs two
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


LINE = _model(LinearRegression().fit(X, NUMBERS), name="delay", version=7)
CLASSES = _model(LogisticRegression().fit(X, Y), name="fraud")


def _max_by_column(sdk, role):
    points = sdk.collect(sdk.cumulative)["ml.column.value"]
    return {p.attributes["ml.column.name"]: p.max for p in points if p.attributes["ml.column.role"] == role}


def _labels(sdk):
    points = sdk.collect(sdk.cumulative)["ml.column.categories"]
    return {
        p.attributes["ml.category"]: p.value
        for p in points
        if p.attributes["ml.column.role"] == "prediction" and p.value
    }


def _run(session, rows):
    return session.run(None, {"X": rows})


def _run_with_ort_values(session, rows):
    return [v.numpy() for v in session.run_with_ort_values(None, {"X": ort.OrtValue.ortvalue_from_numpy(rows)})]


def _run_with_iobinding(session, rows):
    binding = session.io_binding()
    binding.bind_cpu_input("X", rows)
    for output in session.get_outputs():
        binding.bind_output(output.name)
    assert session.run_with_iobinding(binding) is None
    return binding.copy_outputs_to_cpu()


def _run_async(session, rows):
    got, done = [], threading.Event()

    def callback(results, user_data, error):
        got.extend([results, user_data, error])
        done.set()

    data = object()
    assert session.run_async(None, {"X": rows}, callback, data) is None
    assert done.wait(10)
    assert got[1:] == [data, ""]
    return got[0]


WAYS = {
    "run": _run,
    "run_with_ort_values": _run_with_ort_values,
    "run_with_iobinding": _run_with_iobinding,
    "run_async": _run_async,
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_run_gives_the_same_answers_and_one_span_with_its_rows(way, watched) -> None:
    session = _session(LINE)
    plain = WAYS[way](session, X)
    watched.watch_onnx()
    again = WAYS[way](session, X.copy())
    assert again[0].dtype == plain[0].dtype
    assert again[0].tobytes() == plain[0].tobytes()
    (span,) = watched.spans()
    assert span.name == f"{way} delay"
    assert dict(span.attributes) == {
        "ml.model.name": "delay",
        "ml.model.version": "7",
        "ml.model.framework": "onnxruntime",
        "ml.operation.name": way,
        "ml.batch.size": 60,
    }
    (duration,) = watched.collect(watched.cumulative)["ml.prediction.duration"]
    assert duration.count == 1
    assert watched.counts() == dict.fromkeys((*FEATURES, "prediction"), 60)


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_run_records_the_values_that_went_in_and_came_out(way, watched) -> None:
    session = _session(LINE)
    watched.watch_onnx()
    answer = WAYS[way](session, X)[0]
    maxima = _max_by_column(watched, "feature")
    assert [maxima[name] for name in FEATURES] == pytest.approx(X.max(axis=0))
    assert _max_by_column(watched, "prediction") == {"prediction": pytest.approx(answer.max())}


FAULTS = {
    "too few columns": ({"X": X[:, :2].copy()}, "InvalidArgument"),
    "texts": ({"X": X.astype(str)}, "InvalidArgument"),
    "no input": ({}, "ValueError"),
    "another input": ({"Z": X}, "ValueError"),
    "no feed": (None, "AttributeError"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_exception_is_the_sessions_own_and_is_on_the_span(fault, watched) -> None:
    feed, kind = FAULTS[fault]
    session = _session(LINE)
    with pytest.raises(Exception) as plain:  # noqa: PT011  # which one it is, is compared below
        session.run(None, feed)
    watched.watch_onnx()
    with pytest.raises(Exception) as again:  # noqa: PT011
        session.run(None, feed)
    assert type(again.value) is type(plain.value)
    assert str(again.value) == str(plain.value)
    (span,) = watched.spans()
    assert span.attributes["error.type"] == kind
    assert "Expected" not in span.to_json()
    assert watched.counts() == {}


def test_an_asynchronous_run_that_fails_tells_its_callback_and_the_span(watched) -> None:
    session = _session(LINE)
    got, done = [], threading.Event()

    def callback(results, user_data, error):
        got.append((results, error))
        done.set()

    for watch in (lambda: None, watched.watch_onnx):
        watch()
        done.clear()
        session.run_async(None, {"X": X[:, :2].copy()}, callback, None)
        assert done.wait(10)
    assert got[0] == got[1]
    (span,) = watched.spans()
    assert span.attributes["error.type"]
    assert not span.status.is_ok
    assert watched.counts() == {}


def test_an_asynchronous_run_that_never_starts_raises_as_before(watched) -> None:
    session = _session(LINE)
    watched.watch_onnx()
    with pytest.raises(ValueError, match="Required inputs"):
        session.run_async(None, {}, print, None)
    with pytest.raises(TypeError):
        session.run_async(None, {"X": X})
    (span,) = watched.spans()
    assert span.attributes["error.type"] == "ValueError"


def test_an_asynchronous_call_ends_before_its_callback_and_lets_the_session_go(watched) -> None:
    session = _session(LINE)
    watched.watch_onnx()
    seen, done = [], threading.Event()

    def callback(results, user_data, error):
        seen.extend(watched.spans())
        done.set()

    session.run_async(["variable"], {"X": X}, callback=callback, user_data=None)
    assert done.wait(10)
    assert [span.attributes["ml.operation.name"] for span in seen] == ["run_async"]
    gone = weakref.ref(session)
    del session
    for _ in range(50):  # the runtime's thread lets its hold go a moment after the callback
        gc.collect()
        if gone() is None:
            break
        done.clear()
        done.wait(0.02)
    assert gone() is None


@pytest.mark.parametrize("zipmap", [True, False, "columns"])
def test_a_classifier_gives_labels_and_scores(zipmap, watched) -> None:
    session = _session(_model(LogisticRegression().fit(X, Y), options={"zipmap": zipmap}))
    watched.watch_onnx()
    _run(session, X)
    scores = {True: ["score.yes"], False: ["score.1"], "columns": ["score.sno", "score.syes"]}[zipmap]
    assert watched.counts() == dict.fromkeys((*FEATURES, "prediction", *scores), 60)
    labels, counted = np.unique(LogisticRegression().fit(X, Y).predict(X), return_counts=True)
    assert _labels(watched) == dict(zip(labels.tolist(), counted.tolist(), strict=True))


def test_the_score_kept_of_two_is_the_second_classes(watched) -> None:
    model = LogisticRegression().fit(X, Y)
    sessions = [_session(_model(model, name=f"m{zipmap}", options={"zipmap": zipmap})) for zipmap in (True, False)]
    watched.watch_onnx()
    for session in sessions:
        _run(session, X)
    wanted = pytest.approx(model.predict_proba(X)[:, 1].max(), rel=1e-5)
    assert _max_by_column(watched, "score") == {"score.yes": wanted, "score.1": wanted}


def test_numbers_as_labels_are_categories(watched) -> None:
    three = RNG.integers(0, 3, size=60)
    session = _session(_model(LogisticRegression().fit(X, three)))
    watched.watch_onnx()
    _run(session, X)
    assert watched.counts() == dict.fromkeys((*FEATURES, "prediction", "score.0", "score.1", "score.2"), 60)
    assert sum(_labels(watched).values()) == 60


def test_only_the_outputs_that_were_asked_for_are_recorded_under_their_own_names(watched) -> None:
    session = _session(CLASSES)
    watched.watch_onnx()
    session.run(["output_probability"], {"X": X})
    assert watched.counts() == dict.fromkeys((*FEATURES, "score.yes"), 60)
    session.run(output_names=["output_probability", "output_label"], input_feed={"X": X.copy()})
    assert watched.counts() == dict.fromkeys((*FEATURES, "score.yes", "prediction"), 60)


def test_many_classes_keep_their_labels_only(watched) -> None:
    many = np.arange(60) % 30
    sessions = [
        _session(_model(LogisticRegression().fit(X, many), options={"zipmap": zipmap})) for zipmap in (True, False)
    ]
    watched.watch_onnx()
    for session in sessions:
        _run(session, X.copy())
        assert watched.counts() == dict.fromkeys((*FEATURES, "prediction"), 60)


def test_several_outputs_are_several_columns(watched) -> None:
    line = _session(_model(LinearRegression().fit(X, np.c_[NUMBERS, -NUMBERS]), name="two"))
    labels = _session(_model(MultiOutputClassifier(LogisticRegression()).fit(X, np.c_[Y, Y]), name="labels"))
    watched.watch_onnx()
    _run(line, X)
    assert watched.counts() == dict.fromkeys((*FEATURES, "prediction.0", "prediction.1"), 60)
    _run(labels, X)
    assert watched.counts() == dict.fromkeys((*FEATURES, "prediction.0", "prediction.1"), 60)


def test_an_anomaly_score_is_a_score(watched) -> None:
    forest = IsolationForest(n_estimators=3, random_state=0).fit(X)
    session = _session(_model(forest))
    watched.watch_onnx()
    _run(session, X)
    assert watched.counts() == dict.fromkeys((*FEATURES, "prediction", "score"), 60)


def _mixed():
    rows = np.array([["u", 1.0], ["v", 2.0]] * 30, dtype=object)
    pipeline = make_pipeline(
        make_column_transformer((OneHotEncoder(), [0]), remainder="passthrough"), LogisticRegression()
    ).fit(rows, Y)
    types_of = [("city", types.StringTensorType([None, 1])), ("age", types.FloatTensorType([None, 1]))]
    return _session(_model(pipeline, initial_types=types_of))


def test_several_inputs_of_one_column_each_have_their_names_texts_too(watched) -> None:
    session = _mixed()
    watched.watch_onnx()
    feed = {"city": np.array([["u"], ["v"]]), "age": np.array([[1.0], [2.0]], dtype=np.float32)}
    session.run(None, feed)
    assert watched.counts() == dict.fromkeys(("city", "age", "prediction", "score.yes"), 2)
    session.run(None, {"city": feed["city"].astype(object), "age": feed["age"]})
    assert watched.counts()["city"] == 2
    points = watched.collect(watched.cumulative)["ml.column.categories"]
    assert {p.attributes["ml.category"] for p in points if p.attributes["ml.column.name"] == "city"} == {"u", "v"}


def _graph(inputs, outputs, nodes, name="g"):
    helper = onnx.helper
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(*one) for one in outputs],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return _session(model.SerializeToString())


FLOAT, INT64 = 1, 7


def _identity(inputs):
    nodes = [onnx.helper.make_node("Identity", [one[0]], [f"{one[0]}_out"]) for one in inputs]
    return _graph(inputs, [(f"{name}_out", kind, shape) for name, kind, shape in inputs], nodes)


def test_numbers_of_several_inputs_and_outputs_keep_their_names_and_values(watched) -> None:
    session = _identity([("a", FLOAT, [None, 1]), ("b", INT64, [None]), ("c", FLOAT, [None, 2])])
    watched.watch_onnx()
    a, b, c = np.float32([[1], [2]]), np.array([5, 2**40]), np.float32([[7, 8], [9, 10]])
    session.run(None, {"a": a, "b": b, "c": c})
    wanted = {"a": 2.0, "b": 2.0**40, "c.0": 9.0, "c.1": 10.0}
    assert _max_by_column(watched, "feature") == wanted
    assert _max_by_column(watched, "prediction") == {
        "prediction.a_out": 2.0,
        "prediction.b_out": 2.0**40,
        "prediction.c_out.0": 9.0,
        "prediction.c_out.1": 10.0,
    }


@pytest.mark.parametrize(
    ("inputs", "feed", "size"),
    [
        ([("image", FLOAT, [None, 3, 4, 4])], {"image": np.zeros((5, 3, 4, 4), np.float32)}, 5),
        ([("ids", INT64, ["batch", "length"])], {"ids": np.zeros((5, 9), np.int64)}, 5),
        (
            [("ids", INT64, ["batch", "length"]), ("mask", INT64, ["batch", "length"])],
            {"ids": np.zeros((5, 9), np.int64), "mask": np.zeros((5, 9), np.int64)},
            5,
        ),
    ],
    ids=["image", "tokens", "tokens and mask"],
)
def test_images_and_tokens_are_no_columns_but_have_a_batch_size(inputs, feed, size, watched) -> None:
    session = _identity(inputs)
    watched.watch_onnx()
    session.run(None, feed)
    (span,) = watched.spans()
    assert span.attributes["ml.batch.size"] == size
    assert watched.counts() == {}


def test_an_input_without_rows_leaves_those_of_the_others(watched) -> None:
    session = _identity([("X", FLOAT, [None, 2]), ("threshold", FLOAT, [])])
    watched.watch_onnx()
    session.run(["X_out"], {"X": np.ones((4, 2), np.float32), "threshold": np.array(0.5, np.float32)})
    assert watched.counts() == dict.fromkeys(("X.0", "X.1", "prediction.X_out.0", "prediction.X_out.1"), 4)


def test_inputs_of_different_numbers_of_rows_are_passed_over(watched) -> None:
    session = _identity([("a", FLOAT, [None, 1]), ("b", FLOAT, [None, 1])])
    watched.watch_onnx()
    a, b = session.run(None, {"a": np.ones((4, 1), np.float32), "b": np.ones((2, 1), np.float32)})
    assert (len(a), len(b)) == (4, 2)
    (span,) = watched.spans()
    assert "ml.batch.size" not in span.attributes


def test_what_sits_on_a_device_is_never_copied(watched, monkeypatch) -> None:
    session = _session(LINE)
    watched.watch_onnx()
    monkeypatch.setattr(ort.OrtValue, "device_name", lambda self: "cuda")
    for method in ("numpy", "__dlpack__"):
        monkeypatch.setattr(ort.OrtValue, method, lambda *args, **kwargs: pytest.fail("copied"), raising=False)
    session.run_with_ort_values(None, {"X": ort.OrtValue.ortvalue_from_numpy(X)})
    _run_with_iobinding(session, X)
    assert len(watched.spans()) == 2
    # The binding's input was an array in the machine's memory.
    assert watched.counts() == dict.fromkeys(FEATURES, 60)


def test_values_in_memory_are_read_without_a_copy_where_the_runtime_offers_a_view(watched, monkeypatch) -> None:
    value = ort.OrtValue.ortvalue_from_numpy(X)
    if not hasattr(value, "__dlpack__"):
        pytest.skip("this version has no views")
    session = _session(LINE)
    watched.watch_onnx()
    monkeypatch.setattr(ort.OrtValue, "numpy", lambda self: pytest.fail("copied"))
    session.run_with_ort_values(None, {"X": value})
    assert watched.counts() == dict.fromkeys((*FEATURES, "prediction"), 60)


def test_a_run_that_does_not_wait_for_its_device_is_not_read(watched) -> None:
    session = _session(LINE)
    watched.watch_onnx()
    binding = session.io_binding()
    binding.bind_cpu_input("X", X)
    binding.bind_output("variable")
    options = ort.RunOptions()
    options.add_run_config_entry("disable_synchronize_execution_providers", "1")
    session.run_with_iobinding(binding, options)
    assert watched.counts() == dict.fromkeys(FEATURES, 60)
    session.run_with_iobinding(binding, run_options=ort.RunOptions())
    assert watched.counts() == dict.fromkeys((*FEATURES, "prediction"), 60)


def test_a_binding_of_values_and_of_preallocated_outputs_is_read(watched) -> None:
    session = _session(LINE)
    watched.watch_onnx()
    binding = session.io_binding()
    out = ort.OrtValue.ortvalue_from_numpy(np.zeros((60, 1), np.float32))
    binding.bind_ortvalue_input("X", ort.OrtValue.ortvalue_from_numpy(X))
    binding.bind_ortvalue_output("variable", out)
    for rows in (X, -X):
        binding.bind_ortvalue_input("X", ort.OrtValue.ortvalue_from_numpy(rows))
        session.run_with_iobinding(binding)
    known = FEATURES if hasattr(binding, "_bound_inputs") else ()  # older versions keep no hold of such inputs
    assert watched.counts() == dict.fromkeys((*known, "prediction"), 120)
    maxima = _max_by_column(watched, "feature")
    assert {name: maxima.get(name) for name in known} == dict(zip(known, np.abs(X).max(axis=0).tolist(), strict=False))


@pytest.mark.parametrize(
    ("made", "name", "version"),
    [
        ({"name": "delay"}, "delay", None),
        ({"name": "delay", "version": 3}, "delay", "3"),
        ({"name": "delay", "version": 2**63 - 1}, "delay", None),
        ({"name": "delay", "version": 3, "meta": {"model_version": "1.2", "model_name": "late"}}, "late", "1.2"),
    ],
)
def test_name_and_version_are_the_metadatas(made, name, version, watched) -> None:
    session = _session(_model(LinearRegression().fit(X, NUMBERS), **made))
    watched.watch_onnx()
    _run(session, X)
    (span,) = watched.spans()
    assert (span.attributes["ml.model.name"], span.attributes.get("ml.model.version")) == (name, version)


def test_a_graph_without_a_name_has_its_files(watched, tmp_path) -> None:
    (tmp_path / "arrivals.onnx").write_bytes(_model(LinearRegression().fit(X, NUMBERS)))
    session = _session(str(tmp_path / "arrivals.onnx"))
    watched.watch_onnx()
    _run(session, X)
    (span,) = watched.spans()
    assert span.attributes["ml.model.name"] == "arrivals"


@pytest.mark.parametrize("from_file", [False, True])
def test_two_models_without_names_never_share_a_sketch_and_one_loaded_again_is_the_same(
    from_file, watched, tmp_path
) -> None:
    contents = [_model(LinearRegression().fit(X, NUMBERS)), _model(LinearRegression().fit(X, -NUMBERS))]
    watched.watch_onnx()
    for content in contents * 3:
        (tmp_path / "model.onnx").write_bytes(content)
        _run(_session(str(tmp_path / "model.onnx") if from_file else content), X)
    identities = [(s.attributes["ml.model.name"], s.attributes["ml.model.version"]) for s in watched.spans()]
    assert identities[:2] * 2 == identities[2:]
    assert len(set(identities)) == 2
    assert {name for name, _ in identities} == {"ONNX(LinearRegression)"}


def test_a_large_model_without_a_name_is_told_by_pieces_of_it(watched) -> None:
    def content(last):
        weights = np.zeros((600, 600), np.float32)
        weights[-1, -1] = last
        node = onnx.helper.make_node("MatMul", ["X", "W"], ["Y"])
        helper = onnx.helper
        graph = helper.make_graph(
            [node],
            "main_graph",
            [helper.make_tensor_value_info("X", FLOAT, [None, 600])],
            [helper.make_tensor_value_info("Y", FLOAT, [None, 600])],
            [onnx.numpy_helper.from_array(weights, "W")],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()

    watched.watch_onnx()
    for last in (1.0, 2.0):
        _run(_session(content(last)), np.zeros((1, 600), np.float32))
    assert len({span.attributes["ml.model.version"] for span in watched.spans()}) == 2


def test_the_configurations_name_and_version_win(watched) -> None:
    session = _session(LINE)
    watched.watch_onnx(model_name="mine", model_version="9")
    _run(session, X)
    (span,) = watched.spans()
    assert (span.attributes["ml.model.name"], span.attributes["ml.model.version"]) == ("mine", "9")


@pytest.mark.parametrize("columns", [["late", "far", "cold"], ["other"]])
def test_baselines_of_other_models_do_not_change_name_and_version(columns, watched, tmp_path) -> None:
    driftmeter.Baseline.from_frame({name: [1.0, 2.0] for name in columns}, model="flights").save(tmp_path / "b.json")
    session = _session(LINE)
    watched.watch_onnx(baseline=str(tmp_path / "b.json"))
    _run(session, X)
    (span,) = watched.spans()
    assert (span.attributes["ml.model.name"], span.attributes["ml.model.version"]) == ("delay", "7")


def test_a_models_baseline_names_its_columns(watched, tmp_path) -> None:
    names = ["late", "far", "cold"]
    baseline = driftmeter.Baseline.from_frame(dict(zip(names, X.T, strict=True)), model="delay", version="7")
    baseline.save(tmp_path / "b.json")
    session = _session(LINE)
    watched.watch_onnx(baseline=str(tmp_path / "b.json"))
    _run(session, X)
    (span,) = watched.spans()
    assert (span.attributes["ml.model.name"], span.attributes["ml.model.version"]) == ("delay", "7")
    assert watched.counts() == dict.fromkeys((*names, "prediction"), 60)


def test_metadata_is_read_once_a_session(watched, monkeypatch) -> None:
    session = _session(LINE)
    watched.watch_onnx()
    asked = []
    plain = type(session).get_modelmeta
    monkeypatch.setattr(type(session), "get_modelmeta", lambda self: asked.append(1) or plain(self))
    for _ in range(3):
        _run(session, X.copy())
    assert asked == [1]


def test_sessions_made_in_a_loop_are_let_go_and_are_one_series(watched) -> None:
    watched.watch_onnx()
    references = []
    for _ in range(10):
        session = _session(LINE)
        for way in WAYS.values():
            way(session, X.copy())
        references.append(weakref.ref(session))
    del session
    for _ in range(50):
        gc.collect()
        if not any(reference() for reference in references):
            break
        threading.Event().wait(0.02)
    assert [reference() for reference in references] == [None] * 10
    registry = active()
    assert not registry._bound
    assert not registry._identities._declared
    assert len(registry.models()) == 1
    assert watched.counts()["prediction"] == 60 * 40


def test_threads_keep_their_own_runs(watched) -> None:
    session = _session(LINE)
    watched.watch_onnx()
    start = threading.Barrier(6)

    def serve(at: int) -> None:
        start.wait(10)
        for _ in range(4):
            _run(session, X[: at + 1].copy())

    threads = [threading.Thread(target=serve, args=(at,)) for at in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    sizes = sorted(span.attributes["ml.batch.size"] for span in watched.spans())
    assert sizes == sorted(list(range(1, 7)) * 4)
    assert watched.counts() == dict.fromkeys((*FEATURES, "prediction"), 84)


def test_a_session_inside_of_a_watched_model_is_part_of_its_call(watched) -> None:
    from sklearn.base import BaseEstimator

    session = _session(LINE)

    class Wraps(BaseEstimator):
        def predict(self, rows):
            return _run_async(session, rows)[0] + _run(session, rows)[0]

    watched.watch_onnx()
    Wraps().predict(X)
    assert [span.name for span in watched.spans()] == ["predict Wraps"]


def test_signatures_and_docs_stay_and_uninstrumenting_puts_all_methods_back(watched) -> None:
    from onnxruntime.capi.onnxruntime_inference_collection import InferenceSession, Session

    plain = {operation: vars(Session)[operation] for operation in OPERATIONS}
    subclass = dict(vars(InferenceSession))
    watched.watch_onnx()
    for operation, method in plain.items():
        ours = vars(Session)[operation]
        assert ours is not method
        assert inspect.signature(ours) == inspect.signature(method)
        assert (ours.__doc__, ours.__qualname__, ours.__module__) == (
            method.__doc__,
            method.__qualname__,
            method.__module__,
        )
    OnnxRuntimeInstrumentor().uninstrument()
    assert {operation: vars(Session)[operation] for operation in OPERATIONS} == plain
    assert dict(vars(InferenceSession)) == subclass
    _run(_session(LINE), X)
    assert watched.spans() == []


def test_instrumenting_imports_nothing() -> None:
    code = (
        "import sys; from driftmeter.instrumentation.onnxruntime import OnnxRuntimeInstrumentor as I;"
        "I().instrument(skip_dep_check=True); assert 'onnxruntime' not in sys.modules; I().uninstrument();"
        "import onnxruntime.capi.onnxruntime_inference_collection as c;"
        "assert not hasattr(c.Session.run, '__wrapped__')"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
