"""ONNX Runtime: all four ways to run a session.

What a session is called, which inputs are columns and which outputs are labels, scores or values is read from its
metadata, once a session. Values are read where they are: what sits on a device is never copied from there.
"""

from __future__ import annotations

import functools
import hashlib
import re
import time
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import wrapt
from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]  # no __all__ there
    BaseInstrumentor,
)

from driftmeter.instrumentation._call import Framework, _Call, _fail, _finish, _start, call
from driftmeter.instrumentation._instruments import use_providers
from driftmeter.instrumentation._methods import _MARK, Patches
from driftmeter.instrumentation._outermost import is_nested
from driftmeter.instrumentation.sklearn import MAX_CLASSES
from driftmeter.recorder import Registry, active, guard
from driftmeter.schema import Kind, Model, Role
from driftmeter.sketches import category_name
from driftmeter.tables import Names, Table
from driftmeter.typing import AnyArray

OPERATIONS: Final = ("run", "run_with_ort_values", "run_with_iobinding", "run_async")
_MODULE: Final = "onnxruntime.capi.onnxruntime_inference_collection"

_NO_NAME: Final = re.compile(r"|main|main_graph|graph|model|network|tf2onnx|torch[-_]jit.*|ONNX\(.*\)|[0-9a-f]{32}")
"""What exporters call a graph, and people its file, when they give no name."""
_MOST_VERSION: Final = 2**63 - 1
"""What some exporters write where they know no version."""
_WHOLE: Final = 1 << 20
_PIECE: Final = 1 << 14
_NUMBER: Final = re.compile(r"tensor\((bool|float|float16|double|u?int(8|16|32|64))\)")
_LABEL: Final = re.compile(r"tensor\((string|bool|int32|int64)\)")
_NOT_WAITING: Final = "disable_synchronize_execution_providers"
_ERROR: Final = re.compile(r"\[ONNXRuntimeError\] : \d+ : ([A-Z_]+)")


class Told:
    """What a session's metadata tell; read once a session, since each question crosses into C++."""

    __slots__ = ("name", "outputs", "sequences", "several", "version")

    def __init__(self, session: Any) -> None:
        inputs, outputs = session.get_inputs(), session.get_outputs()
        self.name, self.version = _identity(session)
        self.outputs = _roles(outputs)
        """What each output is: ``label``, ``score`` or ``prediction``."""
        roles = list(self.outputs.values())
        self.several = frozenset(role for role in roles if roles.count(role) > 1)
        # Whole numbers in rows of any length are tokens, not columns.
        self.sequences = frozenset(
            one.name
            for one in [*inputs, *outputs]
            if "int" in one.type and len(one.shape) == 2 and not isinstance(one.shape[1], int)
        )


def _identity(session: Any) -> tuple[str, str]:
    """Return a session's name and version: its metadata's, its graph's, its file's; else a digest is the version."""
    meta = session.get_modelmeta()
    custom = meta.custom_metadata_map
    version = custom.get("model_version") or (str(meta.version) if 0 < meta.version < _MOST_VERSION else "")
    path = getattr(session, "_model_path", None)
    for name in (custom.get("model_name", ""), meta.graph_name, Path(path).stem if path else ""):
        if not _NO_NAME.fullmatch(name):
            return name, version
    name = meta.graph_name if meta.graph_name.startswith("ONNX(") else type(session).__name__
    return name, version or _digest(path, getattr(session, "_model_bytes", None))


def _digest(path: Any, content: bytes | None) -> str:
    """Return what tells a model without a name from another: a digest of its bytes, of a large one's pieces."""
    if content is None and not path:
        return ""
    held = np.memmap(path, np.uint8, "r") if content is None else np.frombuffer(content, np.uint8)
    digest = hashlib.blake2b(str(len(held)).encode(), digest_size=6)
    starts = [0] if len(held) <= _WHOLE else np.linspace(0, len(held) - _PIECE, 32).astype(int).tolist()
    for start in starts:
        digest.update(held[start : start + (_WHOLE if len(starts) == 1 else _PIECE)].data)
    return digest.hexdigest()


