"""What NVML keeps as numbered fields: counters, most of them, that its functions do not tell or tell slowly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from driftmeter import semconv
from driftmeter import semconv_hardware as names

_ALL_LINKS: Final = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its number in nvml.h, and the metric that it is told as."""

    number: int
    metric: semconv.Metric
    attributes: Mapping[str, str] = field(default_factory=dict)
    factor: float = 1
    """From the driver's unit to the metric's."""
    scope: int = 0


def _bytes(number: int, link: str, direction: str, *, factor: int = 1, scope: int = 0) -> Field:
    attributes = {names.NETWORK_IO_DIRECTION: direction, names.HW_GPU_LINK: link}
    return Field(number, names.GPU_IO, attributes, factor, scope)


FIELDS: Final = (
    Field(3, names.HARDWARE_ERRORS, {semconv.ERROR_TYPE: "corrected"}),
    Field(4, names.HARDWARE_ERRORS, {semconv.ERROR_TYPE: "uncorrected"}),
    Field(82, names.HARDWARE_TEMPERATURE, {names.HW_SENSOR_LOCATION: "MEMORY"}),
    Field(83, names.HARDWARE_ENERGY, factor=0.001),
    _bytes(138, "nvlink", "transmit", factor=1024, scope=_ALL_LINKS),
    _bytes(139, "nvlink", "receive", factor=1024, scope=_ALL_LINKS),
    _bytes(197, "pcie", "transmit"),
    _bytes(198, "pcie", "receive"),
)
"""ECC errors since the driver was loaded, the memory's temperature, millijoules, KiB over NVLink, bytes over PCIe.

pynvml names the last two only since its release 12.545, so all go by their numbers.
"""

_MEMBERS: Final = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")
"""The members of the union that holds an answer, by the answer's type."""


def decoded(answer: Any) -> int | float:
    """Return the number in an answer."""
    value: int | float = getattr(answer.value, _MEMBERS[answer.valueType])
    return value
