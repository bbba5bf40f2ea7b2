"""The other ways to the same: the fallback exporter, and children of a fork."""

from __future__ import annotations

import os
import signal
from collections import Counter

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)

import driftmeter
from driftmeter.exporter import SketchExporter
from driftmeter.schema import Model


def _counts(metrics) -> Counter:
    counts: Counter = Counter()
    for metric in metrics:
        if metric.name == "ml.column.value":
            for point in metric.data.data_points:
                counts[point.attributes["ml.model.name"]] += point.count
    return counts


class _Kept(MetricExporter):
    """An exporter that keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.exported: list[MetricsData] = []
        self.calls: list[str] = []

    def export(self, metrics_data, timeout_millis=10_000, **kwargs):
        self.exported.append(metrics_data)
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis=10_000):
        self.calls.append("flush")
        return True

    def shutdown(self, timeout_millis=30_000, **kwargs):
        self.calls.append("shutdown")


class TestFallbackExporter:
    @staticmethod
    def _names(data) -> Counter:
        return Counter(m.name for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics)

    def test_it_sends_the_same_as_a_joined_reader(self) -> None:
        joined, inner = _Kept(), _Kept()
        wrapped = SketchExporter(inner)
        readers = [PeriodicExportingMetricReader(e, export_interval_millis=3_600_000) for e in (joined, wrapped)]
        provider = MeterProvider(readers)
        driftmeter.instrument(meter_provider=provider, window="1h")
        try:
            for rows in (3, 4):
                driftmeter.record(model="m", features={"x": [1.0] * rows, "c": ["a"] * rows})
                provider.force_flush()
        finally:
            driftmeter.shutdown()
            provider.shutdown()
        for told in (joined, inner):
            assert [count for count in map(self._counts, told.exported) if count] == [{"m": 3}, {"m": 7}, {"m": 7}]
            assert all(len(data.resource_metrics) == 1 for data in told.exported)
            assert max(max(self._names(data).values()) for data in told.exported) == 1
        assert self._names(joined.exported[-1]) == self._names(inner.exported[-1])

    def test_it_alone_is_told_of_rows_before_its_first_export(self) -> None:
        inner = _Kept()
        provider = MeterProvider([PeriodicExportingMetricReader(SketchExporter(inner), 3_600_000)])
        driftmeter.instrument(meter_provider=provider, window="1h")
        try:
            driftmeter.record(model="m", features={"x": [1.0] * 3})
            provider.force_flush()
        finally:
            driftmeter.shutdown()
            provider.shutdown()
        assert self._counts(inner.exported[0]) == {"m": 3}

    @staticmethod
    def _counts(data) -> Counter:
        return _counts(m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics)

    def test_it_is_the_exporter_it_wraps_where_nothing_is_watched(self) -> None:
        inner = _Kept()
        wrapped = SketchExporter(inner)
        data = MetricsData([])
        assert wrapped.export(data) is MetricExportResult.SUCCESS
        assert inner.exported == [data]
        wrapped.force_flush()
        wrapped.shutdown()
        assert inner.calls == ["flush", "shutdown"]
        assert wrapped._preferred_temporality == inner._preferred_temporality

    def test_an_error_of_ours_does_not_cost_the_export(self, monkeypatch) -> None:
        from driftmeter.exporter import _otlp_exporter
        from driftmeter.recorder import guard

        def planted():
            raise RuntimeError("planted")

        monkeypatch.setattr(guard, "raises", False)
        monkeypatch.setattr(_otlp_exporter, "host", planted)
        inner = _Kept()
        data = MetricsData([])
        assert SketchExporter(inner).export(data) is MetricExportResult.SUCCESS
        assert inner.exported == [data]

    def test_it_is_found_under_its_entry_point(self) -> None:
        from importlib.metadata import entry_points

        (point,) = entry_points(group="opentelemetry_metrics_exporter", name="driftmeter_otlp")
        assert point.load() is SketchExporter

    @pytest.mark.parametrize(
        ("variables", "module"),
        [
            ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, "http"),
            ({"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http"),
            ({}, "grpc"),
        ],
    )
    def test_the_protocol_is_the_configured_one(self, variables, module, monkeypatch) -> None:
        for name in ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        exporter = SketchExporter()
        assert f".proto.{module}." in type(exporter._inner).__module__
        exporter.shutdown()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_starts_empty_and_the_parent_keeps_its_rows(sdk) -> None:
    sdk.watch()
    driftmeter.record(model="m", features={"x": [1.0, 2.0]})
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        # The child must leave by os._exit, or it would run the rest of the tests; and never hang.
        signal.alarm(30)
        try:
            driftmeter.record(model="m", features={"x": [3.0]})
            told = [sdk.told(reader) for reader in (sdk.cumulative, sdk.delta)]
            os.write(writing, repr(told).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read().decode()
    os.waitpid(child, 0)
    assert told == "[{'x': 1}, {'x': 1}]"
    assert sdk.told(sdk.cumulative) == sdk.told(sdk.delta) == {"x": 2}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_of_a_parent_that_held_every_lock_works(sdk) -> None:
    from driftmeter.exporter._lifecycle import host
    from driftmeter.recorder import active

    sdk.watch()
    driftmeter.record(model="m", features={"x": [1.0]})
    recorder = active().recorder(Model("m"))
    locks = [recorder._lock, recorder._sketching, active()._lock, host()._lock]
    for lock in locks:
        lock.acquire()
    child = os.fork()
    if not child:
        code = 1
        signal.alarm(30)
        try:
            driftmeter.record(model="m", features={"x": [3.0]})
            code = 0 if sdk.told(sdk.delta) == {"x": 1} else 2
        finally:
            os._exit(code)
    for lock in locks:
        lock.release()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
