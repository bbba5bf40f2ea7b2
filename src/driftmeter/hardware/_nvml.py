"""NVML, NVIDIA's management library, as one process initialised it: its GPUs, and what each says of itself.

What the driver refuses, since the GPU cannot tell it or the process may not ask, is absent and never 0. Handles are
found once a session. ``nvmlDeviceGetPcieThroughput`` is not used: it blocks for 20 ms.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from driftmeter import semconv_hardware as names
from driftmeter.hardware import _cuda
from driftmeter.hardware._gpu import Gpu, Value
from driftmeter.hardware._nvml_fields import FIELDS, decoded

_MIG_ENABLED: Final = 1

_TASKS: Final = {"encoder": "nvmlDeviceGetEncoderUtilization", "decoder": "nvmlDeviceGetDecoderUtilization"}
_CLOCKS: Final = {"graphics": 0, "sm": 1, "memory": 2}
_MEGAHERTZ: Final = 1_000_000
_GPU_SENSOR: Final = 0
_THROTTLES: Final = {
    "sw_power_cap": 0x04,
    "hw_slowdown": 0x08,
    "sync_boost": 0x10,
    "sw_thermal_slowdown": 0x20,
    "hw_thermal_slowdown": 0x40,
    "hw_power_brake_slowdown": 0x80,
}
"""Bits of the reasons for which clocks are lower than they could be; an idle GPU, or a setting, is none."""
_DEGRADED: Final = 0x08 | 0x20 | 0x40 | 0x80
"""Those that something is wrong with: heat, or want of power. The cap on power is a limit that somebody chose."""
_XID: Final = 0x08
_MOST_EVENTS: Final = 100

# The driver's answers, of nvml.h, that mean: not this value. After any other one the handle is of no use.
_NOT_THIS: Final = frozenset({2, 3, 4, 7, 10, 13, 19, 21, 22, 23, 25, 26, 27})
_NOT_MEMORY: Final = frozenset({3, 4, 13})


class LostError(Exception):
    """A GPU does not answer any more, or NVML as a whole."""


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU or MIG instance, and the handle that it goes by in this session."""

    gpu: Gpu
    handle: Any
    has_instances: bool = False
    """Whether it is divided into MIG instances, which tell their own memory."""

    @property
    def address(self) -> int | None:
        """What tells its handle from another's."""
        return ctypes.cast(self.handle, ctypes.c_void_p).value


