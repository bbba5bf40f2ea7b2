"""Which GPU a model runs on that another one holds, by the library that its class is from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from driftmeter.instrumentation import xgboost
from driftmeter.instrumentation._gpu_of import cuda_ordinal, parameters_device
from driftmeter.instrumentation._keras_device import leading_weight, weights_device
from driftmeter.instrumentation._onnx_told import device_of


def _of_keras(model: Any) -> int | None:
    return weights_device(leading_weight(model))


def _of_pipeline(pipeline: Any) -> int | None:
    return cuda_ordinal(getattr(pipeline, "device", None))


_ASKED: Final[Mapping[str, Callable[[Any], int | None]]] = {
    "keras": _of_keras,
    "onnxruntime": device_of,
    "torch": parameters_device,
    "transformers": _of_pipeline,
    "xgboost": xgboost.device_of,
}


def device_inside(model: Any) -> int | None:
    """Return the number of the CUDA device that a model of any of these libraries runs on; None where none says so."""
    for cls in type(model).__mro__:
        asked = _ASKED.get(cls.__module__.partition(".")[0])
        if asked is not None:
            return asked(model)
    return None
