"""The names of what is told of hardware: GPUs, the host and the process. Most are OpenTelemetry's published ones.

docs/conventions.md is generated from this file too (``python tools/conventions.py``).
"""

from __future__ import annotations

from typing import Final

from driftmeter.semconv import ERROR_TYPE, Attribute, Metric

HW_ID: Final = "hw.id"
HW_TYPE: Final = "hw.type"
HW_NAME: Final = "hw.name"
HW_MODEL: Final = "hw.model"
HW_VENDOR: Final = "hw.vendor"
HW_DRIVER_VERSION: Final = "hw.driver_version"
HW_PARENT: Final = "hw.parent"
HW_STATE: Final = "hw.state"
HW_SENSOR_LOCATION: Final = "hw.sensor_location"
HW_GPU_TASK: Final = "hw.gpu.task"
HW_GPU_LINK: Final = "hw.gpu.link"
HW_GPU_CLOCK: Final = "hw.gpu.clock"
HW_GPU_THROTTLE_REASON: Final = "hw.gpu.throttle.reason"
NETWORK_IO_DIRECTION: Final = "network.io.direction"

ATTRIBUTES: Final = (
    Attribute(HW_ID, "string", "The UUID of a GPU, or of a MIG instance.", "GPU-8f6e3c1a-2b4d-4c7e-9a10-5d3f7b9e2c44"),
    Attribute(HW_TYPE, "string", "What the component is: always gpu.", "gpu"),
    Attribute(HW_NAME, "string", "The number of a GPU as `nvidia-smi` has it.", "GPU 0"),
    Attribute(HW_MODEL, "string", "The product.", "NVIDIA H100 80GB HBM3"),
    Attribute(HW_VENDOR, "string", "Who made it.", "NVIDIA"),
    Attribute(HW_DRIVER_VERSION, "string", "The version of the GPU's driver.", "580.82.07"),
    Attribute(
        HW_PARENT, "string", "Of a MIG instance, the UUID of its GPU.", "GPU-8f6e3c1a-2b4d-4c7e-9a10-5d3f7b9e2c44"
    ),
    Attribute(HW_STATE, "string", "ok, or degraded: the GPU is slowed down by heat or by want of power.", "ok"),
    Attribute(HW_SENSOR_LOCATION, "string", "Where a temperature is measured: GPU or MEMORY.", "GPU"),
    Attribute(HW_GPU_TASK, "string", "What a GPU is busy with: general, encoder or decoder.", "general"),
    Attribute(HW_GPU_LINK, "string", "What bytes went over: pcie or nvlink.", "pcie"),
    Attribute(HW_GPU_CLOCK, "string", "Which of a GPU's clocks: graphics, sm or memory.", "sm"),
    Attribute(HW_GPU_THROTTLE_REASON, "string", "Why a GPU is slowed down.", "hw_thermal_slowdown"),
    Attribute(NETWORK_IO_DIRECTION, "string", "transmit or receive, as the GPU sees it.", "receive"),
)

_COMPONENT = (HW_ID, HW_TYPE, HW_NAME, HW_PARENT)
_GPU = (*_COMPONENT, HW_MODEL, HW_VENDOR, HW_DRIVER_VERSION)

