"""Fixtures that start backends, and the rule for which tests with them run: a pytest plugin, for all tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from backend_kit._alertmanager import Alertmanager
from backend_kit._collector import Collector
from backend_kit._gateway import Gateway
from backend_kit._jaeger import Jaeger
from backend_kit._process import Process
from backend_kit._prometheus import Prometheus

FIXTURES = {"backends", "prometheus", "alertmanager", "jaeger"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Mark what starts a backend, before ``-m`` chooses by marks."""
    for item in items:
        if FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("backends")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave these tests out of a plain run, which needs no Go and stays short."""
    if item.get_closest_marker("backends") and "backends" not in item.config.option.markexpr:
        pytest.skip("needs real backends: tools/backends && pytest -m backends")


class Backends:
    """Starts backends, each in a folder of its own; `kill` ends those that are still there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[Process] = []

    def _start(self, kind: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        folder = self._folder / f"{kind.__name__.lower()}-{len(self._started)}"
        process = kind(folder, *arguments, **options)
        self._started.append(process)
        process.start()
        return process

    def prometheus(self, **options: Any) -> Prometheus:
        """Start a Prometheus; options are those of the class."""
        started: Prometheus = self._start(Prometheus, **options)
        return started

    def alertmanager(self, **options: Any) -> Alertmanager:
        """Start an Alertmanager; options are those of the class."""
        started: Alertmanager = self._start(Alertmanager, **options)
        return started

    def collector(self, *files: Path | str, **options: Any) -> Collector:
        """Start a collector with files of configuration; options are those of the class."""
        started: Collector = self._start(Collector, files, **options)
        return started

    def gateway(self, endpoint: str, **options: Any) -> Gateway:
        """Start a gateway that sends on to an endpoint; options are those of the class."""
        started: Gateway = self._start(Gateway, endpoint, **options)
        return started

    def jaeger(self) -> Jaeger:
        """Start a Jaeger."""
        started: Jaeger = self._start(Jaeger)
        return started

    def add(self, process: Any) -> Any:
        """Take any further process that has `kill`, and return it."""
        self._started.append(process)
        return process

    def kill(self) -> None:
        """End all, the last one first."""
        for process in reversed(self._started):
            process.kill()


@pytest.fixture
def backends(tmp_path: Path) -> Iterator[Backends]:
    """Start backends; all are gone after the test."""
    made = Backends(tmp_path)
    yield made
    made.kill()


@pytest.fixture
def prometheus(backends: Backends) -> Prometheus:
    """A Prometheus of the test's own, without rules."""
    return backends.prometheus()


@pytest.fixture
def alertmanager(backends: Backends) -> Alertmanager:
    """An Alertmanager of the test's own, which tells nobody."""
    return backends.alertmanager()


@pytest.fixture
def jaeger(backends: Backends) -> Jaeger:
    """A Jaeger of the test's own, without traces."""
    return backends.jaeger()
