"""The GPU that a call ran on, on its span: the same ``hw.id`` that the GPU's metrics have."""

from __future__ import annotations

from typing import Any

from opentelemetry import trace

from driftmeter import semconv_hardware as names
from driftmeter.hardware import gpu_id


def say_gpu(span: trace.Span, framework: Any, model: Any) -> None:
    """Say on a span which GPU the call ran on, when the framework knows, and CUDA can tell."""
    device = getattr(framework, "device", None)
    if device is None or not span.is_recording():
        return
    ordinal = device(model)
    gpu = None if ordinal is None else gpu_id(ordinal)
    if gpu is not None:
        span.set_attribute(names.HW_ID, gpu)


def cuda_ordinal(device: Any) -> int | None:
    """Return the number of a ``torch.device``; None where it is none of CUDA's, or goes without a number."""
    return device.index if getattr(device, "type", "") == "cuda" else None


def parameters_device(module: Any) -> int | None:
    """Return the number of the CUDA device that the first parameter of a PyTorch module is on."""
    return cuda_ordinal(getattr(next(module.parameters(), None), "device", None))


def ordinal_in(text: object) -> int | None:
    """Return the number in a device's name as XGBoost has it: 0 for ``cuda``, 1 for ``cuda:1``; None for others."""
    kind, _, number = str(text).partition(":")
    if kind not in {"cuda", "gpu"} or not (not number or number.isdecimal()):
        return None
    return int(number or 0)
