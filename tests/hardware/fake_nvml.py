"""A driver in the place of NVIDIA's, below pynvml: C functions that fill pynvml's own structures.

pynvml finds its functions in the library that it has loaded. Here the library is an object whose attributes are C
callbacks, so that pynvml's calls, structures and error codes are the real ones. It is initialised for one process: in
a child that did not initialise it itself, each call is refused.
"""

# ruff: noqa: N802  # the functions have NVML's own names

from __future__ import annotations

import ctypes
import os
import threading
from collections import Counter
from collections.abc import Callable
from ctypes import POINTER, c_int, c_uint, c_ulonglong, c_void_p, cast
from dataclasses import dataclass, field
from typing import Any

import pynvml

UNINITIALIZED, NOT_SUPPORTED, NO_PERMISSION, INSUFFICIENT_SIZE = 1, 3, 4, 7
DRIVER_NOT_LOADED, TIMEOUT, LOST = 9, 10, 15
GIB = 1 << 30

P = c_void_p
SIGNATURES = {
    "nvmlInitWithFlags": (c_uint,),
    "nvmlShutdown": (),
    "nvmlSystemGetDriverVersion": (P, c_uint),
    "nvmlDeviceGetCount_v2": (P,),
    "nvmlDeviceGetHandleByIndex_v2": (c_uint, P),
    "nvmlDeviceGetUUID": (P, P, c_uint),
    "nvmlDeviceGetName": (P, P, c_uint),
    "nvmlDeviceGetMemoryInfo": (P, P),
    "nvmlDeviceGetUtilizationRates": (P, P),
    "nvmlDeviceGetEncoderUtilization": (P, P, P),
    "nvmlDeviceGetDecoderUtilization": (P, P, P),
    "nvmlDeviceGetClockInfo": (P, c_uint, P),
    "nvmlDeviceGetPowerUsage": (P, P),
    "nvmlDeviceGetTemperature": (P, c_uint, P),
    "nvmlDeviceGetCurrentClocksEventReasons": (P, P),
    "nvmlDeviceGetFieldValues": (P, c_int, P),
    "nvmlDeviceGetComputeRunningProcesses_v3": (P, P, P),
    "nvmlDeviceGetMigMode": (P, P, P),
    "nvmlDeviceGetMaxMigDeviceCount": (P, P),
    "nvmlDeviceGetMigDeviceHandleByIndex": (P, c_uint, P),
    "nvmlEventSetCreate": (P,),
    "nvmlDeviceRegisterEvents": (P, c_ulonglong, P),
    "nvmlEventSetWait_v2": (P, P, c_uint),
}


class ProcessInfo(ctypes.Structure):
    """An entry of the list of processes, as drivers write it; one release of pynvml has another."""

    _fields_ = (
        ("pid", c_uint),
        ("usedGpuMemory", c_ulonglong),
        ("gpuInstanceId", c_uint),
        ("computeInstanceId", c_uint),
    )


@dataclass
class FakeGpu:
    """A GPU, or a MIG instance in the ``instances`` of one. What is None, or not in a mapping, is not supported."""

    uuid: str
    name: str = "NVIDIA H100 80GB HBM3"
    total: int = 80 * GIB
    used: int = 20 * GIB
    busy: int | None = 75
    encoder: int | None = 5
    decoder: int | None = 10
    milliwatts: int | None = 350_500
    celsius: int | None = 61
    megahertz: dict[int, int] = field(default_factory=lambda: {0: 1980, 1: 1965, 2: 2619})
    reasons: int | None = 0
    fields: dict[tuple[int, int], Any] = field(
        default_factory=lambda: {
            (3, 0): c_ulonglong(7),
            (4, 0): c_ulonglong(0),
            (82, 0): c_uint(70),
            (83, 0): c_ulonglong(5_000_000),
            (138, 0xFFFFFFFF): c_ulonglong(1000),
            (139, 0xFFFFFFFF): c_ulonglong(2000),
            (197, 0): c_ulonglong(1_000_000),
            (198, 0): c_ulonglong(3_000_000),
        }
    )
    processes: dict[int, int] = field(default_factory=dict)
    instances: list[FakeGpu | None] = field(default_factory=list)
    error: int = 0
    """What every call about it returns, if not 0."""

    def __post_init__(self) -> None:
        self.handle = ctypes.create_string_buffer(8)

    @property
    def address(self) -> int:
        return ctypes.addressof(self.handle)


