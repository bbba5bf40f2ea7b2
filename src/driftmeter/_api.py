"""The explicit API: what a program calls that does not run under ``opentelemetry-instrument``, or wants names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from typing import Any, Final, TypeVar

from opentelemetry.instrumentation.environment_variables import OTEL_PYTHON_DISABLED_INSTRUMENTATIONS

from driftmeter import exporter
from driftmeter.baseline import Baseline
from driftmeter.config import load
from driftmeter.exceptions import DriftmeterError
from driftmeter.instrumentation import custom, record_rows, use_providers
from driftmeter.recorder import Registry, active, decided, load_baselines
from driftmeter.schema import Model

T = TypeVar("T")

_ALL: Final = "*"
"""What stands for all instrumentations, as under ``opentelemetry-instrument``."""


def instrument(*, meter_provider: Any = None, tracer_provider: Any = None, **settings: Any) -> None:
    """Watch every model of the supported frameworks in this process.

    Call it before or after the OpenTelemetry SDK is set up; under ``opentelemetry-instrument`` it is not needed. A
    second call with the same settings changes nothing. Nothing is watched where ``enabled`` is false or
    ``OTEL_SDK_DISABLED`` is true; the other functions then do nothing. A framework that
    ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS`` names is left alone.

    Args:
        meter_provider: The SDK's provider whose readers carry metrics, sketches and signals; the global one by default.
        tracer_provider: The SDK's provider of the spans; the global one by default.
        settings: Keys of the configuration, such as ``window="1h"``; they win over the environment and files.

    Raises:
        ConfigError: A setting breaks its rule.
        BaselineError: A baseline file that the configuration names cannot be used.
    """
    config = load(overrides=settings)
    if exporter.is_off(config):
        exporter.stop()
        return
    exporter.start(config, baselines=load_baselines(config), meter_provider=meter_provider)
    use_providers(tracer_provider=tracer_provider, meter_provider=meter_provider)
    disabled = {name.strip() for name in os.environ.get(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS, "").split(",")}
    for name, instrumentor in _instrumentors():
        if not disabled & {name, _ALL} and not instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.instrument(skip_dep_check=True, meter_provider=meter_provider, tracer_provider=tracer_provider)


def monitor(model: T, *, name: str, version: str = "", baseline: Baseline | str | os.PathLike[str] | None = None) -> T:
    """Give a model object a name, a version and a baseline; return the very same object.

    Args:
        model: What predicts: an estimator, or an object of any class with ``predict``.
        name: The model's name, in all signals.
        version: Its version.
        baseline: What its windows are compared with: a baseline or the path of its file. Whatever model the baseline
            was built for, it is this one's from now on.

    Raises:
        BaselineError: The baseline file cannot be used.
        DriftmeterError: `instrument` was not called, the name is empty, or the model has no method to watch.
    """
    registry = _registry("monitor")
    if registry is None:
        return model
    if not name:
        raise DriftmeterError("name must have at least one character; got ''")
    identity = Model(name, version)
    if baseline is not None:
        loaded = baseline if isinstance(baseline, Baseline) else Baseline.load(baseline)
        registry.add_baseline(loaded, model=identity)
    # statsmodels hands out wrappers; what predicts, and is watched, is inside.
    watched = getattr(model, "_results", model) if type(model).__module__.startswith("statsmodels.") else model
    custom.watch_class_of(watched)
    registry.declare(watched, identity)
    return model


def record(
    *,
    model: str,
    features: Any,
    predictions: Any = None,
    scores: Any = None,
    version: str = "",
    feature_names: tuple[str, ...] | list[str] = (),
) -> None:
    """Record rows that no instrumentation sees: a model behind an API, a rule, a framework that is not supported.

    Args:
        model: The model's name.
        features: The rows: a pandas, polars or pyarrow table, an array, a mapping of columns, a list of mappings.
        predictions: What was predicted for them, a value a row, or a mapping of names to values.
        scores: Likewise scores.
        version: The model's version.
        feature_names: The features' names where the rows have none.

    Raises:
        DriftmeterError: `instrument` was not called.
    """
    registry = _registry("record")
    if registry is None:
        return
    outputs: Mapping[Any, Any] = {"prediction": predictions, "score": scores}
    record_rows(registry, Model(model, version), features, outputs, names=feature_names)


def shutdown() -> None:
    """Send what was recorded, then watch nothing any more and leave every class as it was found."""
    if active() is None:
        return
    exporter.flush()
    exporter.stop()
    use_providers()
    custom.restore()
    for _, instrumentor in _instrumentors():
        if instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.uninstrument()


def _instrumentors() -> Iterator[tuple[str, Any]]:
    """Return driftmeter's own instrumentors, by the names that switch them off."""
    for entry_point in entry_points(group="opentelemetry_instrumentor"):
        if entry_point.value.startswith("driftmeter."):
            yield entry_point.name, entry_point.load()()


def _registry(caller: str) -> Registry | None:
    """Return the registry in force, or None when it was decided that nothing is watched."""
    registry = active()
    if registry is None and not decided():
        raise DriftmeterError(
            f"driftmeter.{caller}() needs driftmeter.instrument() first, or a run under opentelemetry-instrument"
        )
    return registry
