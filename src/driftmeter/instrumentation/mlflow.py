"""MLflow's Python functions: ``PyFuncModel.predict`` and ``predict_stream``, whatever model is inside.

The Python function is the outermost call, so the scikit-learn or XGBoost model inside adds nothing of its own. Its
registered name and version, where it was loaded by them, are the model's.
"""

from __future__ import annotations

import functools
import time
import weakref
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlparse

import numpy as np
from opentelemetry import context, trace

from driftmeter.instrumentation._call import Framework, StartedCall, fail_call, finish_call, start_call
from driftmeter.instrumentation._device_inside import device_inside
from driftmeter.instrumentation._methods import Patches
from driftmeter.instrumentation._on_import import ImportInstrumentor
from driftmeter.instrumentation._onnx_values import columns_of
from driftmeter.instrumentation._outermost import enter, leave
from driftmeter.instrumentation.sklearn import MAX_CLASSES, SklearnFramework
from driftmeter.instrumentation.sklearn import OPERATIONS as _OF_SKLEARN
from driftmeter.recorder import Identity, active, guard
from driftmeter.schema import Role
from driftmeter.tables import Names, Table, UnreadableError, tabulate

OPERATIONS: Final = ("predict", "predict_stream")
_PREDICTION: Final = Names.of(("prediction",))


class Told:
    """What a model's metadata tell; read once a model.

    The name is the registered one, else that in the metadata; the class is that of the model inside. The version is the
    registered one, else that in the metadata, else MLflow's own id of the model, its run or its files.
    """

    __slots__ = ("function", "identity", "names")

    def __init__(self, model: Any, uri: str) -> None:
        metadata = model.metadata
        own = metadata.metadata or {}
        name, version = _registered(uri)
        ids = (getattr(metadata, name, None) for name in ("model_id", "run_id", "model_uuid"))
        self.identity = Identity(
            _name_of(_inside(model)),
            str(name or own.get("model_name") or ""),
            str(version or own.get("model_version") or next(filter(None, ids), "")),
        )
        schema = metadata.get_input_schema()
        self.names: tuple[str, ...] = tuple(schema.input_names()) if schema and schema.has_input_names() else ()
        self.function = metadata.flavors.get("python_function", {}).get("predict_fn", "predict")


def _registered(uri: str) -> tuple[str, str]:
    """Return name and version of ``models:/name/3``; an alias or a stage in its place tells no version."""
    parsed = urlparse(uri)
    name, _, which = parsed.path.strip("/").partition("/")
    name = name.partition("@")[0]
    if parsed.scheme != "models" or name.startswith("m-"):  # the id of a model that is not registered
        return "", ""
    return name, which if which.isdigit() else ""


def _inside(model: Any) -> Any:
    """Return the model that a Python function calls: the program's own class, or another library's model."""
    implementation = model._model_impl  # noqa: SLF001  # MLflow calls it a stable interface
    own = getattr(implementation, "python_model", None)
    if (
        own is None
        and type(implementation).__module__.startswith("mlflow.")
        and hasattr(implementation, "get_raw_model")
    ):
        own = implementation.get_raw_model()
    return implementation if own is None else own


def _name_of(inside: Any) -> str:
    function = getattr(inside, "func", None)
    return str(getattr(function, "__name__", "") or type(inside).__name__)


