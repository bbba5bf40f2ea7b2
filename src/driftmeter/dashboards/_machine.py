"""The panels of what a model runs on: process and host, and GPUs."""

from __future__ import annotations

from typing import Final

from driftmeter import semconv_hardware as names
from driftmeter.dashboards._panel import BYTES, COUNT, SHARE, Panel, Query, Section
from driftmeter.dashboards._settings import Scope
from driftmeter.prometheus_names import Naming
from driftmeter.semconv import Metric

_BYTES_PER_SECOND: Final = "binBps"
_ERRORS_PER_SECOND: Final = "suffix: errors/s"
_INSTANCE: Final = "{{instance}}"
_GPU: Final = "{{hw_name}} {{hw_id}}"
_NO_GPU: Final = "no GPU"
_NO_HOST: Final = "this service tells nothing of its host"


def host_section(naming: Naming) -> Section:
    """Return the panels of the service's processes and their hosts."""
    service = Scope(naming, ('job="$service"',))

    def panel(title: str, expr: str, unit: str, *, legend: str = "") -> Panel:
        query = Query(expr=expr, legend=f"{_INSTANCE} {legend}".strip())
        return Panel(kind="series", title=title, queries=(query,), unit=unit, width=8, empty=_NO_HOST)

    def of_each(metric: Metric, *matchers: str, by: str = "", together: str = "max") -> str:
        grouped = f"instance, {by}" if by else "instance"
        return f"{together} by ({grouped}) ({service.of(metric, *matchers)})"

    return Section(
        "Process and host",
        (
            panel("CPU of the process", of_each(names.PROCESS_CPU_UTILIZATION), SHARE),
            panel("Memory of the process", of_each(names.PROCESS_MEMORY_USAGE), BYTES),
            panel("Threads of the process", of_each(names.PROCESS_THREAD_COUNT), COUNT),
            panel(
                "CPU of the host",
                # Other sources of the metric tell of each CPU.
                of_each(names.SYSTEM_CPU_UTILIZATION, by="state", together="avg"),
                SHARE,
                legend="{{state}}",
            ),
            panel("Memory of the host", of_each(names.SYSTEM_MEMORY_USAGE, by="state"), BYTES, legend="{{state}}"),
            panel(
                "Memory of the host in use",
                # Others tell the other states as well. They overlap, so all of them add up to more than 1.
                of_each(names.SYSTEM_MEMORY_UTILIZATION, 'state="used"'),
                SHARE,
            ),
        ),
    )


def gpu_section(naming: Naming) -> Section:
    """Return the panels of the GPUs that the service's processes see; each tells of all of them, so the most counts."""
    service = Scope(naming, ('job="$service"',))

    def panel(title: str, expr: str, unit: str, *, legend: str = "") -> Panel:
        query = Query(expr=expr, legend=f"{_GPU} {legend}".strip())
        return Panel(kind="series", title=title, queries=(query,), unit=unit, width=8, empty=_NO_GPU)

    def most(metric: Metric, *matchers: str, by: str = "") -> str:
        return f"max by ({_gpu_labels(by)}) ({service.of(metric, *matchers)})"

    def fastest(metric: Metric, *, by: str = "") -> str:
        return f"max by ({_gpu_labels(by)}) (rate({service.of(metric)}[$__rate_interval]))"

    used_by_service = f"sum by ({_gpu_labels('')}) ({service.of(names.GPU_PROCESS_MEMORY_USAGE)})"
    return Section(
        "GPU",
        (
            panel("GPU busy", most(names.GPU_UTILIZATION, by="hw_gpu_task"), SHARE, legend="{{hw_gpu_task}}"),
            panel("GPU memory in use", most(names.GPU_MEMORY_UTILIZATION), SHARE),
            panel("GPU memory of the service", used_by_service, BYTES),
            panel(
                "GPU temperature",
                most(names.HARDWARE_TEMPERATURE, 'hw_type="gpu"', by="hw_sensor_location"),
                "celsius",
                legend="{{hw_sensor_location}}",
            ),
            panel("GPU power", most(names.HARDWARE_POWER, 'hw_type="gpu"'), "watt"),
            panel("GPU clocks", most(names.GPU_SPEED, by="hw_gpu_clock"), "hertz", legend="{{hw_gpu_clock}}"),
            panel(
                "GPU traffic",
                fastest(names.GPU_IO, by="network_io_direction, hw_gpu_link"),
                _BYTES_PER_SECOND,
                legend="{{hw_gpu_link}} {{network_io_direction}}",
            ),
            panel(
                "GPU errors",
                fastest(names.HARDWARE_ERRORS, by="error_type"),
                _ERRORS_PER_SECOND,
                legend="{{error_type}}",
            ),
            panel(
                "GPU slowed down",
                most(names.GPU_THROTTLED, by="hw_gpu_throttle_reason"),
                COUNT,
                legend="{{hw_gpu_throttle_reason}}",
            ),
        ),
    )


def _gpu_labels(by: str) -> str:
    return f"hw_id, hw_name, {by}" if by else "hw_id, hw_name"
