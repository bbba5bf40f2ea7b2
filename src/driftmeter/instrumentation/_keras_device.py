"""Which GPU a Keras model's weights are on, as each backend says it.

==========  =======================================================  =======================================
backend     what says it                                             what the number counts
==========  =======================================================  =======================================
TensorFlow  ``weight.value.device``, ``...task:0/device:GPU:1``      logical devices: parts of those visible
JAX         ``weight.value.devices()``, their ``local_hardware_id``  CUDA's devices
PyTorch     ``weight.value.device``, a ``torch.device``              CUDA's devices
==========  =======================================================  =======================================

Sources: the docstring of ``jaxlib``'s ``Device.local_hardware_id``; TensorFlow's guide "Use a GPU", and
``GPUOptions.Experimental.VirtualDevices`` in its config.proto.
"""

from __future__ import annotations

import re
import sys
from typing import Any, Final

from driftmeter.instrumentation._gpu_of import cuda_ordinal

_ON_TENSORFLOW: Final = re.compile(r"/job:localhost/.*/device:GPU:(\d+)")


def leading_weight(model: Any) -> Any:
    """Return a weight that is where the model computes; None where there is none.

    Numbers that are counted or looked up, which TensorFlow keeps beside the CPU, are no such weight.
    """
    return next((weight for weight in model.weights if "float" in str(weight.dtype)), None)


def weights_device(weight: Any) -> int | None:
    """Return the number of the CUDA device that a weight is on; None where it is on none, or on several."""
    value = getattr(weight, "value", None)
    devices = getattr(value, "devices", None)
    if callable(devices):
        return _of_jax(devices())
    device = getattr(value, "device", None)
    if not isinstance(device, str):
        return cuda_ordinal(device)
    # One that a strategy of TensorFlow's mirrors is one value for each device.
    on_gpu = None if hasattr(value, "values") else _ON_TENSORFLOW.fullmatch(device)
    return None if on_gpu is None else _of_tensorflow(int(on_gpu[1]))


def _of_jax(devices: Any) -> int | None:
    if len(devices) != 1:
        return None
    (device,) = devices
    return device.local_hardware_id if device.platform == "gpu" else None


def _of_tensorflow(logical: int) -> int | None:
    """Return the number, as CUDA counts, of the device that a logical one is, or is a part of.

    Logical devices are numbered through all visible ones and, unless they were given ordinals, in that order::

        CUDA's      0          1         2
        visible     -          1         2
        parts       -          1a  1b    2
        logical     -          0   1     2
    """
    config = sys.modules["tensorflow"].config
    visible = config.get_visible_devices("GPU")
    parts = [
        (getattr(part, "experimental_device_ordinal", None) or 0, number)
        for number, gpu in enumerate(config.list_physical_devices("GPU"))
        if gpu in visible
        for part in config.get_logical_device_configuration(gpu) or (None,)
    ]
    parts.sort(key=lambda part: part[0])
    return parts[logical][1] if logical < len(parts) else None
