"""Hugging Face pipelines and generation, on tiny networks with random weights."""

from __future__ import annotations

import copy
import inspect
import pickle
import threading
import types
import warnings
import weakref

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from watched_frameworks import Watched  # noqa: E402  # after the check that the frameworks are there

from driftmeter.instrumentation.torch import TorchInstrumentor  # noqa: E402
from driftmeter.instrumentation.torch import watches as watches_module  # noqa: E402
from driftmeter.instrumentation.transformers import TransformersInstrumentor, watches  # noqa: E402
from driftmeter.recorder import active  # noqa: E402
from driftmeter.schema import Model  # noqa: E402

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz", "good", "bad", "secret"]
TEXTS = ["good", "bad bad bad", "a good day"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    return transformers.BertTokenizer(str(folder / "vocab.txt"))


def network(kind="BertForSequenceClassification", **settings):
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        id2label={0: "calm", 1: "angry", 2: "glad"},
        **settings,
    )
    return getattr(transformers, kind)(config).eval()


@pytest.fixture
def pipe(tokenizer):
    return transformers.pipeline("text-classification", model=network(), tokenizer=tokenizer, device="cpu")


@pytest.fixture
def watched(sdk):
    watched = Watched(sdk, TorchInstrumentor, TransformersInstrumentor)
    yield watched
    watched.stop()


CALLS = {
    "a text": (lambda pipe: pipe("good"), 1, {"text.length": 1, "prediction": 1, "score": 1}),
    "texts": (lambda pipe: pipe(TEXTS), 3, {"text.length": 3, "prediction": 3, "score": 3}),
    "in batches": (lambda pipe: pipe(TEXTS, batch_size=2), 3, {"text.length": 3, "prediction": 3, "score": 3}),
    "as a keyword": (lambda pipe: pipe(inputs=TEXTS), 3, {"text.length": 3, "prediction": 3, "score": 3}),
    "all scores": (
        lambda pipe: pipe(TEXTS, top_k=None),
        3,
        {"text.length": 3, "prediction": 3, "score.calm": 3, "score.angry": 3, "score.glad": 3},
    ),
    "all scores of one": (
        lambda pipe: pipe("good", top_k=None),
        1,
        {"text.length": 1, "prediction": 1, "score.calm": 1, "score.angry": 1, "score.glad": 1},
    ),
    "the best two": (lambda pipe: pipe(TEXTS, top_k=2), 3, {"text.length": 3, "prediction": 3}),
    "a pair": (
        lambda pipe: pipe({"text": "good", "text_pair": "bad"}),
        1,
        {"text.length": 1, "text_pair.length": 1, "prediction": 1, "score": 1},
    ),
    "like scikit-learn": (lambda pipe: pipe.predict(TEXTS), 3, {"text.length": 3, "prediction": 3, "score": 3}),
}


@pytest.mark.parametrize("case", CALLS)
def test_a_call_gives_one_span_its_columns_and_the_same_answer(case, pipe, watched) -> None:
    call, size, columns = CALLS[case]
    plain = call(pipe)
    watched()
    assert call(pipe) == plain
    (span,) = watched.spans()
    assert span.name == "__call__ BertForSequenceClassification"
    assert span.attributes["ml.model.framework"] == "transformers"
    assert span.attributes["ml.batch.size"] == size
    assert watched.counts() == columns


def test_labels_are_categories_and_texts_are_nowhere(pipe, watched) -> None:
    watched()
    pipe(["secret", "secret bad"])
    (span,) = watched.spans()
    assert "secret" not in span.to_json()
    categories = {point.attributes["ml.category"] for point in watched.points("ml.column.categories")}
    assert categories <= {"calm", "angry", "glad"}
    lengths = {p.attributes["ml.column.name"]: (p.min, p.max) for p in watched.points("ml.column.value")}
    assert lengths["text.length"] == (6, 10)


def test_a_generator_stays_lazy_and_each_batch_is_a_call(pipe, watched) -> None:
    pulled = []

    def texts():
        for text in TEXTS * 2:
            pulled.append(text)
            yield text

    plain = list(pipe(texts(), batch_size=2))
    pulled.clear()
    watched()
    stream = pipe(texts(), batch_size=2)
    assert type(stream).__name__ == "PipelineIterator"
    assert len(pulled) <= 1, "transformers looks at the first one, nobody at more"
    assert watched.spans() == []
    iterator = iter(stream)
    answers = [next(iterator)]
    assert len(pulled) < 6
    assert [span.attributes["ml.batch.size"] for span in watched.spans()] == [2]
    answers += iterator
    assert answers == plain
    assert pulled == TEXTS * 2
    assert [span.attributes["ml.batch.size"] for span in watched.spans()] == [2, 2]
    assert watched.counts() == {"text.length": 6, "prediction": 6, "score": 6}


def test_a_stream_that_nobody_reads_is_no_call(pipe, watched) -> None:
    watched()
    closed = []

    def texts():
        try:
            yield from TEXTS
        finally:
            closed.append(True)

    stream = pipe(texts())
    del stream
    assert watched.spans() == []
    assert closed == [True]


