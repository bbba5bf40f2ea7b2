"""One watched call, from before the model runs until its rows are recorded.

watched(...) -> span starts -> the model's own method -> duration, rows, span ends -> recorder
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, Protocol

from opentelemetry import context, trace
from opentelemetry.trace import SpanKind, StatusCode

from driftmeter import semconv
from driftmeter.instrumentation import _outermost
from driftmeter.instrumentation._instruments import Instruments, instruments
from driftmeter.otlp import model_attributes
from driftmeter.recorder import ModelRecorder, Registry, active, guard
from driftmeter.schema import Role
from driftmeter.tables import Table, UnreadableError, tabulate


class Framework(Protocol):
    """What a framework's instrumentation tells of its models."""

    name: str

    def features(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the rows that the model was called with."""

    def feature_names(self, model: Any) -> Sequence[str]:
        """Return the names of the features that the model was trained on, if it knows them."""

    def model_name(self, model: Any) -> str:
        """Return the name of a model that nobody named."""

    def outputs(self, model: Any, operation: str, result: Any) -> list[tuple[Role, Table]]:
        """Return what the model predicted, as tables of rows."""


@dataclass(slots=True)
class _Call:
    """What is known of a call while the model runs."""

    framework: Framework
    instruments: Instruments
    operation: str
    features: Table | None
    source: Any
    recorder: ModelRecorder | None
    attributes: dict[str, Any]
    span: trace.Span
    unreadable: str


def call(
    original: Callable[..., Any],
    model: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    framework: Framework,
    operation: str,
) -> Any:
    """Call the model's own method, watched when it is the outermost; its result and its exceptions are untouched."""
    registry = active()
    if registry is None or _outermost.is_nested():
        return original(model, *args, **kwargs)
    token = _outermost.enter()
    try:
        started: _Call | None = None
        with guard:
            source = framework.features(args, kwargs)
            started = _start(registry, model, source, framework=framework, operation=operation)
        return _run(started, original, model, args, kwargs)
    finally:
        _outermost.leave(token)


def _run(
    started: _Call | None, original: Callable[..., Any], model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    attached = context.attach(trace.set_span_in_context(started.span)) if started is not None else None
    begin = time.perf_counter()
    try:
        result = original(model, *args, **kwargs)
    except BaseException as error:
        duration = time.perf_counter() - begin
        with guard:
            _fail(started, error, duration)
        raise
    else:
        duration = time.perf_counter() - begin
        with guard:
            _finish(started, model, result, duration)
        return result
    finally:
        if attached is not None:
            context.detach(attached)


def _start(registry: Registry, model: Any, source: Any, *, framework: Framework, operation: str) -> _Call:
    told = instruments()
    names = framework.feature_names(model)
    features: Table | None = None
    unreadable = ""
    try:
        # One more than are watched: so the recorder sees, and says, that some are left out.
        features = tabulate(source, names=names, max_columns=registry.config.max_columns + 1)
    except UnreadableError as error:
        # The model itself will say what is wrong with it, if anything is.
        unreadable = str(error)
    recorder = registry.recorder_for(
        model,
        default_name=framework.model_name(model),
        names=features.names if features is not None else names,
        named=features is None or features.named,
    )
    if features is not None and not features.named and recorder is not None:
        features = registry.with_baseline_names(features, recorder.model)
    identity = model_attributes(recorder.model) if recorder is not None else {}
    attributes = {**identity, semconv.ML_MODEL_FRAMEWORK: framework.name, semconv.ML_OPERATION_NAME: operation}
    span = told.tracer.start_span(
        f"{operation} {recorder.model.name if recorder is not None else framework.model_name(model)}",
        kind=SpanKind.INTERNAL,
        attributes=attributes if features is None else {**attributes, semconv.ML_BATCH_SIZE: len(features)},
    )
    return _Call(framework, told, operation, features, source, recorder, attributes, span, unreadable)


def _fail(started: _Call | None, error: BaseException, duration: float) -> None:
    if started is None:
        return
    kind = type(error).__qualname__
    started.instruments.duration.record(duration, {**started.attributes, semconv.ERROR_TYPE: kind})
    started.span.set_attribute(semconv.ERROR_TYPE, kind)
    # The type alone: frameworks quote the offending value in the text, and feature values never leave the process.
    started.span.set_status(StatusCode.ERROR, kind)
    started.span.end()


def _finish(started: _Call | None, model: Any, result: Any, duration: float) -> None:
    if started is None:
        return
    started.span.end()
    started.instruments.duration.record(duration, started.attributes)
    if started.features is not None:
        started.instruments.rows.add(len(started.features), started.attributes)
    registry = active()
    if started.recorder is None or registry is None:
        return
    if started.features is None:
        registry.tell_unreadable(started.recorder.model, started.unreadable)
    tables: list[tuple[Role, Table]] = []
    if started.features is not None and _is_first_look(started, model):
        tables.append(("feature", started.features))
    with guard:
        # By itself: the features, which count as seen now, are recorded even where the result is a riddle.
        tables += started.framework.outputs(model, started.operation, result)
    registry.record(started.recorder, tables)


_last_looked: Final[ContextVar[tuple[Any, Any, frozenset[str]] | None]] = ContextVar(
    "driftmeter_last_features", default=None
)


def _is_first_look(started: _Call, model: Any) -> bool:
    """Whether these rows are new: ``predict_proba(X)`` and then ``predict(X)`` on the same X are the same rows twice.

    Only another operation of the same model on the very same object counts as a second look.
    """
    known = _last_looked.get()
    if known is not None:
        rows, of_model, operations = known
        if rows() is started.source and of_model() is model and started.operation not in operations:
            _last_looked.set((rows, of_model, operations | {started.operation}))
            return False
    try:
        _last_looked.set((weakref.ref(started.source), weakref.ref(model), frozenset({started.operation})))
    except TypeError:  # lists and the like cannot be told from another list in the same place
        _last_looked.set(None)
    return True
