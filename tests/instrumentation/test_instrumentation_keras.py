"""Keras 3 on TensorFlow."""

from __future__ import annotations

import asyncio
import copy
import gc
import inspect
import os
import pickle
import threading
import weakref

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")

from watched_frameworks import Watched  # noqa: E402  # after the check that the frameworks are there

from driftmeter.instrumentation.keras import KerasInstrumentor, watches  # noqa: E402
from driftmeter.recorder import active  # noqa: E402
from driftmeter.schema import Model  # noqa: E402

X = np.arange(20, dtype=np.float32).reshape(5, 4) / 7
Y = np.arange(5.0)
FEATURES = ("f0", "f1", "f2", "f3")
SCORES = ("score.0", "score.1", "score.2")


def sequential(outputs=3, **settings):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [keras.layers.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(outputs)], **settings
    )


def functional(outputs=3):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Dense(outputs)(sequential(8)(inputs)))


def of_its_own(outputs=3):
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.top = keras.layers.Dense(outputs)

        def call(self, x, training=False):
            return self.top(x)

        def predict(self, x, **kwargs):
            return super().predict(x, **kwargs)

    keras.utils.set_random_seed(0)
    net = Net()
    net(X)
    return net


@pytest.fixture
def watched(sdk):
    watched = Watched(sdk, KerasInstrumentor)
    yield watched
    watched.stop()


CALLS = {
    "predict": lambda model: model.predict(X, verbose=0),
    "predict_on_batch": lambda model: model.predict_on_batch(X),
    "__call__": lambda model: model(X).numpy(),
}


def test_two_models_never_share_a_sketch_and_one_trained_again_is_the_same(watched) -> None:
    watched()
    for outputs in (1, 2, 1):
        sequential(outputs).predict_on_batch(X)
    spans = [span.attributes for span in watched.spans()]
    assert {span["ml.model.name"] for span in spans} == {"Sequential"}
    first, second, third = (span["ml.model.version"] for span in spans)
    assert first == third != second


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize(
    ("make", "name"), [(sequential, "Sequential"), (functional, "Functional"), (of_its_own, "Net")], ids=["a", "b", "c"]
)
def test_a_call_gives_one_span_its_rows_and_the_same_answer_bit_for_bit(make, name, operation, watched) -> None:
    model = make()
    plain = CALLS[operation](model)
    watched()
    for _ in range(2):
        assert CALLS[operation](model).tobytes() == plain.tobytes()
    spans = watched.spans()
    assert [span.name for span in spans] == [f"{operation} {name}"] * 2
    assert {span.attributes["ml.batch.size"] for span in spans} == {5}
    assert {span.attributes["ml.model.framework"] for span in spans} == {"keras"}
    assert watched.counts() == dict.fromkeys((*FEATURES, *SCORES), 10)


def test_tensors_of_tensorflow_are_read_as_arrays_are(watched) -> None:
    model = sequential(1)
    watched()
    model(tf.constant(X))
    model.predict(tf.constant(X), verbose=0)
    model(tf.constant(X, tf.bfloat16))
    assert [span.attributes["ml.batch.size"] for span in watched.spans()] == [5, 5, 5]
    counts = watched.counts()
    assert counts.pop("prediction") == 15
    assert counts == dict.fromkeys(FEATURES, 10)


def test_building_tracing_and_exporting_are_no_calls(watched, tmp_path) -> None:
    watched()
    model = functional()

    @tf.function
    def serve(x):
        return model(x)

    serve(tf.constant(X))
    model.export(str(tmp_path / "exported"), verbose=False)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    keras.layers.Dense(2)(X)
    assert watched.spans() == []
    loaded(X)
    assert len(watched.spans()) == 1


def test_training_has_one_span_with_the_final_loss(watched) -> None:
    model = sequential(1)
    model.compile("sgd", "mse")
    watched()
    history = model.fit(X, Y, epochs=2, batch_size=2, validation_split=0.4, verbose=0)
    (span,) = watched.spans()
    assert span.name == "fit Sequential"
    assert span.attributes["ml.training.loss"] == history.history["loss"][-1]
    assert span.attributes["ml.training.rows"] == 5
    assert span.attributes["ml.training.columns"] == 4
    assert {name.rpartition(".")[2]: value for name, value in span.attributes.items() if ".hyperparameter" in name} == {
        "epochs": 2,
        "batch_size": 2,
        "optimizer": "SGD",
        "loss": "mse",
    }
    assert watched.counts() == {}


