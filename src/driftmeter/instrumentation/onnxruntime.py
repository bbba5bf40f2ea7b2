"""ONNX Runtime: all four ways to run a session.

What a session is called, which inputs are columns and which outputs are labels, scores or values is read from its
metadata, once a session. Values are read where they are: what sits on a device is never copied from there.
"""

from __future__ import annotations

import re
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from driftmeter.instrumentation._call import Framework, StartedCall, fail_call, finish_call, start_call
from driftmeter.instrumentation._methods import Patches
from driftmeter.instrumentation._on_import import ImportInstrumentor
from driftmeter.instrumentation._onnx_told import Told, device_of
from driftmeter.instrumentation._onnx_values import bound_inputs, bound_outputs, output_tables, rows_of, waits
from driftmeter.recorder import Identity, active, guard
from driftmeter.schema import Role
from driftmeter.tables import Table

OPERATIONS: Final = ("run", "run_with_ort_values", "run_with_iobinding", "run_async")
_MODULE: Final = "onnxruntime.capi.onnxruntime_inference_collection"

_ERROR: Final = re.compile(r"\[ONNXRuntimeError\] : \d+ : ([A-Z_]+)")


class _Run:
    """One run of a session: what it was called with, and what the session's metadata tell."""

    __slots__ = ("_asked", "_binding", "_names", "_options", "_told")

    name = "onnxruntime"

    def __init__(self, told: Told, operation: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._told = told
        self._names: Sequence[str] = ()
        first = args[0] if args else kwargs.get("iobinding", kwargs.get("output_names"))
        bound = operation == "run_with_iobinding"
        self._binding = first if bound else None
        self._asked: Sequence[str] | None = None if bound else first
        self._options = args[1] if bound and len(args) > 1 else kwargs.get("run_options")

    def features(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the columns of the inputs."""
        feed: Any = args[1] if len(args) > 1 else kwargs.get("input_feed", kwargs.get("input_dict_ort_values"))
        if self._binding is not None:
            feed = bound_inputs(self._binding)
        if not isinstance(feed, Mapping):
            return None
        rows, self._names = rows_of(self._told, feed)
        return rows

    def feature_names(self, model: Any) -> Sequence[str]:  # noqa: ARG002
        """Return the names of several inputs; the columns of a single one have none in ONNX."""
        return self._names

    def identity(self, model: Any) -> Identity:  # noqa: ARG002
        """Return the name and the version that the metadata, the graph or the file gives."""
        return self._told.identity

    def device(self, model: Any) -> int | None:
        """Return the number of the CUDA device that the session runs on."""
        return device_of(model)

    def outputs(self, model: Any, operation: str, result: Any) -> list[tuple[Role, Table]]:  # noqa: ARG002
        """Return labels and scores by class of a classifier, else values."""
        if self._binding is not None:
            names, result = bound_outputs(self._binding, self._told) if waits(self._options) else ((), ())
        else:
            names = self._asked or tuple(self._told.outputs)
        return output_tables(self._told, dict(zip(names, result, strict=False)))


def _choose(session: Any, operation: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Run:
    """Tell of each run by itself: what it asks for says what it returns."""
    return _Run(_told_of(session), operation, args, kwargs)


class _Pending:
    """A run that goes on in one of ONNX Runtime's threads, and ends in the callback."""

    __slots__ = ("_begin", "_started")

    def __init__(self, started: StartedCall) -> None:
        self._started: list[StartedCall] = [started]
        self._begin = time.perf_counter()

    def wrap(self, callback: Callable[..., Any]) -> Callable[..., Any]:
        """Return the program's callback, before which the call ends."""

        def ended(results: Any, user_data: Any, error: str) -> Any:
            with guard:
                self.end(results, _error(error) if error else None)
            return callback(results, user_data, error)

        return ended

    def end(self, results: Any, error: BaseException | None) -> None:
        """End the call, once; the model is not held any longer."""
        duration = time.perf_counter() - self._begin
        while self._started:
            started = self._started.pop()
            if error is None:
                finish_call(started, results, duration)
            else:
                fail_call(started, error, duration)


_Other: Final = type("_OTHER", (Exception,), {})
"""What OpenTelemetry calls an error whose type is not known."""


def _error(text: str) -> BaseException:
    """Return an exception of the kind that a text of ONNX Runtime's tells, if it does."""
    found = _ERROR.match(text)
    kind = _Other if found is None else type(found[1].title().replace("_", ""), (Exception,), {})
    return cast("type[BaseException]", kind)()


def _call_async(
    original: Callable[..., Any],
    session: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    framework: Framework,
    operation: str,
) -> Any:
    """Start a run, watched until its callback; as `call` does for those that wait."""
    pending: _Pending | None = None
    registry = active()
    with guard:
        callback = args[2] if len(args) > 2 else kwargs.get("callback")
        if registry is not None and callable(callback):
            started = start_call(registry, framework, session, operation, framework.features(args, kwargs))
            pending = _Pending(started)
            if len(args) > 2:
                args = (*args[:2], pending.wrap(callback), *args[3:])
            else:
                kwargs = {**kwargs, "callback": pending.wrap(callback)}
    try:
        return original(session, *args, **kwargs)
    except BaseException as error:
        with guard:
            if pending is not None:
                pending.end(None, error)
        raise


_known: Final[weakref.WeakKeyDictionary[Any, Told]] = weakref.WeakKeyDictionary()


def _told_of(session: Any) -> Told:
    told = _known.get(session)
    if told is None:
        told = _known[session] = Told(session)
    return told


class OnnxRuntimeInstrumentor(ImportInstrumentor):
    """Watches the runs of every ONNX Runtime session."""

    def hooks(self) -> Mapping[str, Callable[[Any], None]]:
        """Wait for the module of the class that all sessions derive from."""
        self._patches = patches = Patches(None, OPERATIONS, choose=_choose, callers={"run_async": _call_async})
        return {_MODULE: lambda module: patches.patch(module.Session)}

    def restore(self) -> None:
        """Put the session's methods back."""
        self._patches.restore()
