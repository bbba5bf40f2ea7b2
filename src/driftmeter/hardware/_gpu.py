"""What is known of one GPU, and what it said of itself at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from driftmeter import semconv
from driftmeter import semconv_hardware as names


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU, or one MIG instance of a GPU."""

    id: str
    """Its UUID: ``GPU-...`` or ``MIG-...``."""
    name: str
    model: str
    driver: str
    parent: str = ""
    """Of a MIG instance, the UUID of its GPU."""

    def attributes(self, metric: semconv.Metric) -> dict[str, str]:
        """Return the attributes that a metric has of the GPU; what is not known is left out."""
        known = {
            names.HW_ID: self.id,
            names.HW_TYPE: "gpu",
            names.HW_NAME: self.name,
            names.HW_MODEL: self.model,
            names.HW_VENDOR: "NVIDIA",
            names.HW_DRIVER_VERSION: self.driver,
            names.HW_PARENT: self.parent,
        }
        return {name: value for name, value in known.items() if value and name in metric.attributes}


@dataclass(frozen=True, slots=True)
class Value:
    """One number that a GPU said, with what tells it from the others of its metric."""

    metric: semconv.Metric
    number: int | float
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reading:
    """All that one GPU said at one moment. What the driver refused is not in it."""

    gpu: Gpu
    at: float
    """The poller's clock, in seconds."""
    values: tuple[Value, ...]