def test_a_training_that_fails_keeps_its_exception(watched) -> None:
    model = sequential(1)
    watched()
    with pytest.raises(ValueError, match="compile"):
        model.fit(X, Y, verbose=0)
    (span,) = watched.spans()
    assert span.attributes["error.type"] == "ValueError"


def test_loops_of_the_programs_own_and_evaluations_are_no_serving(watched) -> None:
    model = sequential(1)
    model.compile("sgd", "mse")
    watched()
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(model(X, training=True))
    assert tape.gradient(loss, model.trainable_variables)[0] is not None
    model.train_on_batch(X, Y)
    model.test_on_batch(X, Y)
    model.evaluate(X, Y, verbose=0)
    assert watched.spans() == []
    assert watched.counts() == {}


def test_lazily_read_rows_are_read_as_often_as_before(watched) -> None:
    model = sequential(1)
    read = []

    def rows():
        for row in X:
            read.append(row)
            yield (row[None],)

    dataset = tf.data.Dataset.from_generator(rows, output_signature=(tf.TensorSpec((1, 4), tf.float32),))
    watched()
    assert model.predict(dataset, verbose=0).shape == (5, 1)
    assert len(read) == 5
    assert model.predict(rows(), steps=5, verbose=0).shape == (5, 1)
    assert 10 <= len(read) <= 11, "Keras itself may look at the first one"

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 5

        def __getitem__(self, at):
            read.append(at)
            return X[at : at + 1]

    read.clear()
    model.predict(Batches(), verbose=0)
    watched_reads = len(read)
    watched.stop()
    read.clear()
    model.predict(Batches(), verbose=0)
    assert watched_reads == len(read)
    spans = watched.spans()
    assert len(spans) == 3
    assert not any("ml.batch.size" in span.attributes for span in spans)


def test_of_lazily_read_rows_the_answers_are_recorded(watched) -> None:
    model = sequential(1)
    watched()
    model.predict(tf.data.Dataset.from_tensor_slices(X).batch(2), verbose=0)
    assert watched.counts() == {"prediction": 5}
    assert [point.value for point in watched.points("ml.prediction.rows")] == [5]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda model: model.predict(X[:, :2], verbose=0), "ValueError"),
        (lambda model: model(X[:, :2]), "ValueError"),
        (lambda model: model.predict_on_batch(X[:, :2]), "ValueError"),
        (lambda model: model.predict(), "TypeError"),
        (lambda model: model("rows"), "ValueError"),
    ],
)
def test_an_exception_is_the_models_own_and_is_on_the_span(call, error, watched) -> None:
    model = sequential()
    with pytest.raises(Exception) as plain:  # noqa: PT011  # which one it is, is compared below
        call(model)
    watched()
    with pytest.raises(Exception) as seen:  # noqa: PT011
        call(model)
    assert (type(seen.value), str(seen.value)) == (type(plain.value), str(plain.value))
    (span,) = watched.spans()
    assert span.attributes["error.type"] == error == type(plain.value).__name__
    assert watched.counts() == {}


def test_several_inputs_and_outputs(watched) -> None:
    a, b = keras.Input((1,), name="a"), keras.Input((1,), name="b")
    joined = keras.layers.Concatenate()([a, b])
    model = keras.Model(
        {"a": a, "b": b}, {"sum": keras.layers.Dense(1)(joined), "difference": keras.layers.Dense(1)(joined)}
    )
    listed = keras.Model([a, b], [keras.layers.Dense(1)(joined), keras.layers.Dense(1)(joined)])
    watched()
    model.predict({"a": X[:, 0], "b": X[:, 1]}, verbose=0)
    assert watched.counts() == dict.fromkeys(("a", "b", "prediction.sum", "prediction.difference"), 5)
    listed.predict([X[:, :1], X[:, 1:2]], verbose=0)
    assert watched.counts() == dict.fromkeys(("prediction.0", "prediction.1"), 5)
    assert [span.attributes["ml.batch.size"] for span in watched.spans()] == [5, 5]


