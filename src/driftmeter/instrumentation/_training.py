"""One training, of whatever framework: a span, its duration, what was trained on what.

A framework's module calls `train` where it intercepts a training::

    train(lambda: original(params, data), lambda registry: Training("xgboost", Model(name), rows=data.num_row()))

Estimators need nothing of that: `driftmeter.instrumentation._methods.Patches` watches their ``fit``. While a model is
trained, all that it predicts is nested and counts as nothing; also where ``training`` is false, and no span is made.
"""

from __future__ import annotations

import math
import operator
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from opentelemetry import context, trace
from opentelemetry.trace import StatusCode

from driftmeter import semconv
from driftmeter.instrumentation import _outermost
from driftmeter.instrumentation._call import Framework
from driftmeter.instrumentation._instruments import Instruments, instruments
from driftmeter.otlp import model_attributes
from driftmeter.recorder import Registry, active, guard
from driftmeter.schema import Model, clean_name

T = TypeVar("T")

MAX_HYPERPARAMETERS: Final = 64
_SCALARS: Final = (str, bool, int, float)


@dataclass(frozen=True, slots=True)
class Training:
    """What is known of a training before it runs."""

    framework: str
    model: Model
    operation: str = "fit"
    rows: int | None = None
    columns: int | None = None
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    """Those that are no single values are left out, and so are those beyond `MAX_HYPERPARAMETERS`."""


def train(
    run: Callable[[], T], describe: Callable[[Registry], Training], *, loss: Callable[[T], float | None] | None = None
) -> T:
    """Train, watched when it is the outermost; the result and the exceptions are untouched.

    Args:
        run: Trains, and returns what the framework's function returns.
        describe: Tells what is trained; it is called when the training is the outermost and ``training`` is on, and
            what it raises costs the span alone.
        loss: Reads the final loss from the result, None where there is none.
    """
    registry = active()
    if registry is None or _outermost.is_nested():
        return run()
    token = _outermost.enter()
    try:
        started: _Started | None = None
        if registry.config.training:
            with guard:
                started = _Started(describe(registry))
        return run() if started is None else started.finish(run, loss)
    finally:
        _outermost.leave(token)


class _Started:
    """A training's span while it runs."""

    def __init__(self, training: Training) -> None:
        self._instruments: Instruments = instruments()
        self._attributes = {
            **model_attributes(training.model),
            semconv.ML_MODEL_FRAMEWORK: training.framework,
            semconv.ML_OPERATION_NAME: training.operation,
        }
        about = {semconv.ML_TRAINING_ROWS: training.rows, semconv.ML_TRAINING_COLUMNS: training.columns}
        self._span = self._instruments.tracer.start_span(
            f"{training.operation} {training.model.name}",
            attributes={
                **self._attributes,
                **{name: value for name, value in about.items() if value is not None},
                **_bounded(training.hyperparameters),
            },
        )

    def finish(self, run: Callable[[], T], loss: Callable[[T], float | None] | None) -> T:
        attached = context.attach(trace.set_span_in_context(self._span))
        begin = time.perf_counter()
        try:
            result = run()
        except BaseException as error:
            with guard:
                self._failed(error, time.perf_counter() - begin)
            raise
        else:
            duration = time.perf_counter() - begin
            with guard:
                self._succeeded(result, loss, duration)
            return result
        finally:
            context.detach(attached)

    def _failed(self, error: BaseException, duration: float) -> None:
        kind = type(error).__qualname__
        self._instruments.training_duration.record(duration, {**self._attributes, semconv.ERROR_TYPE: kind})
        self._span.set_attribute(semconv.ERROR_TYPE, kind)
        # The type alone, as of calls: the text may quote values of the data.
        self._span.set_status(StatusCode.ERROR, kind)
        self._span.end()

    def _succeeded(self, result: T, loss: Callable[[T], float | None] | None, duration: float) -> None:
        with guard:
            final = loss(result) if loss is not None else None
            if final is not None and math.isfinite(final):
                self._span.set_attribute(semconv.ML_TRAINING_LOSS, float(final))
        self._span.end()
        self._instruments.training_duration.record(duration, self._attributes)


def fit(
    original: Callable[..., Any],
    model: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    framework: Framework,
    operation: str,
) -> Any:
    """Call an estimator's own method that trains it; arguments as of `driftmeter.instrumentation._call.call`."""

    def describe(registry: Registry) -> Training:
        rows, columns = shape_of(framework.features(args, kwargs))
        return Training(
            framework.name,
            registry.model_of(model, framework.identity(model)),
            operation,
            rows,
            columns,
            hyperparameters_of(model),
        )

    return train(partial(original, model, *args, **kwargs), describe)


def shape_of(data: Any) -> tuple[int | None, int | None]:
    """Return the numbers of rows and columns of training data, as far as they are known without computing anything."""
    shape = getattr(data, "shape", None)
    if isinstance(shape, tuple) and shape:
        return _whole(shape[0]), _whole(math.prod(shape[1:])) if len(shape) > 1 else 1
    if isinstance(data, list | tuple):
        first = data[0] if data else None
        return len(data), len(first) if isinstance(first, list | tuple) else None
    return None, None


def _whole(size: Any) -> int | None:
    try:
        return operator.index(size)
    except TypeError:  # a lazy frame's size is not known yet
        return None


def hyperparameters_of(model: Any) -> Mapping[str, Any]:
    """Return what an estimator that follows scikit-learn's conventions was made with."""
    get_params = getattr(model, "get_params", None)
    return get_params(deep=False) if callable(get_params) else {}


def _bounded(hyperparameters: Mapping[str, Any]) -> dict[str, str | bool | int | float]:
    found: dict[str, str | bool | int | float] = {}
    for name, given in hyperparameters.items():
        value = given.item() if hasattr(given, "item") and getattr(given, "ndim", None) == 0 else given
        if isinstance(value, _SCALARS):
            found[f"{semconv.ML_HYPERPARAMETER}.{clean_name(str(name))}"] = (
                clean_name(value) if isinstance(value, str) else value
            )
            if len(found) == MAX_HYPERPARAMETERS:
                break
    return found
