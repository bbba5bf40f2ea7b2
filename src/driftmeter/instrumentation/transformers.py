"""Hugging Face transformers: pipelines, what a model generates, and its trainer.

A pipeline's call is one call: its network's, which is a module of PyTorch, is inside of it. Where the pipeline is given
a generator or a dataset it answers with a stream, and nothing has run yet when it returns::

    pipe(texts for texts in ...) -> stream     texts are measured as they are pulled
    next(stream)                               each batch that the network is given: a span, a duration, its rows
                                               each answer that comes out: a row of predictions

``generate`` calls the network once a token, and is one call too. ``Trainer.train`` is a training with a span of its
own, ``Trainer.evaluate`` an evaluation: what the network predicts inside of these is no serving.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from types import GeneratorType
from typing import Any, Final

from driftmeter.instrumentation import _pools
from driftmeter.instrumentation._attributes import Replaced
from driftmeter.instrumentation._call import call
from driftmeter.instrumentation._declared import declare, is_declared
from driftmeter.instrumentation._on_import import ImportInstrumentor
from driftmeter.instrumentation._outermost import evaluating, inside, is_nested
from driftmeter.instrumentation._pipelines import (
    PipelineCall,
    StreamedBatch,
    answers,
    identity_of,
    lengths,
    reads_texts,
)
from driftmeter.instrumentation._served import served_model
from driftmeter.instrumentation._torch_call import TorchCall
from driftmeter.instrumentation._training import Training, train
from driftmeter.recorder import ModelRecorder, Registry, active, guard
from driftmeter.schema import Role
from driftmeter.tables import Table, tabulate

OPERATION: Final = "__call__"


class _Generation(TorchCall):
    """A call of ``generate``: token ids in and out, of which the number of rows is recorded."""

    name = "transformers"

    def outputs(self, model: Any, operation: str, result: Any) -> list[tuple[Role, Table]]:  # noqa: ARG002
        return []


def watches(model: object) -> bool:
    """Whether an object is a pipeline; `driftmeter.monitor` asks, so it is a declared one from now on."""
    if not any(
        cls.__name__ == "Pipeline" and cls.__module__.startswith("transformers.") for cls in type(model).__mro__
    ):
        return False
    declare(model)
    return True


def _model_of(pipeline: Any) -> Any:
    """Return the object that is known as the model: the pipeline, or its network where only that one has a name."""
    network = pipeline.model
    return network if is_declared(network) and not is_declared(pipeline) else pipeline


def _watched_call(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        if is_nested() or active() is None:
            return original(self, *args, **kwargs)
        inputs = args[0] if args else kwargs.get("inputs")
        if isinstance(inputs, GeneratorType) or _is_dataset(inputs):
            return _stream(original, self, args, kwargs)
        return _call(original, self, args, kwargs, PipelineCall(self))

    return watched


def _watched_forward(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        if is_nested():
            return original(self, *args, **kwargs)
        return _call(original, self, args, kwargs, StreamedBatch(self))

    return watched


def _watched_generate(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        if is_nested():
            return original(self, *args, **kwargs)
        if getattr(self, "training", False) and not is_declared(self):
            return inside(original, self, *args, **kwargs)
        return call(original, self, args, kwargs, framework=_Generation(self, None), operation="generate")

    return watched


def _watched_train(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        if is_nested():
            return original(self, *args, **kwargs)
        return train(
            functools.partial(original, self, *args, **kwargs),
            functools.partial(_training, self),
            loss=lambda output: getattr(output, "training_loss", None),
        )

    return watched


def _training(trainer: Any, registry: Registry) -> Training:
    network, told, dataset = trainer.model, trainer.args, trainer.train_dataset
    names = ("learning_rate", "num_train_epochs", "max_steps", "per_device_train_batch_size", "weight_decay")
    return Training(
        PipelineCall.name,
        registry.model_of(network, identity_of(network)),
        operation="train",
        rows=len(dataset) if hasattr(dataset, "__len__") else None,
        hyperparameters={name: getattr(told, name) for name in names if hasattr(told, name)},
    )


def _call(
    original: Callable[..., Any], pipeline: Any, args: tuple[Any, ...], kwargs: dict[str, Any], told: PipelineCall
) -> Any:
    def run(_model: Any, *args: Any, **kwargs: Any) -> Any:
        return original(pipeline, *args, **kwargs)

    return call(run, _model_of(pipeline), args, kwargs, framework=told, operation=OPERATION)


def _is_dataset(inputs: Any) -> bool:
    return any(cls.__name__ == "Dataset" and cls.__module__.startswith("torch.") for cls in type(inputs).__mro__)


def _stream(original: Callable[..., Any], pipeline: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if args and isinstance(args[0], GeneratorType) and reads_texts(pipeline):
        args = (_measured(args[0], pipeline), *args[1:])
    elif isinstance(kwargs.get("inputs"), GeneratorType) and reads_texts(pipeline):
        kwargs = {**kwargs, "inputs": _measured(kwargs["inputs"], pipeline)}
    stream = original(pipeline, *args, **kwargs)
    with guard:
        if callable(getattr(stream, "infer", None)):
            # What makes an answer of each of the network's outputs. The stream itself stays what it is.
            stream.infer = _Answering(stream.infer, pipeline)
    return stream


def _measured(texts: Iterator[Any], pipeline: Any) -> Iterator[Any]:
    """Pass texts on as they are asked for, and record their lengths."""
    for text in texts:
        with guard:
            columns = lengths([text])
            if isinstance(columns, dict):
                _record(pipeline, [("feature", tabulate(columns))])
        yield text


class _Answering:
    """The last step of a stream, which records what it answers."""

    def __init__(self, step: Callable[..., Any], pipeline: Any) -> None:
        self._step = step
        self._pipeline = pipeline

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        answer = self._step(*args, **kwargs)
        with guard:
            _record(self._pipeline, answers(self._pipeline, [answer]))
        return answer


def _record(pipeline: Any, tables: list[tuple[Role, Table]]) -> None:
    registry = active()
    if registry is None or not tables:
        return
    role, table = tables[0]
    bound = registry.bind(
        _model_of(pipeline),
        identity=identity_of(pipeline.model),
        names=table.names if role == "feature" else (),
        named=True,
        served=served_model(),
    )
    recorder: ModelRecorder | None = bound.recorder
    if recorder is not None:
        registry.record(recorder, tables)


_WATCHED: Final = (
    ("transformers.pipelines.base", "Pipeline", "__call__", _watched_call),
    ("transformers.pipelines.base", "Pipeline", "forward", _watched_forward),
    ("transformers.generation.utils", "GenerationMixin", "generate", _watched_generate),
    ("transformers.trainer", "Trainer", "train", _watched_train),
    ("transformers.trainer", "Trainer", "evaluate", evaluating),
)


class TransformersInstrumentor(ImportInstrumentor):
    """Watches pipelines, ``generate`` and the trainer."""

    def hooks(self) -> Mapping[str, Callable[[Any], None]]:
        """Wait for the modules of the classes that are watched: each is imported when it is needed."""
        self._replaced = Replaced()
        _pools.follow()
        return {module: self._patch for module, *_ in _WATCHED}

    def _patch(self, module: Any) -> None:
        for name, owner, attribute, watched in _WATCHED:
            cls = getattr(module, owner, None) if module.__name__ == name else None
            original = vars(cls).get(attribute) if cls is not None else None
            if cls is not None and original is not None:
                self._replaced.put(cls, attribute, watched(original))

    def restore(self) -> None:
        """Put the methods back."""
        self._replaced.restore()
        _pools.unfollow()
