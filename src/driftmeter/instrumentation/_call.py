"""One watched call, from before the model runs until its rows are recorded.

features are copied -> span starts -> the model's own method -> span ends -> duration, rows, outputs

A framework's module needs a `Framework`, and either `Patches` of its classes' methods or `call` for each call that it
intercepts by itself. A call that ends elsewhere than it begins, in a callback or with the last piece of a stream, is
watched by `start_call` and then `finish_call` or `fail_call`. What trains is for
`driftmeter.instrumentation._training`.

Features are copied before the model runs, since some models change their input (``copy=False``), and recorded when it
has run, together with what it predicted, so that both belong to the same interval. Rows of a call that fails are
recorded too: what a model refuses is what people want to see. They cannot decide what a column is, though: of columns
that no successful call had, nothing is recorded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from opentelemetry import context, trace
from opentelemetry.trace import StatusCode

from driftmeter import semconv
from driftmeter.hardware import Usage
from driftmeter.instrumentation import _outermost
from driftmeter.instrumentation._captured import MAX_ROWS, captured
from driftmeter.instrumentation._gpu_of import say_gpu
from driftmeter.instrumentation._instruments import instruments
from driftmeter.instrumentation._known import Known
from driftmeter.instrumentation._served import served_model
from driftmeter.otlp import model_attributes
from driftmeter.recorder import Identity, Registry, active, guard
from driftmeter.schema import Role
from driftmeter.tables import Table, UnreadableError, tabulate


class Framework(Protocol):
    """What a framework's instrumentation tells of its models.

    All methods are called for each outermost call, so they must be cheap, and must not compute, copy or synchronise
    anything. What they raise is swallowed and counted.

    One whose models can run on a GPU also has a method ``device``, which takes the model and returns the number of the
    CUDA device that the call ran on, or None. It is asked when the model has run.
    """

    name: str
    """The value of ``ml.model.framework``."""

    def features(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the rows that the model was called with, as `driftmeter.tables.tabulate` takes them."""

    def feature_names(self, model: Any) -> Sequence[str]:
        """Return the names of the features that the model was trained on, if it knows them; else an empty sequence.

        A list, a tuple, or an array that is the same object each time costs least.
        """

    def identity(self, model: Any) -> Identity:
        """Return what a model says of itself; asked when it is first seen, and where it is not remembered."""

    def outputs(self, model: Any, operation: str, result: Any) -> list[tuple[Role, Table]]:
        """Return what the model predicted, as tables of rows."""


class StartedCall:
    """What is known of one call while the model runs."""

    __slots__ = (
        "context",
        "features",
        "framework",
        "known",
        "looked_at",
        "model",
        "registry",
        "rows",
        "seen",
        "span",
        "unreadable",
        "usage",
    )

    def __init__(self, registry: Registry, framework: Framework, model: Any, known: Known) -> None:
        self.registry = registry
        self.framework = framework
        self.model = model
        self.known = known
        self.looked_at = 0
        """The id of the object that holds the rows."""
        self.rows: int | None = None
        self.unreadable = ""
        self.features: Table | None = None
        """The rows as they came; None also when they have been recorded already."""
        self.seen: Table | None = None
        """Rows that have been recorded already, where the outputs' segments are to be told by them."""
        self.span: trace.Span = trace.INVALID_SPAN
        self.context: context.Context
        """The one in which the span is the current one; there is one as soon as the span has started."""
        self.usage: Usage | None = None

    def end_span(self) -> None:
        """End the span, on which it is said where the call ran and, where that is wanted, what the process used."""
        with guard:
            # By itself: a span that says less is ended all the same.
            say_gpu(self.span, self.framework, self.model)
            if self.usage is not None:
                self.span.set_attributes(self.usage.since())
        self.span.end()


def call(
    original: Callable[..., Any],
    model: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    framework: Framework,
    operation: str,
) -> Any:
    """Call the model's own method, watched when it is the outermost; its result and its exceptions are untouched.

    Args:
        original: The method, as a function that takes the model first.
        model: The model object. It is known by its identity, for as long as it lives.
        args: Positional arguments, without the model.
        kwargs: Keyword arguments.
        framework: What the model's framework tells.
        operation: The method's name, in all signals.
    """
    registry = active()
    if registry is None or _outermost.is_nested():
        return original(model, *args, **kwargs)
    token = _outermost.enter()
    try:
        started: StartedCall | None = None
        with guard:
            started = start_call(registry, framework, model, operation, framework.features(args, kwargs))
        return original(model, *args, **kwargs) if started is None else _run(started, original, args, kwargs)
    finally:
        _outermost.leave(token)