def test_streams_of_a_generator_that_fails_fail_with_its_exception(pipe, watched) -> None:
    def texts():
        yield "good"
        raise LookupError("gone")

    watched()
    stream = iter(pipe(texts()))
    next(stream)
    with pytest.raises(LookupError, match="gone"):
        next(stream)
    assert len(watched.spans()) == 1


def test_datasets_are_read_as_often_as_before(pipe, watched) -> None:
    from transformers.pipelines.pt_utils import KeyDataset

    read = []

    class Rows(torch.utils.data.Dataset):
        def __len__(self):
            return 3

        def __getitem__(self, at):
            read.append(at)
            return {"text": TEXTS[at]}

    plain = list(pipe(KeyDataset(Rows(), "text")))
    unwatched, read = read, []
    watched()
    stream = pipe(KeyDataset(Rows(), "text"))
    assert len(stream) == 3
    assert list(stream) == plain
    assert read == unwatched
    assert [span.attributes["ml.batch.size"] for span in watched.spans()] == [1, 1, 1]
    assert watched.counts() == {"prediction": 3, "score": 3}


def test_the_network_called_by_itself_is_a_module_of_pytorch(pipe, tokenizer, watched) -> None:
    watched()
    rows = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        pipe.model(**rows)
    (span,) = watched.spans()
    assert span.name == "forward BertForSequenceClassification"
    assert span.attributes["ml.model.framework"] == "torch"
    assert span.attributes["ml.batch.size"] == 3
    assert watched.counts() == {"score.0": 3, "score.1": 3, "score.2": 3}


def test_training_is_no_serving(tokenizer, watched) -> None:
    net = network().train()
    watched()
    rows = tokenizer(TEXTS, padding=True, return_tensors="pt")
    net(**rows, labels=torch.tensor([0, 1, 2])).loss.backward()
    assert watched.spans() == []


def test_the_trainer_has_one_span_and_its_evaluations_none(tokenizer, watched, tmp_path) -> None:
    pytest.importorskip("accelerate")
    rows = [{**tokenizer(text), "labels": at} for at, text in enumerate(TEXTS)]

    def trained():
        settings = transformers.TrainingArguments(
            str(tmp_path), num_train_epochs=2, eval_strategy="epoch", save_strategy="no", report_to=[], use_cpu=True
        )
        trainer = transformers.Trainer(
            network(), settings, train_dataset=rows, eval_dataset=rows, processing_class=tokenizer
        )
        loss = trainer.train().training_loss
        return trainer, loss

    plain, loss = trained()
    watched()
    trainer, same_loss = trained()
    assert same_loss == loss
    assert all(map(torch.equal, plain.model.state_dict().values(), trainer.model.state_dict().values()))
    (span,) = watched.spans()
    assert span.name == "train BertForSequenceClassification"
    assert span.attributes["ml.model.framework"] == "transformers"
    assert span.attributes["ml.training.rows"] == 3
    assert span.attributes["ml.training.loss"] == loss
    assert span.attributes["ml.hyperparameter.num_train_epochs"] == 2
    trainer.evaluate()
    assert watched.spans() == []
    assert watched.counts() == {}


def test_generating_is_one_call_however_many_tokens(tokenizer, watched) -> None:
    net = network("BertLMHeadModel", is_decoder=True)
    ids = torch.tensor([[2, 5, 6], [2, 7, 8]])

    def generate():
        return net.generate(ids, max_new_tokens=4, do_sample=False, pad_token_id=0)

    plain = generate()
    watched()
    assert torch.equal(generate(), plain)
    (span,) = watched.spans()
    assert span.name == "generate BertLMHeadModel"
    assert span.attributes["ml.batch.size"] == 2
    assert watched.counts() == {}
    net.train()
    generate()
    assert watched.spans() == []


def test_pipelines_that_answer_with_texts_have_their_lengths(tokenizer, watched) -> None:
    pipe = transformers.pipeline(
        "text-generation", model=network("BertLMHeadModel", is_decoder=True), tokenizer=tokenizer, device="cpu"
    )
    watched()
    pipe("good", max_new_tokens=3, do_sample=False)
    pipe(["good", "bad"], max_new_tokens=3, do_sample=False)
    pipe([{"role": "user", "content": "good"}], max_new_tokens=1) if tokenizer.chat_template else None
    assert [span.attributes["ml.batch.size"] for span in watched.spans()] == [1, 2]
    assert watched.counts() == {"text.length": 3, "generated_text.length": 3}


def test_pipelines_of_other_tasks_have_their_rows_alone(tokenizer, watched) -> None:
    pipe = transformers.pipeline(
        "token-classification", model=network("BertForTokenClassification"), tokenizer=tokenizer, device="cpu"
    )
    plain = pipe(TEXTS)
    watched()
    assert str(pipe(TEXTS)) == str(plain)
    assert len(watched.spans()) == 1
    assert watched.counts() == {"text.length": 3}


