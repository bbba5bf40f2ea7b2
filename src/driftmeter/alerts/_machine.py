"""Alerts on GPUs, and on what driftmeter itself loses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from driftmeter import semconv, semconv_hardware
from driftmeter.alerts._alert import Alert, Example, Monitor, Series, space
from driftmeter.alerts._settings import Settings
from driftmeter.alerts._text import APART, duration_text, number, selector
from driftmeter.prometheus_names import label_name, metric_name

_GPU_HOLD: Final = 600.0
_GPUS: Final = (
    (
        "ModelGpuMemory",
        semconv_hardware.GPU_MEMORY_UTILIZATION,
        "",
        "gpu_memory",
        "the memory of GPU {{ $labels.hw_id }} is full",
        "More than {limit:g} of its memory has been in use for ten minutes: the next allocation may fail.",
    ),
    (
        "ModelGpuTemperature",
        semconv_hardware.HARDWARE_TEMPERATURE,
        # The memory has a sensor of its own, and may be warmer.
        'hw_type="gpu", hw_sensor_location!="MEMORY"',
        "gpu_temperature",
        "GPU {{ $labels.hw_id }} is hot",
        "It has been above {limit:g} degrees Celsius for ten minutes, and will slow down or already does.",
    ),
)
_LOSSES: Final = (
    (
        "DriftmeterRowsDropped",
        semconv.SELF_DROPPED_ROWS,
        "{{ $labels.ml_model_name }}: rows were not sketched",
        "Rows were predicted and are in no sketch, so signals speak of a part of the traffic.",
    ),
    (
        "DriftmeterRowsLate",
        semconv.SELF_LATE_ROWS,
        "{{ $labels.ml_model_name }}: rows came too late for any window",
        "Rows came after the last window that could hold them; a longer grace would take them in.",
    ),
    (
        "DriftmeterPointsDropped",
        semconv.SELF_DROPPED_POINTS,
        "{{ $labels.ml_model_name }}: sketches were left out of exports",
        "An export had max_points; models that did not fit were left out. Their signals were sent all the same.",
    ),
    (
        "DriftmeterCallsUnreadable",
        semconv.SELF_UNREADABLE,
        "{{ $labels.ml_model_name }}: the rows of calls cannot be read",
        "Calls took their rows in a form that driftmeter does not read; the service's log says once which.",
    ),
    (
        "DriftmeterErrors",
        semconv.SELF_ERRORS,
        "driftmeter swallows errors of its own ({{ $labels.error_type }})",
        "Something went wrong in driftmeter; the model was not affected. The service's log has the trace.",
    ),
)


def gpu_alerts(settings: Settings) -> Iterator[Alert]:
    """Yield the alerts on GPUs."""
    for name, metric, matchers, limit_name, says, meaning in _GPUS:
        limit = getattr(settings, limit_name)
        series = metric_name(metric, settings.naming)
        cause = {"job": "shop", "hw_id": "GPU-1", "hw_type": "gpu"}
        yield Alert(
            name=name,
            severity="ticket",
            signal="gpu",
            expr=f"max {APART} ({selector(series, matchers)}) > {number(limit)}",
            hold=_GPU_HOLD,
            summary=says,
            description=meaning.format(limit=limit),
            example=Example(
                series={Series({**cause, "instance": "a"})(series): f"{number(limit + 1)}x{5 + round(_GPU_HOLD)}"},
                at=_GPU_HOLD + 2 * settings.beat,
                labels=cause,
            ),
            monitors=(
                Monitor(
                    query=space(f"max:{metric.name}", "*", by=("hw.id",)),
                    aggregate="min",
                    over=_GPU_HOLD,
                    compare=">",
                    threshold=limit,
                ),
            ),
        )


def loss_alerts(settings: Settings) -> Iterator[Alert]:
    """Yield the alerts on what driftmeter loses."""
    window = max(settings.config.window, 10 * settings.tick)
    for name, metric, says, meaning in _LOSSES:
        series, within = metric_name(metric, settings.naming), duration_text(window)
        attribute = semconv.ERROR_TYPE if metric is semconv.SELF_ERRORS else semconv.ML_MODEL_NAME
        cause = {"job": "shop", label_name(attribute): "another"}
        ticks = round(window / settings.beat) + 9
        yield Alert(
            name=name,
            severity="ticket",
            signal="driftmeter",
            # A counter begins with its first loss, which `increase` does not see.
            expr=(f"sum {APART} (increase({series}[{within}]) > 0 or ({series} > 0 unless {series} offset {within}))"),
            summary=says,
            description=f"In the last {within}: {meaning[0].lower()}{meaning[1:]}",
            example=Example(
                series={Series({**cause, "instance": "a"})(series): f"_x{ticks} 7x5"},
                at=(ticks + 3) * settings.beat,
                labels=cause,
            ),
            monitors=(
                Monitor(
                    query=space(f"sum:{metric.name}", "*", by=(attribute,), count=True),
                    aggregate="sum",
                    over=window,
                    compare=">",
                    threshold=0,
                ),
            ),
        )
