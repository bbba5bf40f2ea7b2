"""A driver that is stood in for, and what it says by the metrics that arrive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import fake_nvml
import pytest
from fake_nvml import FakeGpu, FakeNvml

from driftmeter.hardware import _gpu_metrics, _poller


@pytest.fixture
def gpu() -> FakeGpu:
    return FakeGpu("GPU-8f6e3c1a-2b4d-4c7e-9a10-5d3f7b9e2c44")


@pytest.fixture
def nvml(gpu) -> Iterator[FakeNvml]:
    """The driver, with one GPU."""
    library = FakeNvml(gpu)
    fake_nvml.install(library)
    yield library
    fake_nvml.install(None)


class Watched:
    """driftmeter on an SDK of the test's own, whose poller is moved by the test."""

    def __init__(self, sdk: Any) -> None:
        self._sdk = sdk
        sdk.watch(gpu_metrics=True)

    @property
    def poller(self) -> Any:
        assert _gpu_metrics._poller is not None
        return _gpu_metrics._poller

    def points(self, *, poll: bool = True) -> dict[str, dict[Any, Any]]:
        """Return by metric the values of one collection, by the attributes that are not the GPU's own."""
        if poll:
            self.poller.poll()
        found: dict[str, dict[Any, Any]] = {}
        for name, points in self._sdk.collect(self._sdk.cumulative).items():
            if name.startswith(("hw.", "process.gpu.")):
                found[name] = {key(point.attributes): point.value for point in points}
        return found


def key(attributes: Any) -> Any:
    """What tells a point from the others of its metric: its GPU's id where there is nothing else."""
    own = {"hw.type", "hw.name", "hw.model", "hw.vendor", "hw.driver_version", "hw.parent"}
    told = [str(value) for name, value in sorted(attributes.items()) if name not in own and name != "hw.id"]
    return (attributes["hw.id"], *told)


@pytest.fixture
def watched(sdk, nvml, monkeypatch) -> Watched:
    monkeypatch.setattr(_poller, "_FIRST", 3600.0)  # the thread waits; the test polls
    return Watched(sdk)