def _roles(outputs: Sequence[Any]) -> dict[str, str]:
    """Return what each output is: a classifier has a label, and scores as maps, a matrix, or a column a class."""
    labels = [one.name for one in outputs if _LABEL.fullmatch(one.type) and len(one.shape) <= 2]
    has_maps = any(one.type.startswith("seq(map(") for one in outputs)
    if not labels or not (has_maps or len(outputs) > 1 or "label" in labels[0].lower()):
        return {one.name: "prediction" for one in outputs}
    texts = [one.name for one in outputs if one.type == "tensor(string)"]
    named = [name for name in labels if "label" in name.lower() or "class" in name.lower()]
    if not (has_maps or texts or named):
        return {one.name: "prediction" for one in outputs}
    label = (named or texts or labels)[0]
    return {one.name: "label" if one.name == label else "score" for one in outputs}


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
            feed = _bound_inputs(self._binding)
        if not isinstance(feed, Mapping):
            return None
        rows, self._names = _rows(self._told, feed)
        return rows

    def feature_names(self, model: Any) -> Sequence[str]:  # noqa: ARG002
        """Return the names of several inputs; the columns of a single one have none in ONNX."""
        return self._names

    def model_name(self, model: Any) -> str:  # noqa: ARG002
        """Return the name that the metadata, the graph or the file gives."""
        return self._told.name

    def outputs(self, model: Any, operation: str, result: Any) -> list[tuple[Role, Table]]:  # noqa: ARG002
        """Return labels and scores by class of a classifier, else values."""
        if self._binding is not None:
            names, result = _bound_outputs(self._binding, self._told) if _waits(self._options) else ((), ())
        else:
            names = self._asked or tuple(self._told.outputs)
        return _tables(self._told, dict(zip(names, result, strict=False)))


def _rows(told: Told, feed: Mapping[str, Any]) -> tuple[Any, Sequence[str]]:
    """Return the rows of a feed, and the names that its inputs give; of what is no table their number alone.

    A single input is its columns. Several have one number of rows, and each is one column or more::

        {"X": (n, 4)}                        -> the very array, f0 to f3
        {"age": (n, 1), "city": (n, 1)}      -> age, city
        {"image": (n, 3, 224, 224)}          -> n rows without columns
        {"X": (n, 4), "threshold": ()}       -> X.0 to X.3
    """
    if len(feed) == 1:
        ((name, only),) = feed.items()
        array = only if isinstance(only, list) else _array(only)
        if array is None or isinstance(array, list) or _is_table(told, name, array):
            return array, ()
        return np.empty((*array.shape[:1], 0)), ()
    arrays = {name: array for name, value in feed.items() if (array := _array(value)) is not None and array.ndim}
    tables = {name: array for name, array in arrays.items() if _is_table(told, name, array)}
    rows = {len(array) for array in (tables or arrays).values()}
    if len(rows) != 1:
        return None, ()
    if not tables:
        return np.empty((*rows, 0)), ()
    columns = columns_of(tables)
    if all(array.dtype.kind in "biuf" for array in tables.values()):
        # One copy of them all costs a fraction of what each column by itself would.
        return np.column_stack(tuple(tables.values())), tuple(columns)
    return columns, ()


def _is_table(told: Told, name: str, array: AnyArray) -> bool:
    return array.ndim in {1, 2} and name not in told.sequences


def columns_of(tables: Mapping[str, AnyArray], *, stem: str = "") -> dict[str, AnyArray]:
    """Return columns by name: an array of one column has its name, one of several numbers them."""
    columns: dict[str, AnyArray] = {}
    for name, array in tables.items():
        if array.ndim == 1:
            columns[stem + name] = array
        elif array.shape[1] == 1:
            columns[stem + name] = array[:, 0]
        else:
            columns |= {f"{stem}{name}.{at}": array[:, at] for at in range(array.shape[1])}
    return columns


def _array(value: Any) -> Any:
    """Return an input or output as an array, if it is one, or holds one in the machine's memory."""
    if type(value) is np.ndarray:
        return value
    if not hasattr(value, "device_name") or not value.is_tensor() or value.device_name() != "cpu":
        return None
    if _NUMBER.fullmatch(value.data_type()) and hasattr(value, "__dlpack__"):
        return np.from_dlpack(value)  # a view
    return value.numpy()


def _bound_inputs(binding: Any) -> dict[str, Any]:
    """Return what a binding knows of its inputs: arrays, and values of ONNX Runtime's; a pointer is nothing to read."""
    arrays = getattr(binding, "_numpy_obj_references", {})
    bound = getattr(binding, "_bound_inputs", arrays)
    return {name: arrays.get(name) if value is None else value for name, value in bound.items()}


def _waits(options: Any) -> bool:
    """Whether a run's outputs are written when it returns; one that was told not to wait for a device says nothing."""
    try:
        return options is None or options.get_run_config_entry(_NOT_WAITING) != "1"
    except RuntimeError:  # no such entry
        return True


def _bound_outputs(binding: Any, told: Told) -> tuple[Sequence[str], Sequence[Any]]:
    """Return the outputs of a binding's last run and their names, which come in the order of their first binding."""
    names = tuple(getattr(binding, "_bound_outputs", ())) or tuple(told.outputs)
    values = binding.get_outputs()
    return (names, values) if len(names) == len(values) else ((), ())