GPU_UTILIZATION: Final = Metric(
    "hw.gpu.utilization", "gauge", "1", "Share of the time that the GPU was busy.", (*_GPU, HW_GPU_TASK)
)
GPU_MEMORY_LIMIT: Final = Metric("hw.gpu.memory.limit", "up_down_counter", "By", "The GPU's memory.", _GPU)
GPU_MEMORY_USAGE: Final = Metric(
    "hw.gpu.memory.usage", "up_down_counter", "By", "The GPU's memory in use, by any process.", _GPU
)
GPU_MEMORY_UTILIZATION: Final = Metric(
    "hw.gpu.memory.utilization", "gauge", "1", "Share of the GPU's memory in use.", _GPU
)
GPU_IO: Final = Metric(
    "hw.gpu.io", "counter", "By", "Bytes that went to and from the GPU.", (*_GPU, NETWORK_IO_DIRECTION, HW_GPU_LINK)
)
GPU_SPEED: Final = Metric("hw.gpu.speed", "gauge", "Hz", "The frequency of a GPU's clock.", (*_GPU, HW_GPU_CLOCK))
GPU_THROTTLED: Final = Metric(
    "hw.gpu.throttled",
    "gauge",
    "1",
    "1 while the GPU is slowed down for this reason, else 0.",
    (*_GPU, HW_GPU_THROTTLE_REASON),
)
GPU_PROCESS_MEMORY_USAGE: Final = Metric(
    "process.gpu.memory.usage", "up_down_counter", "By", "The GPU's memory that this process uses.", _GPU
)
HARDWARE_POWER: Final = Metric("hw.power", "gauge", "W", "Power that the GPU draws.", _COMPONENT)
HARDWARE_ENERGY: Final = Metric(
    "hw.energy", "counter", "J", "Energy that the GPU used since the process began to look.", _COMPONENT
)
HARDWARE_TEMPERATURE: Final = Metric(
    "hw.temperature", "gauge", "Cel", "The GPU's temperature.", (*_COMPONENT, HW_SENSOR_LOCATION)
)
HARDWARE_ERRORS: Final = Metric(
    "hw.errors",
    "counter",
    "{error}",
    "The GPU's errors since the process began to look: ECC errors and XIDs.",
    (*_COMPONENT, ERROR_TYPE),
)
HARDWARE_STATUS: Final = Metric(
    "hw.status", "up_down_counter", "1", "1 for the state that the GPU is in, else 0.", (*_COMPONENT, HW_STATE)
)
GPU_METRICS: Final = (
    GPU_UTILIZATION,
    GPU_MEMORY_LIMIT,
    GPU_MEMORY_USAGE,
    GPU_MEMORY_UTILIZATION,
    GPU_PROCESS_MEMORY_USAGE,
    GPU_IO,
    GPU_SPEED,
    GPU_THROTTLED,
    HARDWARE_POWER,
    HARDWARE_ENERGY,
    HARDWARE_TEMPERATURE,
    HARDWARE_ERRORS,
    HARDWARE_STATUS,
)

PROCESS_CPU_TIME: Final = Metric("process.cpu.time", "counter", "s", "CPU time of the process.", ("type",))
PROCESS_CPU_UTILIZATION: Final = Metric(
    "process.cpu.utilization", "gauge", "1", "The process's share of the machine's CPU time.", ()
)
PROCESS_MEMORY_USAGE: Final = Metric(
    "process.memory.usage", "up_down_counter", "By", "Memory of the process, resident.", ()
)
PROCESS_THREAD_COUNT: Final = Metric("process.thread.count", "up_down_counter", "", "Threads of the process.", ())
SYSTEM_CPU_UTILIZATION: Final = Metric(
    "system.cpu.utilization", "gauge", "1", "Share of the CPU time of the machine, all CPUs together.", ("state",)
)
SYSTEM_MEMORY_USAGE: Final = Metric("system.memory.usage", "gauge", "By", "Memory of the machine.", ("state",))
SYSTEM_MEMORY_UTILIZATION: Final = Metric(
    "system.memory.utilization", "gauge", "1", "Share of the machine's memory.", ("state",)
)
HOST_METRICS: Final = (
    PROCESS_CPU_TIME,
    PROCESS_CPU_UTILIZATION,
    PROCESS_MEMORY_USAGE,
    PROCESS_THREAD_COUNT,
    SYSTEM_CPU_UTILIZATION,
    SYSTEM_MEMORY_USAGE,
    SYSTEM_MEMORY_UTILIZATION,
)

METRICS: Final = (*GPU_METRICS, *HOST_METRICS)