def test_images_ids_and_texts_have_their_number_of_rows_alone(watched) -> None:
    images = keras.Sequential([keras.layers.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(1)])
    ids = keras.Sequential([keras.layers.Embedding(9, 2), keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(1)])
    vectorize = keras.layers.TextVectorization(output_sequence_length=3, vocabulary=["good", "bad"])
    texts = keras.Sequential([keras.Input((1,), dtype="string"), vectorize, ids])
    watched()
    images.predict(np.zeros((5, 4, 4, 1)), verbose=0)
    for _ in range(2):
        ids.predict(np.ones((5, 7), dtype=np.int64), verbose=0)
    texts(tf.constant([["secret good"]] * 5))
    spans = watched.spans()
    assert [span.attributes["ml.batch.size"] for span in spans] == [5] * 4
    assert not any("secret" in span.to_json() for span in spans)
    assert watched.counts() == {"prediction": 20}


def test_names_that_were_given_are_the_models(watched) -> None:
    named = sequential(1, name="delay")
    named(X)
    watched()
    named(X)
    sequential(1)(X)
    sequential(1)(X)
    functional(1)(X)
    declared = sequential(1)
    registry = active()
    assert registry is not None
    assert watches(declared)
    assert not watches(keras.layers.Dense(1))
    registry.declare(declared, Model("price", "2"))
    declared.predict(X, verbose=0)
    names = [span.attributes["ml.model.name"] for span in watched.spans()]
    assert names == ["delay", "Sequential", "Sequential", "Functional", "price"]


def test_signatures_and_copies_are_as_before_and_every_attribute_is_put_back(watched) -> None:
    model = sequential()
    plain = model.predict(X, verbose=0)
    before = {cls: dict(vars(cls)) for cls in keras.Sequential.__mro__[:-1]}
    names = ("predict", "predict_on_batch", "__call__", "fit", "evaluate")

    def seen():
        methods = [getattr(keras.Model, name) for name in names]
        return [(inspect.signature(method), method.__doc__, method.__qualname__) for method in methods]

    signatures = seen()
    config = model.get_config()
    watched()
    assert seen() == signatures
    assert model.get_config() == config
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), keras.models.clone_model(model)):
        other.set_weights(model.get_weights())
        assert other.predict(X, verbose=0).tobytes() == plain.tobytes()
    assert len(watched.spans()) == 3
    watched.stop()
    for cls, attributes in before.items():
        assert vars(cls).keys() == attributes.keys()
        changed = [name for name in attributes if vars(cls)[name] is not attributes[name]]
        assert [name for name in changed if name in names] == []


def test_threads_and_tasks_keep_their_own_calls(watched) -> None:
    model = sequential()
    watched()
    threads = [threading.Thread(target=lambda n=n: model(X[:n])) for n in (1, 2, 3) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    async def task(size: int) -> None:
        await asyncio.sleep(0)
        model(X[:size])

    async def tasks() -> None:
        await asyncio.gather(*(task(size) for size in range(1, 4)), asyncio.to_thread(model, X))

    asyncio.run(tasks())
    sizes = sorted(span.attributes["ml.batch.size"] for span in watched.spans())
    assert sizes == [1, 1, 1, 2, 2, 2, 3, 3, 3, 5]


def test_models_are_let_go(watched) -> None:
    watched()
    references = []
    for _ in range(5):
        model = sequential()
        model(X)
        references.append(weakref.ref(model))
    del model
    keras.backend.clear_session()
    gc.collect()
    assert [reference() for reference in references if reference() is not None] == []


def test_importing_the_instrumentation_does_not_import_the_framework() -> None:
    import subprocess
    import sys

    code = (
        "import driftmeter.instrumentation.keras as watched, sys;"
        "watched.KerasInstrumentor().instrument(skip_dep_check=True);"
        "assert not {'keras', 'tensorflow', 'jax', 'torch'} & sys.modules.keys();"
        "import keras;"
        "assert '__call__' in vars(keras.Model), 'not watched once it is imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100)