def _run(started: StartedCall, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    attached = context.attach(started.context)
    begin = time.perf_counter()
    try:
        result = original(started.model, *args, **kwargs)
    except BaseException as error:
        duration = time.perf_counter() - begin
        with guard:
            fail_call(started, error, duration)
        raise
    else:
        duration = time.perf_counter() - begin
        with guard:
            finish_call(started, result, duration)
        return result
    finally:
        context.detach(attached)


def start_call(registry: Registry, framework: Framework, model: Any, operation: str, source: Any) -> StartedCall:
    """Begin a call: copy its features and start its span; whoever calls the model makes that the current one.

    Args:
        registry: The registry in force.
        framework: What the model's framework tells.
        model: The model object.
        operation: The method's name.
        source: The rows, as the framework's ``features`` returns them.
    """
    if registry.before_record is not None:
        registry.ask_for_readers()
    told = framework.feature_names(model)
    bound = registry.bound(model)
    known: Known | None = bound.kept.get(operation) if bound is not None else None
    features: Table | None = None
    if known is not None and known.instruments is instruments():
        features = known.table(source, told, registry.baseline_features)
    unreadable = ""
    if known is None or features is None:
        features, unreadable = _tabulated(registry, source, told)
        known = _known(registry, framework, model, operation, told if features is None else features)
        if features is not None:
            features = known.named(features, registry)
            known.remember(features, source, told, registry.baseline_features)
    started = StartedCall(registry, framework, model, known)
    started.looked_at = id(source)
    attributes = known.attributes
    if features is None:
        started.unreadable = unreadable
    else:
        started.rows = features.rows
        attributes = {**attributes, semconv.ML_BATCH_SIZE: features.rows}
        with guard:
            # By itself: a call whose rows are trouble has its span all the same.
            recorder = known.bound.recorder
            if recorder is not None and known.looks.is_first(source, operation):
                started.features = features.copy()
            elif recorder is not None and recorder.segments is not None:
                started.seen = features.copy()
    started.span = known.instruments.tracer.start_span(known.span_name, attributes=attributes)
    started.context = trace.set_span_in_context(started.span)
    if registry.config.call_resources and started.span.is_recording():
        started.usage = Usage()
    return started


def _tabulated(registry: Registry, source: Any, told: Sequence[str]) -> tuple[Table | None, str]:
    """Return the rows, or why they cannot be read; the model itself will say what is wrong."""
    try:
        # One more than are watched: so the recorder sees, and says, that some are left out.
        return tabulate(source, names=told, max_columns=registry.config.max_columns + 1), ""
    except UnreadableError as error:
        return None, str(error)


def _known(
    registry: Registry, framework: Framework, model: Any, operation: str, columns: Table | Sequence[str]
) -> Known:
    """Find out which model this is, by the columns of its rows, or by the names that it was trained on."""
    names, named = (columns.names, columns.named) if isinstance(columns, Table) else (columns, True)
    bound = registry.bound(model)
    if bound is None:
        bound = registry.bind(
            model, identity=framework.identity(model), names=names, named=named, served=served_model()
        )
    known: Known | None = bound.kept.get(operation)
    if known is None or known.instruments is not instruments():
        captures = registry.config.capture == "predictions" and bound.recorder is not None
        known = Known(framework, operation, model, bound, instruments(), captures=captures)
        bound.kept[operation] = known
    return known


def fail_call(started: StartedCall, error: BaseException, duration: float) -> None:
    """End a call that failed, after so many seconds."""
    kind = type(error).__qualname__
    known = started.known
    known.instruments.duration.record(duration, {**known.attributes, semconv.ERROR_TYPE: kind})
    started.span.set_attribute(semconv.ERROR_TYPE, kind)
    # The type alone: frameworks quote the offending value in the text, and feature values never leave the process.
    started.span.set_status(StatusCode.ERROR, kind)
    started.end_span()
    recorder = known.bound.recorder
    if recorder is None or started.features is None:
        return
    if recorder.knows("feature", started.features):
        started.registry.record(recorder, [("feature", started.features)])
    else:
        known.looks.forget(started.looked_at)  # the next look at these rows is the first one


def finish_call(started: StartedCall, result: Any, duration: float) -> None:
    """End a call that succeeded, after so many seconds, and record its rows and what it predicted."""
    known = started.known
    outputs = _captured_outputs(started, result) if known.captures else None
    started.end_span()
    known.calls.add_call(duration, started.rows or 0, within=started.context)
    recorder = known.bound.recorder
    if recorder is None:
        return
    if started.unreadable:
        known.instruments.unreadable.add(1, model_attributes(recorder.model))
        started.registry.tell_unreadable(recorder.model, started.unreadable)
    tables: list[tuple[Role, Table]] = [] if started.features is None else [("feature", started.features)]
    with guard:
        # By itself: the features, which count as seen now, are recorded even where the result is a riddle.
        tables += started.framework.outputs(started.model, known.operation, result) if outputs is None else outputs
    started.registry.record(recorder, tables, features=started.seen)
    seeker = recorder.seeker
    if seeker is not None and not seeker.is_done:
        seeker.look(tables, started.span.get_span_context(), now=started.registry.clock())


def _captured_outputs(started: StartedCall, result: Any) -> list[tuple[Role, Table]] | None:
    """Return what a small batch's call predicted, which its span tells; None where it does not."""
    recorder = started.known.bound.recorder
    if recorder is None or (started.rows or 0) > MAX_ROWS or not started.span.is_recording():
        return None
    outputs: list[tuple[Role, Table]] = []
    with guard:
        outputs = started.framework.outputs(started.model, started.known.operation, result)
        started.span.set_attributes(captured(outputs, recorder.columns))
    return outputs
