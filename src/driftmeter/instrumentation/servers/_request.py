"""A request's span inside a model server: which model was asked for, by which route.

The server knows the name under which a model is served, and the model does not. So the span of the server's own call
carries it, above the span of the model's call::

    POST /v1/models/{model_name}:predict        the web framework's instrumentation
      predict delay                             this one: kserve, delay
        predict LogisticRegression              the model's own
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry import context, trace
from opentelemetry.trace import SpanKind, StatusCode

from driftmeter import semconv
from driftmeter.instrumentation._instruments import instruments
from driftmeter.recorder import active, guard

HTTP_ROUTE: Final = "http.route"


@dataclass(frozen=True, slots=True)
class Served:
    """What a server calls a model; of a version or a route that it does not know an empty string."""

    server: str
    model: str
    operation: str = "predict"
    version: str = ""
    route: str = ""

    def attributes(self) -> dict[str, str]:
        """Return the attributes of the request's span; what is not known is not there."""
        told = {
            semconv.ML_SERVER_NAME: self.server,
            semconv.ML_MODEL_NAME: self.model,
            semconv.ML_MODEL_VERSION: self.version,
            semconv.ML_OPERATION_NAME: self.operation,
            HTTP_ROUTE: self.route,
        }
        return {name: value for name, value in told.items() if value}


_requested: Final[ContextVar[Served | None]] = ContextVar("driftmeter_served", default=None)


def requested() -> Served | None:
    """Return which model the request is for that this thread or task answers, where a server told."""
    return _requested.get()


@contextmanager
def served(model: Served, *, parent: Any = None, kind: SpanKind = SpanKind.INTERNAL) -> Iterator[None]:
    """Answer a request inside of a span of its own; what is raised inside passes through.

    Args:
        model: Which model was asked for.
        parent: The context of the span's parent; by default the current one.
        kind: SERVER where no web framework's instrumentation has a span of the request.
    """
    span: trace.Span | None = None
    if active() is not None:
        with guard:
            span = instruments().tracer.start_span(
                f"{model.operation} {model.model}", parent, kind, attributes=model.attributes()
            )
    if span is None:
        yield
        return
    attached = context.attach(trace.set_span_in_context(span, parent))
    token = _requested.set(model)
    try:
        yield
    except BaseException as error:
        with guard:
            told = type(error).__qualname__
            span.set_attribute(semconv.ERROR_TYPE, told)
            # The type alone: the text of an error may quote feature values.
            span.set_status(StatusCode.ERROR, told)
        raise
    finally:
        _requested.reset(token)
        context.detach(attached)
        with guard:
            span.end()