class Session:
    """One initialisation of NVML, which belongs to the process that made it, and to one thread at a time.

    Raises:
        LostError: NVML cannot be initialised; the message is the driver's.
    """

    def __init__(self) -> None:
        import pynvml

        self._nvml = pynvml
        # What is raised for a function that the driver does not have; releases before 12.545 do not know it.
        self._mismatch = getattr(pynvml, "NVMLLibraryMismatchError", pynvml.NVMLError)
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            raise LostError(str(error)) from None
        self.trouble = ""
        """What is wrong with the machine's GPUs, if anything is."""
        driver = self._try(pynvml.nvmlSystemGetDriverVersion) or ""
        self.devices = list(self._found(driver))
        self._events = self._listen()

    def close(self) -> None:
        """Give NVML back."""
        self._try(self._nvml.nvmlShutdown)

    def _found(self, driver: str) -> Iterator[Device]:
        nvml = self._nvml
        count = self._try(nvml.nvmlDeviceGetCount) or 0
        self.trouble = "" if count else "NVML sees no GPU"
        for index in range(count):
            handle = self._try(nvml.nvmlDeviceGetHandleByIndex, index)
            uuid = None if handle is None else self._try(nvml.nvmlDeviceGetUUID, handle)
            if uuid is None:
                self.trouble = f"GPU {index} cannot be opened"
                continue
            mode = self._try(nvml.nvmlDeviceGetMigMode, handle)
            has_instances = mode is not None and mode[0] == _MIG_ENABLED
            gpu = Gpu(uuid, f"GPU {index}", self._try(nvml.nvmlDeviceGetName, handle) or "", driver)
            yield Device(gpu, handle, has_instances)
            if has_instances:
                yield from self._instances(gpu, handle)

    def _instances(self, gpu: Gpu, parent: Any) -> Iterator[Device]:
        nvml = self._nvml
        for index in range(self._try(nvml.nvmlDeviceGetMaxMigDeviceCount, parent) or 0):
            # Instances have numbers with gaps between.
            handle = self._try(nvml.nvmlDeviceGetMigDeviceHandleByIndex, parent, index)
            uuid = None if handle is None else self._try(nvml.nvmlDeviceGetUUID, handle)
            if uuid is not None:
                model = self._try(nvml.nvmlDeviceGetName, handle) or gpu.model
                yield Device(Gpu(uuid, f"{gpu.name} MIG {index}", model, gpu.driver, gpu.id), handle)

    def _listen(self) -> Any:
        """Return the set of events that XIDs come to, or None where the driver has none."""
        events = self._try(self._nvml.nvmlEventSetCreate)
        if events is not None:
            for device in self.devices:
                if not device.gpu.parent:
                    self._try(self._nvml.nvmlDeviceRegisterEvents, device.handle, _XID, events)
        return events

    def xids(self) -> list[tuple[Gpu, int]]:
        """Return the XID errors since the last call, each with its GPU."""
        by_address = {device.address: device.gpu for device in self.devices if not device.gpu.parent}
        found: list[tuple[Gpu, int]] = []
        while self._events is not None and len(found) < _MOST_EVENTS:
            event = self._try(self._nvml.nvmlEventSetWait, self._events, 0)
            if event is None:
                break
            gpu = by_address.get(ctypes.cast(event.device, ctypes.c_void_p).value)
            if gpu is not None and event.eventType == _XID:
                found.append((gpu, int(event.eventData)))
        return found

    def read(self, device: Device) -> list[Value]:
        """Return what a GPU says; of a MIG instance its memory, which is all that it knows.

        Counters are as the driver has them, since it was loaded.

        Raises:
            LostError: It does not answer.
        """
        values = [*self._memory(device)]
        if not device.has_instances:
            values += self._own_memory(device)
        if not device.gpu.parent:
            values += [*self._utilization(device), *self._clocks(device), *self._sensors(device)]
            values += [*self._throttling(device), *self._fields(device)]
        return values

    def _memory(self, device: Device) -> Iterator[Value]:
        memory = self._ask(self._nvml.nvmlDeviceGetMemoryInfo, device.handle, refusals=_NOT_MEMORY)
        if memory is not None and memory.total:
            yield Value(names.GPU_MEMORY_LIMIT, memory.total, {})
            yield Value(names.GPU_MEMORY_USAGE, memory.used, {})
            yield Value(names.GPU_MEMORY_UTILIZATION, memory.used / memory.total, {})

    def _own_memory(self, device: Device) -> Iterator[Value]:
        """Return the memory of this process.

        The list of processes takes milliseconds, during which the driver does nothing else: it is asked for only where
        this process has a CUDA driver, without which it cannot be in it. A container whose processes have other
        numbers than on the host is not in it either.
        """
        if _cuda.driver() is None:
            return
        processes = self._ask(self._nvml.nvmlDeviceGetComputeRunningProcesses, device.handle) or ()
        own = [one.usedGpuMemory for one in processes if one.pid == os.getpid() and one.usedGpuMemory is not None]
        if own:
            yield Value(names.GPU_PROCESS_MEMORY_USAGE, sum(own), {})

    def _utilization(self, device: Device) -> Iterator[Value]:
        shares = self._ask(self._nvml.nvmlDeviceGetUtilizationRates, device.handle)
        if shares is not None:
            yield Value(names.GPU_UTILIZATION, shares.gpu / 100, {names.HW_GPU_TASK: "general"})
        for task, function in _TASKS.items():
            share = self._ask(getattr(self._nvml, function), device.handle)
            if share is not None:
                yield Value(names.GPU_UTILIZATION, share[0] / 100, {names.HW_GPU_TASK: task})

    def _clocks(self, device: Device) -> Iterator[Value]:
        for name, clock in _CLOCKS.items():
            speed = self._ask(self._nvml.nvmlDeviceGetClockInfo, device.handle, clock)
            if speed is not None:
                yield Value(names.GPU_SPEED, speed * _MEGAHERTZ, {names.HW_GPU_CLOCK: name})

    def _sensors(self, device: Device) -> Iterator[Value]:
        milliwatts = self._ask(self._nvml.nvmlDeviceGetPowerUsage, device.handle)
        if milliwatts is not None:
            yield Value(names.HARDWARE_POWER, milliwatts / 1000, {})
        # The older of the two is in every driver so far, and announced to be removed.
        for function in ("nvmlDeviceGetTemperature", "nvmlDeviceGetTemperatureV"):
            ask = getattr(self._nvml, function, None)
            degrees = None if ask is None else self._ask(ask, device.handle, _GPU_SENSOR)
            if degrees is not None:
                yield Value(names.HARDWARE_TEMPERATURE, degrees, {names.HW_SENSOR_LOCATION: "GPU"})
                return

    def _throttling(self, device: Device) -> Iterator[Value]:
        reasons: int | None = None
        # The same under its new name, which drivers before 535 do not have, and its old one.
        for function in ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"):
            ask = getattr(self._nvml, function, None)
            if reasons is None and ask is not None:
                reasons = self._ask(ask, device.handle)
        if reasons is None:
            return
        for name, bit in _THROTTLES.items():
            yield Value(
                names.GPU_THROTTLED,
                int(bool(reasons & bit)),
                {names.HW_GPU_THROTTLE_REASON: name},
            )
        degraded = int(bool(reasons & _DEGRADED))
        yield Value(names.HARDWARE_STATUS, 1 - degraded, {names.HW_STATE: "ok"})
        yield Value(names.HARDWARE_STATUS, degraded, {names.HW_STATE: "degraded"})

    def _fields(self, device: Device) -> Iterator[Value]:
        """Return what the driver keeps as numbered fields, all in one call."""
        asked = [(field.number, field.scope) for field in FIELDS]
        for field, answer in zip(
            FIELDS, self._ask(self._nvml.nvmlDeviceGetFieldValues, device.handle, asked) or (), strict=False
        ):
            if answer.nvmlReturn == 0:
                yield Value(field.metric, decoded(answer) * field.factor, field.attributes)

    def _try(self, function: Callable[..., Any], *args: Any) -> Any:
        """Return an answer, or None where there is none for whatever reason."""
        try:
            return function(*args)
        except (self._nvml.NVMLError, self._mismatch):
            return None

    def _ask(self, function: Callable[..., Any], *args: Any, refusals: frozenset[int] = _NOT_THIS) -> Any:
        """Return an answer, or None where the driver refuses this one.

        Raises:
            LostError: The GPU does not answer.
        """
        try:
            return function(*args)
        except self._nvml.NVMLError as error:
            if error.value in refusals:
                return None
            raise LostError(str(error)) from None
        except self._mismatch:
            return None
