"""The panels of what a model runs on: process and host, and GPUs."""

from __future__ import annotations

from typing import Final

from driftmeter import semconv_hardware as names
from driftmeter.dashboards._panel import (
    BYTES,
    BYTES_PER_SECOND,
    CELSIUS,
    COUNT,
    ERRORS_PER_SECOND,
    HERTZ,
    SHARE,
    WATTS,
    Panel,
    Query,
    Section,
)
from driftmeter.dashboards._scope import HOST, Ask, Scope, Tag
from driftmeter.prometheus_names import Naming
from driftmeter.semconv import ERROR_TYPE, Metric

_INSTANCE: Final = "{{instance}}"
_GPU: Final = "{{hw_name}} {{hw_id}}"
_NO_GPU: Final = "no GPU"
_GPU_BY: Final = (names.HW_ID, names.HW_NAME)
_ONLY_GPUS: Final = Tag(names.HW_TYPE, "gpu")
_NO_HOST: Final = "this service tells nothing of its host"


def host_section(naming: Naming) -> Section:
    """Return the panels of the service's processes and their hosts."""
    service = Scope(naming, ('job="$service"',), ("$service",))

    def panel(title: str, ask: Ask, unit: str, *, legend: str = "") -> Panel:
        query = Query(ask=ask, legend=f"{_INSTANCE} {legend}".strip())
        return Panel(kind="series", title=title, queries=(query,), unit=unit, width=8, empty=_NO_HOST)

    def of_each(metric: Metric, *tags: Tag, by: tuple[str, ...] = ()) -> Ask:
        return service.level(metric, *tags, by=(HOST, *by))

    return Section(
        "Process and host",
        (
            panel("CPU of the process", of_each(names.PROCESS_CPU_UTILIZATION), SHARE),
            panel("Memory of the process", of_each(names.PROCESS_MEMORY_USAGE), BYTES),
            panel("Threads of the process", of_each(names.PROCESS_THREAD_COUNT), COUNT),
            panel(
                "CPU of the host",
                # Other sources of the metric tell of each CPU.
                service.level(names.SYSTEM_CPU_UTILIZATION, by=(HOST, "state"), over="avg"),
                SHARE,
                legend="{{state}}",
            ),
            panel("Memory of the host", of_each(names.SYSTEM_MEMORY_USAGE, by=("state",)), BYTES, legend="{{state}}"),
            panel(
                "Memory of the host in use",
                # Others tell the other states as well. They overlap, so all of them add up to more than 1.
                of_each(names.SYSTEM_MEMORY_UTILIZATION, Tag("state", "used")),
                SHARE,
            ),
        ),
    )


def gpu_section(naming: Naming) -> Section:
    """Return the panels of the GPUs that the service's processes see; each tells of all of them, so the most counts."""
    service = Scope(naming, ('job="$service"',), ("$service",))

    def panel(title: str, ask: Ask, unit: str, *, legend: str = "") -> Panel:
        query = Query(ask=ask, legend=f"{_GPU} {legend}".strip())
        return Panel(kind="series", title=title, queries=(query,), unit=unit, width=8, empty=_NO_GPU)

    def most(metric: Metric, *tags: Tag, by: tuple[str, ...] = ()) -> Ask:
        return service.level(metric, *tags, by=(*_GPU_BY, *by))

    def fastest(metric: Metric, *, by: tuple[str, ...] = ()) -> Ask:
        return service.fastest(metric, by=(*_GPU_BY, *by))

    used_by_service = service.level(names.GPU_PROCESS_MEMORY_USAGE, by=_GPU_BY, over="sum")
    return Section(
        "GPU",
        (
            panel("GPU busy", most(names.GPU_UTILIZATION, by=(names.HW_GPU_TASK,)), SHARE, legend="{{hw_gpu_task}}"),
            panel("GPU memory in use", most(names.GPU_MEMORY_UTILIZATION), SHARE),
            panel("GPU memory of the service", used_by_service, BYTES),
            panel(
                "GPU temperature",
                most(names.HARDWARE_TEMPERATURE, _ONLY_GPUS, by=(names.HW_SENSOR_LOCATION,)),
                CELSIUS,
                legend="{{hw_sensor_location}}",
            ),
            panel("GPU power", most(names.HARDWARE_POWER, _ONLY_GPUS), WATTS),
            panel("GPU clocks", most(names.GPU_SPEED, by=(names.HW_GPU_CLOCK,)), HERTZ, legend="{{hw_gpu_clock}}"),
            panel(
                "GPU traffic",
                fastest(names.GPU_IO, by=(names.NETWORK_IO_DIRECTION, names.HW_GPU_LINK)),
                BYTES_PER_SECOND,
                legend="{{hw_gpu_link}} {{network_io_direction}}",
            ),
            panel(
                "GPU errors",
                fastest(names.HARDWARE_ERRORS, by=(ERROR_TYPE,)),
                ERRORS_PER_SECOND,
                legend="{{error_type}}",
            ),
            panel(
                "GPU slowed down",
                most(names.GPU_THROTTLED, by=(names.HW_GPU_THROTTLE_REASON,)),
                COUNT,
                legend="{{hw_gpu_throttle_reason}}",
            ),
        ),
    )