def test_labels_chosen_at_the_call(tokenizer, watched) -> None:
    net = network()
    net.config.label2id = {"entailment": 0, "neutral": 1, "contradiction": 2}
    pipe = transformers.pipeline("zero-shot-classification", model=net, tokenizer=tokenizer, device="cpu")
    plain = pipe(TEXTS, candidate_labels=["a", "b"])
    watched()
    assert pipe(TEXTS, candidate_labels=["a", "b"]) == plain
    assert len(watched.spans()) == 1
    assert watched.counts() == {"text.length": 3, "prediction": 3}


@pytest.mark.parametrize(
    "call", [lambda pipe: pipe(None), lambda pipe: pipe(), lambda pipe: pipe([3]), lambda pipe: pipe([])]
)
def test_an_exception_is_the_pipelines_own_and_is_on_the_span(call, pipe, watched) -> None:
    with pytest.raises(Exception) as plain:  # noqa: PT011  # which one it is, is compared below
        call(pipe)
    watched()
    with pytest.raises(Exception) as seen:  # noqa: PT011
        call(pipe)
    assert (type(seen.value), str(seen.value)) == (type(plain.value), str(plain.value))
    spans = watched.spans()
    assert [span.attributes["error.type"] for span in spans] == [type(plain.value).__qualname__] * len(spans)
    assert watched.counts() == {}


def test_the_name_is_the_one_it_was_loaded_by_unless_that_is_a_path(tokenizer, watched, tmp_path) -> None:
    names = {"owner/model": "owner/model", "model": "model", str(tmp_path): "BertForSequenceClassification"}
    watched()
    for name in names:
        net = network()
        net.config.name_or_path = name
        transformers.pipeline("text-classification", model=net, tokenizer=tokenizer, device="cpu")("good")
    assert [span.attributes["ml.model.name"] for span in watched.spans()] == list(names.values())


def test_networks_of_one_class_with_other_labels_are_two_models(tokenizer, watched) -> None:
    watched()
    for last in ("glad", "sad", "glad"):
        net = network()
        net.config.id2label = {0: "calm", 1: "angry", 2: last}
        transformers.pipeline("text-classification", model=net, tokenizer=tokenizer, device="cpu")("good")
    first, second, third = (span.attributes["ml.model.version"] for span in watched.spans())
    assert first == third != second


def test_names_that_the_program_gave_win(pipe, watched) -> None:
    watched()
    registry = active()
    assert registry is not None
    assert watches_module(pipe.model)
    assert not watches(pipe.model)
    registry.declare(pipe.model, Model("network"))
    pipe("good")
    assert watches(pipe)
    registry.declare(pipe, Model("pipe", "2"))
    pipe("good")
    assert [span.attributes["ml.model.name"] for span in watched.spans()] == ["network", "pipe"]


def test_signatures_are_kept_and_every_attribute_is_put_back(watched) -> None:
    from transformers.generation.utils import GenerationMixin
    from transformers.pipelines.base import Pipeline

    def seen():
        return [
            (inspect.signature(function), function.__doc__, function.__qualname__)
            for function in (Pipeline.__call__, Pipeline.forward, GenerationMixin.generate)
        ]

    before = {cls: dict(vars(cls)) for cls in (Pipeline, GenerationMixin)}
    signatures = seen()
    watched()
    assert seen() == signatures
    assert Pipeline.__call__ is not before[Pipeline]["__call__"]
    assert isinstance(Pipeline.__call__, types.FunctionType)
    watched.stop()
    for cls, attributes in before.items():
        assert [name for name in attributes if vars(cls)[name] is not attributes[name]] == []
        assert vars(cls).keys() == attributes.keys()


def test_pickles_and_copies_work_as_before(pipe, watched) -> None:
    plain = pipe(TEXTS)
    before = pickle.dumps(pipe.model)
    watched()
    pipe(TEXTS)
    assert pickle.dumps(pipe.model) == before
    assert copy.deepcopy(pipe)(TEXTS) == plain


def test_threads_keep_their_own_calls(pipe, watched) -> None:
    watched()
    threads = [threading.Thread(target=lambda n=n: pipe(TEXTS[:n])) for n in (1, 2, 3) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(span.attributes["ml.batch.size"] for span in watched.spans()) == [1, 1, 2, 2, 3, 3]


def test_pipelines_are_let_go(tokenizer, watched) -> None:
    import gc

    watched()
    references = []
    for _ in range(5):
        pipe = transformers.pipeline("text-classification", model=network(), tokenizer=tokenizer, device="cpu")
        pipe("good")
        list(pipe(text for text in TEXTS))
        references += [weakref.ref(pipe), weakref.ref(pipe.model)]
    del pipe
    gc.collect()
    assert [reference() for reference in references if reference() is not None] == []


def test_importing_the_instrumentation_does_not_import_the_framework() -> None:
    import subprocess
    import sys

    code = (
        "import driftmeter.instrumentation.transformers as watched, sys;"
        "watched.TransformersInstrumentor().instrument(skip_dep_check=True);"
        "assert not {'torch', 'transformers'} & sys.modules.keys();"
        "from transformers.pipelines.base import Pipeline;"
        "assert Pipeline.__call__.__wrapped__, 'not watched once it is imported'"
    )
    with warnings.catch_warnings():
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
