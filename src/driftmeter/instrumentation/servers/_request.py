"""A request's span inside a model server: which model was asked for, by which route.

The server knows the name under which a model is served, and the model mostly does not. So the span of the server's own
call carries it, above the span of the model's call, and a model that bears no name has it from there::

    POST /v1/models/{model_name}:predict        the web framework's instrumentation
      predict delay                             this one: kserve, delay
        predict delay                           the model's own, a LogisticRegression
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry import context, trace
from opentelemetry.trace import SpanKind, StatusCode

from driftmeter import semconv
from driftmeter.instrumentation import _served
from driftmeter.instrumentation._instruments import instruments
from driftmeter.recorder import active, guard
from driftmeter.schema import Model

HTTP_ROUTE: Final = "http.route"


@dataclass(frozen=True, slots=True)
class Served:
    """What a server calls a model; of a version or a route that it does not know an empty string.

    The version that a client asks for (``asked_version``) is on the span alone: no server says that the model has it.
    """

    server: str
    model: str
    operation: str = "predict"
    version: str = ""
    route: str = ""
    asked_version: str = ""

    def attributes(self) -> dict[str, str]:
        """Return the attributes of the request's span; what is not known is not there."""
        told = {
            semconv.ML_SERVER_NAME: self.server,
            semconv.ML_MODEL_NAME: self.model,
            semconv.ML_MODEL_VERSION: self.version or self.asked_version,
            semconv.ML_OPERATION_NAME: self.operation,
            HTTP_ROUTE: self.route,
        }
        return {name: value for name, value in told.items() if value}


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
    token = _served.enter(Model(model.model, model.version))
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
        _served.leave(token)
        context.detach(attached)
        with guard:
            span.end()