class MlflowFramework:
    """What MLflow's models tell of themselves."""

    name = "mlflow"

    def features(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the rows, as they were given; of tensors that are no table their number alone."""
        data = args[0] if args else kwargs.get("data")
        if type(data) is np.ndarray and data.ndim > 2:
            return np.empty((len(data), 0))
        return _flat(data)

    def feature_names(self, model: Any) -> Sequence[str]:
        """Return the names of the signature's inputs."""
        return _told_of(model).names

    def identity(self, model: Any) -> Identity:
        """Return the registered name and version, or what stands for them."""
        return _told_of(model).identity

    def device(self, model: Any) -> int | None:
        """Return the number of the CUDA device of the model inside, which its library knows."""
        return device_inside(_inside(model))

    def outputs(self, model: Any, operation: str, result: Any) -> list[tuple[Role, Table]]:  # noqa: ARG002
        """Return predictions; of a classifier inside its labels, or the scores that the model was saved to give."""
        inside, function = _inside(model), _told_of(model).function
        if function in _OF_SKLEARN and getattr(inside, "classes_", None) is not None and not hasattr(result, "columns"):
            return SklearnFramework().outputs(inside, function, result)
        try:
            table = tabulate(_flat(result), names=_PREDICTION, max_columns=MAX_CLASSES + 1)
        except UnreadableError:
            return []
        if len(table.names) > MAX_CLASSES:
            return []
        names = [f"prediction.{name}" for name in table.names] if len(table.names) > 1 else _PREDICTION
        if not table.named:
            names = [f"prediction.{at}" for at in range(len(table.names))]
        return [("prediction", Table(Names.of(names), table.rows, table.matrix, table.columns))]


def _flat(data: Any) -> Any:
    """Return named tensors as named columns, and all else as it is."""
    if not isinstance(data, Mapping) or not any(getattr(one, "ndim", 0) > 1 for one in data.values()):
        return data
    return columns_of({name: one for name, one in data.items() if type(one) is np.ndarray and one.ndim in {1, 2}})


class Conversation(MlflowFramework):
    """A call whose data is somebody's words, and so is what it returns: neither is read."""

    def features(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ARG002
        """Return what is no rows."""
        return self

    def outputs(self, model: Any, operation: str, result: Any) -> list[tuple[Role, Table]]:  # noqa: ARG002
        """Return nothing."""
        return []


_ROWS: Final = MlflowFramework()
_CONVERSATION: Final = Conversation()


def _choose(model: Any, operation: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> MlflowFramework:  # noqa: ARG001
    """Tell rows from conversations."""
    data = args[0] if args else kwargs.get("data")
    if isinstance(data, list) and data:
        data = data[0]
    is_chat = isinstance(data, Mapping) and any(
        isinstance(one, list) and one and isinstance(one[0], Mapping) for one in data.values()
    )
    return _CONVERSATION if is_chat or operation == "predict_stream" else _ROWS


_known: Final[dict[int, tuple[weakref.ref[Any], Told]]] = {}
"""By the model's id, since MLflow's models are equal by their metadata and have no hash."""


def _told_of(model: Any, uri: str = "") -> Told:
    key = id(model)
    kept = _known.get(key)
    if kept is None:
        kept = (weakref.ref(model, lambda _: _known.pop(key, None)), Told(model, uri))
        _known[key] = kept
    return kept[1]


def _call_stream(
    original: Callable[..., Any],
    model: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    framework: Framework,
    operation: str,
) -> Generator[Any, Any, Any]:
    """Return what the model streams, watched from the first chunk that is asked for to the last."""
    stream = original(model, *args, **kwargs)

    def watched() -> Generator[Any, Any, Any]:
        started: StartedCall | None = None
        registry = active()
        with guard:
            if registry is not None:
                started = start_call(registry, framework, model, operation, framework.features(args, kwargs))
        if started is None:
            return (yield from stream)
        return (yield from _chunks(started, stream))

    return watched()


def _chunks(started: StartedCall, stream: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    begin = time.perf_counter()
    try:
        advance, value = stream.send, None
        while True:
            chunk = _step(started, advance, value)
            try:
                advance, value = stream.send, (yield chunk)
            except GeneratorExit:  # the reader has had enough
                stream.close()
                raise
            except BaseException as error:  # noqa: BLE001  # the model's to answer
                advance, value = stream.throw, error
    except (StopIteration, GeneratorExit) as end:
        with guard:
            finish_call(started, None, time.perf_counter() - begin)
        if isinstance(end, GeneratorExit):
            raise
        return end.value
    except BaseException as error:
        with guard:
            fail_call(started, error, time.perf_counter() - begin)
        raise


def _step(started: StartedCall, advance: Callable[[Any], Any], value: Any) -> Any:
    """Let the model make its next chunk: only meanwhile is this thread inside of its call."""
    token = enter()
    attached = context.attach(trace.set_span_in_context(started.span))
    try:
        return advance(value)
    finally:
        context.detach(attached)
        leave(token)


class MlflowInstrumentor(ImportInstrumentor):
    """Watches MLflow's Python functions, and under which name they are loaded."""

    def hooks(self) -> Mapping[str, Callable[[Any], None]]:
        """Wait for the module of Python functions."""
        self._patches = Patches(None, OPERATIONS, choose=_choose, callers={"predict_stream": _call_stream})
        self._module: Any = None
        return {"mlflow.pyfunc": self._patch}

    def _patch(self, module: Any) -> None:
        for name in ("PyFuncModel", "_ServedPyFuncModel"):
            if hasattr(module, name):
                self._patches.patch(getattr(module, name))
        self._module = module
        self._load_model = _remembering(module.load_model)
        module.load_model = self._load_model

    def restore(self) -> None:
        """Put the methods back, and the function that loads."""
        self._patches.restore()
        if self._module is not None and self._module.load_model is self._load_model:
            self._module.load_model = self._load_model.__wrapped__
        self._module = None


def _remembering(load_model: Callable[..., Any]) -> Any:
    @functools.wraps(load_model)
    def loaded(*args: Any, **kwargs: Any) -> Any:
        model = load_model(*args, **kwargs)
        with guard:
            _told_of(model, str(args[0] if args else kwargs.get("model_uri", "")))
        return model

    return loaded
