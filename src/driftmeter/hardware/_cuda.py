"""Which GPU a framework's device number stands for, asked of the CUDA driver that the process has in use.

Frameworks count the devices that ``CUDA_VISIBLE_DEVICES`` leaves, in the order of ``CUDA_DEVICE_ORDER``; NVML counts
all of the machine's. The driver has applied both variables, and MIG, when it was initialised, so it is asked. Nothing
is loaded, initialised or synchronised here: a library that is not in the process is not opened, and a driver that is
not initialised says so.
"""

from __future__ import annotations

import ctypes
import os
import time
from typing import Any, Final

_LIBRARY: Final = "libcuda.so.1"
_SUCCESS: Final = 0
_AGAIN: Final = 10.0
"""Seconds after which a device is asked for again that could not be told."""

_ids: Final[dict[int, str]] = {}
_refused: Final[dict[int, float]] = {}


def gpu_id(ordinal: int) -> str | None:
    """Return the UUID of a device, as NVML has it; None where there is no CUDA that could tell.

    Args:
        ordinal: The number of the device, as the frameworks of this process count.
    """
    known = _ids.get(ordinal)
    if known is not None:
        return known
    now = time.monotonic()
    if now - _refused.get(ordinal, -_AGAIN) < _AGAIN:
        return None
    found = _ask(ordinal)
    if found is None:
        _refused[ordinal] = now
    else:
        _ids[ordinal] = found
    return found


def driver() -> Any:
    """Return the CUDA driver, if this process has loaded it; else None."""
    no_load = getattr(os, "RTLD_NOLOAD", None)
    if no_load is None:
        return None
    try:
        return ctypes.CDLL(_LIBRARY, mode=no_load | os.RTLD_LAZY)
    except OSError:
        return None


def _ask(ordinal: int) -> str | None:
    cuda = driver()
    device = ctypes.c_int()
    if cuda is None or cuda.cuDeviceGet(ctypes.byref(device), ctypes.c_int(ordinal)) != _SUCCESS:
        return None
    gpu = _uuid(cuda, "cuDeviceGetUuid", device)
    # The newer function tells a MIG instance by its own UUID, and any other device as the older one does.
    instance = _uuid(cuda, "cuDeviceGetUuid_v2", device) or gpu
    if instance is None:
        return None
    return f"GPU-{instance}" if instance == gpu or gpu is None else f"MIG-{instance}"


def _uuid(cuda: Any, function: str, device: ctypes.c_int) -> str | None:
    ask = getattr(cuda, function, None)
    octets = (ctypes.c_ubyte * 16)()
    if ask is None or ask(ctypes.byref(octets), device) != _SUCCESS:
        return None
    digits = bytes(octets).hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _after_fork_in_child() -> None:
    # A child may be given another GPU before it begins to use it.
    _ids.clear()
    _refused.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
