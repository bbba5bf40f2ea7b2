"""A class of the user's own with ``predict``: watched when one of its objects is given to `driftmeter.monitor`."""

from __future__ import annotations

from typing import Any, Final

from driftmeter.exceptions import DriftmeterError
from driftmeter.instrumentation import keras, torch, transformers
from driftmeter.instrumentation._methods import Patches, is_watched
from driftmeter.instrumentation.sklearn import OPERATIONS, SklearnFramework


class CustomFramework(SklearnFramework):
    """What classes of no known framework tell: they are taken to follow scikit-learn's conventions."""

    name = "custom"


_patches: Final = Patches(CustomFramework(), OPERATIONS)


def watch_class_of(model: Any) -> None:
    """Watch a model's class, unless a framework's instrumentation does already.

    Raises:
        DriftmeterError: It has no method that could be watched.
    """
    if any(framework.watches(model) for framework in (torch, keras, transformers)):
        return
    cls = type(model)
    if any(is_watched(getattr(cls, name, None)) for name in dir(cls)):
        return
    if not any(callable(getattr(cls, operation, None)) for operation in OPERATIONS):
        raise DriftmeterError(
            f"model must have one of the methods {', '.join(OPERATIONS)}; {cls.__qualname__} has none: record its rows "
            "with driftmeter.record()"
        )
    try:
        _patches.patch(cls)
    except TypeError:
        raise DriftmeterError(
            f"{cls.__qualname__} is compiled, its methods cannot be watched: record its rows with driftmeter.record()"
        ) from None


def restore() -> None:
    """Put the methods of all such classes back."""
    _patches.restore()