def _tables(told: Told, values: Mapping[str, Any]) -> list[tuple[Role, Table]]:
    """Return what a run gave, as tables of rows."""
    tables: list[tuple[Role, Table]] = []
    found: dict[Role, dict[str, AnyArray]] = {"prediction": {}, "score": {}}
    for name, value in values.items():
        role = told.outputs.get(name, "prediction")
        if isinstance(value, list):
            tables += _scores_of_maps(value)
        elif (array := _array(value)) is None or not _is_table(told, name, array):
            continue
        elif role == "label":
            tables += _table("prediction", {name: array}, several=False, kind="categorical")
        else:
            found["score" if role == "score" else "prediction"][name] = array
    for column_role, arrays in found.items():
        if arrays:
            tables += _table(column_role, arrays, several=column_role in told.several)
    return tables


def _table(
    role: Role, arrays: Mapping[str, AnyArray], *, several: bool, kind: Kind | None = None
) -> list[tuple[Role, Table]]:
    """Return outputs as a table: of a single one its columns are numbered, those of several have its name too."""
    only = next(iter(arrays.values()))
    rows = len(only)
    if not several and (only.ndim == 1 or only.shape[1] == 1):  # as most models return it
        columns = (only if only.ndim == 1 else only[:, 0],)
        return [(role, Table(_named(role, ("",)), rows, None, columns, kind))]
    named = columns_of({name if several else "": array for name, array in arrays.items() if len(array) == rows})
    if not 0 < len(named) <= MAX_CLASSES:
        return []
    if role == "score" and not several and len(named) == 2:
        del named[".0"]  # it follows from the other
    elif len(arrays) == 1 and only.ndim == 2:
        return [(role, Table(_named(role, tuple(named)), rows, only, kind=kind))]
    return [(role, Table(_named(role, tuple(named)), rows, None, tuple(named.values()), kind))]


@functools.lru_cache(maxsize=256)
def _named(role: Role, names: tuple[str, ...]) -> Names:
    return Names.of([role + (name if name.startswith(".") or not name else f".{name}") for name in names])


def _scores_of_maps(maps: Sequence[Any]) -> list[tuple[Role, Table]]:
    """Return what a classifier says of each row as a map from classes to scores; of two classes the second one's."""
    if not maps or not isinstance(maps[0], dict) or len(maps[0]) > MAX_CLASSES:
        return []
    classes = tuple(maps[0])
    if len(classes) == 2:
        classes = classes[1:]
    matrix = np.array([list(map(itemgetter(one), maps)) for one in classes]).T
    return [("score", Table(_named("score", tuple(map(category_name, classes))), len(maps), matrix))]


class _Methods(Patches):
    """Patches that tell of each run by itself: what it asks for says what it returns."""

    def __init__(self) -> None:
        super().__init__(cast("Framework", None), OPERATIONS)  # each run is one

    def _watched(self, original: Callable[..., Any], operation: str) -> Callable[..., Any]:
        follow = _call_async if operation == "run_async" else call

        @functools.wraps(original)
        def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
            registry = active()
            run: _Run | None = None
            if registry is not None and not is_nested():
                with guard:
                    run = _Run(_told_of(registry, self), operation, args, kwargs)
            if run is None:
                return original(self, *args, **kwargs)
            return follow(original, self, args, kwargs, framework=run, operation=operation)

        setattr(watched, _MARK, watched)
        return watched


class _Pending:
    """A run that goes on in one of ONNX Runtime's threads, and ends in the callback."""

    __slots__ = ("_begin", "_started")

    def __init__(self, started: _Call) -> None:
        self._started: list[_Call] = [started]
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
                _finish(started, results, duration)
            else:
                _fail(started, error, duration)


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
            started = _start(registry, framework, session, operation, framework.features(args, kwargs))
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


def _told_of(registry: Registry, session: Any) -> Told:
    told = _known.get(session)
    if told is None:
        told = _known[session] = Told(session)
    if told.version and registry.bound(session) is None:
        tell_version(registry, session, Model(told.name, told.version))
    return told


def tell_version(registry: Registry, model_object: Any, model: Model) -> None:
    """Let an object be known under the name and version that it bears, where nobody has told another.

    The program's and the configuration's word counts more, and so does a baseline that is found by the columns.
    """
    config = registry.config
    if config.model_version or model.name in config.models:
        return
    if registry.model_of(model_object, default_name=model.name) != Model(model.name):
        return
    if not registry.baseline_features or registry.baselines(model):
        registry.declare(model_object, model)


class OnnxRuntimeInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # opentelemetry-instrumentation ships no types
    """Watches the runs of every ONNX Runtime session."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """ONNX Runtime is watched from the day that it is imported; without it nothing happens."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        use_providers(tracer_provider=kwargs.get("tracer_provider"), meter_provider=kwargs.get("meter_provider"))
        self._patches: Patches | None = None
        self._on = True
        wrapt.register_post_import_hook(self._on_import, _MODULE)

    def _on_import(self, module: Any) -> None:
        with guard:
            if self._on and self._patches is None:
                self._patches = _Methods()
                self._patches.patch(module.Session)

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ARG002
        self._on = False
        if self._patches is not None:
            self._patches.restore()
            self._patches = None