class FakeNvml:
    """The library. ``errors`` are what a function returns instead of working, by its name."""

    def __init__(self, *gpus: FakeGpu) -> None:
        self.gpus = list(gpus)
        self.errors: dict[str, int] = {}
        self.calls: Counter[str] = Counter()
        self.threads: set[str] = set()
        self.initialised: Counter[int] = Counter()
        self.xids: list[tuple[FakeGpu, int]] = []
        self.before: Callable[[str], object] = lambda name: None
        """Called before each function, with its name."""
        for name, types in SIGNATURES.items():
            setattr(self, name, ctypes.CFUNCTYPE(c_int, *types)(self._wrapped(name, getattr(self, f"_{name}"))))

    def _wrapped(self, name: str, function: Callable[..., int]) -> Callable[..., int]:
        def called(*args: Any) -> int:
            self.calls[name] += 1
            self.threads.add(threading.current_thread().name)
            self.before(name)
            if name in self.errors:
                return self.errors[name]
            if name != "nvmlInitWithFlags" and not self.initialised[os.getpid()]:
                return UNINITIALIZED
            if name.startswith("nvmlDevice") and name not in {"nvmlDeviceGetCount_v2", "nvmlDeviceGetHandleByIndex_v2"}:
                gpu = self._by_address(args[0])
                return gpu.error or function(gpu, *args[1:])
            return function(*args)

        return called

    def _by_address(self, address: int) -> FakeGpu:
        everyone = [*self.gpus, *(one for gpu in self.gpus for one in gpu.instances if one is not None)]
        return next(gpu for gpu in everyone if gpu.address == address)

    # The functions: what each writes where its caller points to.

    def _nvmlInitWithFlags(self, flags: int) -> int:
        self.initialised[os.getpid()] += 1
        return 0

    def _nvmlShutdown(self) -> int:
        self.initialised[os.getpid()] -= 1
        return 0

    def _nvmlSystemGetDriverVersion(self, text: int, size: int) -> int:
        return _text(text, "580.82.07")

    def _nvmlDeviceGetCount_v2(self, count: int) -> int:
        return _number(count, c_uint, len(self.gpus))

    def _nvmlDeviceGetHandleByIndex_v2(self, index: int, handle: int) -> int:
        gpu = self.gpus[index]
        return gpu.error or _number(handle, c_void_p, gpu.address)

    def _nvmlDeviceGetUUID(self, gpu: FakeGpu, text: int, size: int) -> int:
        return _text(text, gpu.uuid)

    def _nvmlDeviceGetName(self, gpu: FakeGpu, text: int, size: int) -> int:
        return _text(text, gpu.name)

    def _nvmlDeviceGetMemoryInfo(self, gpu: FakeGpu, memory: int) -> int:
        told = cast(memory, POINTER(pynvml.c_nvmlMemory_t))[0]
        told.total, told.used, told.free = gpu.total, gpu.used, gpu.total - gpu.used
        return 0

    def _nvmlDeviceGetUtilizationRates(self, gpu: FakeGpu, rates: int) -> int:
        if gpu.busy is None:
            return NOT_SUPPORTED
        cast(rates, POINTER(pynvml.c_nvmlUtilization_t))[0].gpu = gpu.busy
        return 0

    def _nvmlDeviceGetEncoderUtilization(self, gpu: FakeGpu, share: int, period: int) -> int:
        return _number(share, c_uint, gpu.encoder)

    def _nvmlDeviceGetDecoderUtilization(self, gpu: FakeGpu, share: int, period: int) -> int:
        return _number(share, c_uint, gpu.decoder)

    def _nvmlDeviceGetClockInfo(self, gpu: FakeGpu, clock: int, speed: int) -> int:
        return _number(speed, c_uint, gpu.megahertz.get(clock))

    def _nvmlDeviceGetPowerUsage(self, gpu: FakeGpu, milliwatts: int) -> int:
        return _number(milliwatts, c_uint, gpu.milliwatts)

    def _nvmlDeviceGetTemperature(self, gpu: FakeGpu, sensor: int, celsius: int) -> int:
        return _number(celsius, c_uint, gpu.celsius)

    def _nvmlDeviceGetCurrentClocksEventReasons(self, gpu: FakeGpu, reasons: int) -> int:
        return _number(reasons, c_ulonglong, gpu.reasons)

    def _nvmlDeviceGetFieldValues(self, gpu: FakeGpu, count: int, values: int) -> int:
        types = {c_uint: 1, c_ulonglong: 3}
        for answer in cast(values, POINTER(pynvml.c_nvmlFieldValue_t * count))[0]:
            value = gpu.fields.get((answer.fieldId, answer.scopeId))
            answer.nvmlReturn = NOT_SUPPORTED if value is None else 0
            if value is not None:
                answer.valueType = types[type(value)]
                setattr(answer.value, {1: "uiVal", 3: "ullVal"}[answer.valueType], value.value)
        return 0

    def _nvmlDeviceGetComputeRunningProcesses_v3(self, gpu: FakeGpu, count: int, processes: int) -> int:
        told = cast(count, POINTER(c_uint))
        room, told[0] = told[0], len(gpu.processes)
        if room < len(gpu.processes):
            return INSUFFICIENT_SIZE
        if processes:
            array = cast(processes, POINTER(ProcessInfo))
            for at, (pid, used) in enumerate(gpu.processes.items()):
                array[at].pid, array[at].usedGpuMemory = pid, used
        return 0

    def _nvmlDeviceGetMigMode(self, gpu: FakeGpu, current: int, pending: int) -> int:
        _number(pending, c_uint, 0)
        return _number(current, c_uint, int(bool(gpu.instances)))

    def _nvmlDeviceGetMaxMigDeviceCount(self, gpu: FakeGpu, count: int) -> int:
        return _number(count, c_uint, len(gpu.instances))

    def _nvmlDeviceGetMigDeviceHandleByIndex(self, gpu: FakeGpu, index: int, handle: int) -> int:
        instance = gpu.instances[index]
        return 6 if instance is None else _number(handle, c_void_p, instance.address)

    def _nvmlEventSetCreate(self, events: int) -> int:
        return _number(events, c_void_p, 1)

    def _nvmlDeviceRegisterEvents(self, gpu: FakeGpu, kinds: int, events: int) -> int:
        return 0

    def _nvmlEventSetWait_v2(self, events: int, data: int, milliseconds: int) -> int:
        if not self.xids:
            return TIMEOUT
        gpu, xid = self.xids.pop(0)
        told = cast(data, POINTER(pynvml.c_nvmlEventData_t))[0]
        told.device = cast(gpu.address, pynvml.c_nvmlDevice_t)
        told.eventType, told.eventData = pynvml.nvmlEventTypeXidCriticalError, xid
        return 0


def _text(target: int, text: str) -> int:
    ctypes.memmove(target, text.encode() + b"\0", len(text) + 1)
    return 0


def _number(target: int, kind: Any, number: int | None) -> int:
    if number is None:
        return NOT_SUPPORTED
    cast(target, POINTER(kind))[0] = number
    return 0


def install(library: FakeNvml | None) -> None:
    """Let pynvml use this library, or none, from now on."""
    pynvml.nvmlLib = library
    pynvml._nvmlGetFunctionPointer_cache.clear()
