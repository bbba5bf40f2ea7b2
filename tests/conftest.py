"""A hand-made SDK for tests that watch models in this process."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import driftmeter

# Fixtures that start real backends, for all tests: see tests/backend_kit.
pytest_plugins = ("backend_kit._fixtures",)

# In CI the same examples every time: a rare one that fails is found by whoever looks for it, not by whoever comes next.
hypothesis.settings.register_profile("driftmeter", derandomize=bool(os.environ.get("CI")), deadline=None)
hypothesis.settings.load_profile("driftmeter")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave slow tests out of a plain run."""
    if item.get_closest_marker("slow") and "slow" not in item.config.option.markexpr:
        pytest.skip("slow: pytest -m slow")


DELTA = {Counter: AggregationTemporality.DELTA, Histogram: AggregationTemporality.DELTA}


def collect(reader: InMemoryMetricReader) -> dict[str, list[Any]]:
    """Return the data points of one collection, by metric."""
    data = reader.get_metrics_data()
    points: defaultdict[str, list[Any]] = defaultdict(list)
    for resource_metrics in data.resource_metrics if data is not None else ():
        for scope_metrics in resource_metrics.scope_metrics:
            for metric in scope_metrics.metrics:
                points[metric.name] += metric.data.data_points
    return points


def counts(points: dict[str, list[Any]]) -> dict[str, int]:
    """Return by column how many values the sketches hold."""
    by_column: defaultdict[str, int] = defaultdict(int)
    for metric in ("ml.column.value", "ml.column.categories", "ml.column.missing", "ml.column.invalid"):
        for point in points.get(metric, ()):
            by_column[point.attributes["ml.column.name"]] += point.count if metric == "ml.column.value" else point.value
    return dict(by_column)


class Sdk:
    """Meter provider with a cumulative and a delta reader, tracer provider that keeps its spans."""

    def __init__(self) -> None:
        self.cumulative = InMemoryMetricReader()
        self.delta = InMemoryMetricReader(preferred_temporality=DELTA)
        self.meter_provider = MeterProvider([self.cumulative, self.delta], resource=Resource({"service.name": "t"}))
        self.exporter = InMemorySpanExporter()
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def watch(self, **settings: Any) -> None:
        """Start driftmeter on these providers."""
        settings.setdefault("window", "1h")
        settings.setdefault("step", settings["window"])
        # What a machine says of itself is no business of most tests.
        settings = {"gpu_metrics": False, "host_metrics": False, **settings}
        driftmeter.instrument(meter_provider=self.meter_provider, tracer_provider=self.tracer_provider, **settings)

    def spans(self) -> list[Any]:
        """Return the spans that ended since the last call."""
        ended = list(self.exporter.get_finished_spans())
        self.exporter.clear()
        return ended

    collect = staticmethod(collect)

    def told(self, reader: InMemoryMetricReader) -> dict[str, int]:
        """Return by column how many values one collection of a reader holds."""
        return counts(collect(reader))

    def counts(self) -> dict[str, int]:
        """Return by column how many values were recorded since the last call."""
        return self.told(self.delta)


@pytest.fixture
def sdk(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sdk]:
    """An SDK of the test's own; driftmeter is shut down after the test."""
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))
    made = Sdk()
    yield made
    driftmeter.shutdown()
    made.meter_provider.shutdown()
