from __future__ import annotations

import functools
import re
import threading
import time
from collections import Counter

import numpy as np
import pytest
from opentelemetry import _logs
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ConsoleMetricExporter,
    InMemoryMetricReader,
    MetricReader,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource

import driftmeter
from driftmeter.config import Config
from driftmeter.exporter import Host
from driftmeter.exporter import _sdk as private
from driftmeter.recorder import Registry
from driftmeter.schema import Model
from driftmeter.tables import tabulate

SECOND = 1_000_000_000


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> int:
        return round(self.seconds * SECOND)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(clock) -> Registry:
    return Registry(Config(window=10, step=10), clock=clock)


def _record(registry: Registry, rows: int, *, model: str = "m", value: float = 1.0) -> None:
    registry.recorder(Model(model)).record([("feature", tabulate({"x": np.full(rows, value)}))])


def _counts(metrics) -> Counter:
    counts: Counter = Counter()
    for metric in metrics:
        if metric.name == "ml.column.value":
            for point in metric.data.data_points:
                counts[point.attributes["ml.model.name"]] += point.count
    return counts


class TestPrivateNames:
    """The SDK's private parts that `_sdk` leans on; when one goes, this says which."""

    def test_a_reader_has_a_collect_callback_that_can_be_replaced(self) -> None:
        reader = InMemoryMetricReader()
        assert reader._collect is None
        provider = MeterProvider([reader])
        assert callable(reader._collect)
        MetricReader._set_collect_callback(reader, reader._collect)
        assert provider._metric_readers == (reader,) or list(provider._metric_readers) == [reader]
        assert provider._disabled is False
        assert provider._sdk_config.resource == private.provider_resource(provider)
        provider.shutdown()

    def test_a_periodic_reader_names_its_exporter_and_its_temporality(self) -> None:
        exporter = ConsoleMetricExporter()
        reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
        assert private.exporter_of(reader) is exporter
        assert isinstance(reader._preferred_temporality, dict) or reader._preferred_temporality is None
        assert private.temporality_of(reader) is AggregationTemporality.CUMULATIVE
        provider = MeterProvider([reader])
        provider.shutdown()

    def test_a_disabled_provider_has_no_readers(self, monkeypatch) -> None:
        monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
        provider = MeterProvider([InMemoryMetricReader()])
        assert private.readers(provider) == []
        assert private.disabled()

    def test_without_them_the_log_says_once_what_to_set(self, registry, caplog) -> None:
        class Changed:
            _metric_readers = (object(), object())

        host = Host(registry)
        host.attach(Changed())
        host.attach(Changed())
        assert not host.attached
        (record,) = caplog.records
        assert "OTEL_METRICS_EXPORTER=driftmeter_otlp" in record.getMessage()

    def test_a_provider_that_does_not_name_its_readers_is_told_of_too(self, registry, caplog) -> None:
        class Changed(MeterProvider):
            def __init__(self) -> None:
                """Without the attributes of today's."""

        host = Host(registry)
        host.attach(Changed())
        host.attach(Changed())
        (record,) = caplog.records
        assert "OTEL_METRICS_EXPORTER=driftmeter_otlp" in record.getMessage()


class TestCollections:
    def test_each_reader_is_told_all_rows_at_its_own_times(self, registry, clock) -> None:
        host = Host(registry)
        host.add_reader("delta", AggregationTemporality.DELTA)
        host.add_reader("cumulative", AggregationTemporality.CUMULATIVE)
        told: dict[str, list[int]] = {"delta": [], "cumulative": []}
        for at, reader in enumerate(["delta", "delta", "cumulative", "delta", "cumulative", "cumulative", "delta"]):
            _record(registry, at + 1)
            clock.seconds += 1
            told[reader].append(_counts(host.collect(reader))["m"])
        assert told == {"delta": [1, 2, 7, 18], "cumulative": [6, 15, 21]}

    def test_a_quiet_interval_says_nothing_in_delta_and_the_same_again_in_cumulative(self, registry, clock) -> None:
        host = Host(registry)
        host.add_reader("delta", AggregationTemporality.DELTA)
        host.add_reader("cumulative", AggregationTemporality.CUMULATIVE)
        _record(registry, 3)
        clock.seconds += 1
        assert _counts(host.collect("delta")) == _counts(host.collect("cumulative")) == {"m": 3}
        clock.seconds += 1
        assert _counts(host.collect("delta")) == {}
        assert _counts(host.collect("cumulative")) == {"m": 3}

    def test_the_pull_reader_gets_explicit_buckets_and_no_exponential_ones(self, registry, clock) -> None:
        class PrometheusMetricReader:
            """Known by its name: the package need not be there."""

        class Own(PrometheusMetricReader):
            """A subclass of the user's."""

        reader = Own()
        host = Host(registry)
        host.add_reader(reader, private.temporality_of(reader))
        assert host.attached
        _record(registry, 100)
        clock.seconds += 11
        metrics = {metric.name: metric for metric in host.collect(reader)}
        assert "ml.window.rows" in metrics
        assert "ml.column.value" not in metrics
        (point,) = metrics["ml.column.bins"].data.data_points
        assert point.count == sum(point.bucket_counts) == 100

    def test_a_wrapper_around_our_callback_is_harmless_after_the_end(self, sdk) -> None:
        sdk.watch()
        ours = sdk.cumulative._collect
        sdk.cumulative._set_collect_callback(functools.partial(ours))
        driftmeter.shutdown()
        data = sdk.cumulative.get_metrics_data()
        scopes = {scope.scope.name for resource in data.resource_metrics for scope in resource.scope_metrics}
        assert "driftmeter.sketches" not in scopes

    def test_points_beyond_the_limit_are_whole_models_and_the_log_says_so_once(self, clock, caplog) -> None:
        registry = Registry(Config(window=10, step=10, max_points=5), clock=clock)
        host = Host(registry)
        host.add_reader("r", AggregationTemporality.CUMULATIVE)
        for model in ("a", "b", "c"):
            _record(registry, 2, model=model)
        for _ in range(3):
            assert _counts(host.collect("r")) == {"a": 2, "b": 2}
        messages = [record.getMessage() for record in caplog.records]
        assert len(messages) == 1
        assert "at most 5 sketch points" in messages[0]
        assert "the sketches of c" in messages[0]

    def test_dropped_rows_are_counted_once_by_model(self, sdk) -> None:
        sdk.watch(overflow="drop", buffer_bytes=1024)
        driftmeter.record(model="m", features={"x": np.ones(200)})
        for _ in range(2):
            sdk.collect(sdk.cumulative)
            (point,) = sdk.collect(sdk.cumulative)["driftmeter.dropped_rows"]
            assert point.value == 72
            assert point.attributes == {"ml.model.name": "m"}

    def test_many_threads_that_attach_join_each_reader_once(self, registry, monkeypatch) -> None:
        provider = MeterProvider([InMemoryMetricReader() for _ in range(3)])
        host = Host(registry)
        attach = private.attach

        def slowly(*args):
            time.sleep(0.01)
            return attach(*args)

        monkeypatch.setattr(private, "attach", slowly)
        threads = [threading.Thread(target=host.attach, args=(provider,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert len(host._detach) == 3
        provider.shutdown()

    def test_a_failure_of_ours_leaves_the_sdks_metrics_alone(self, sdk, monkeypatch) -> None:
        from driftmeter.recorder import guard

        sdk.watch()
        sdk.meter_provider.get_meter("app").create_counter("requests").add(1)

        def planted(*args):
            raise RuntimeError("planted")

        monkeypatch.setattr(guard, "raises", False)
        for where, what in ((private, "appended"), (Registry, "take")):
            monkeypatch.setattr(where, what, planted)
            assert sdk.collect(sdk.cumulative)["requests"][0].value == 1


class TestAppended:
    """What the OTLP encoder must not be given: two equal resources, two equal scopes."""

    def test_ours_go_into_the_resource_that_is_there_under_a_scope_of_our_own(self, sdk) -> None:
        from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics

        sdk.watch()
        sdk.meter_provider.get_meter("app").create_counter("requests").add(1)
        driftmeter.record(model="m", features={"x": [1.0]})
        sdk.collect(sdk.cumulative)
        encoded = encode_metrics(sdk.cumulative.get_metrics_data())
        (resource_metrics,) = encoded.resource_metrics
        scopes = {s.scope.name: {m.name for m in s.metrics} for s in resource_metrics.scope_metrics}
        assert set(scopes) == {"app", "driftmeter", "driftmeter.sketches"}
        assert "requests" in scopes["app"]
        assert "ml.column.value" in scopes["driftmeter.sketches"]
        assert "driftmeter.flush.duration" in scopes["driftmeter"]

    def test_where_the_sdk_has_nothing_the_providers_resource_stands(self) -> None:
        resource = Resource({"service.name": "s"})
        metric = object()
        data = private.appended(None, [metric], lambda: resource)
        assert data.resource_metrics[0].resource is resource
        assert private.appended(None, [], lambda: resource) is None
        data = private.appended(MetricsData([]), [metric], lambda: resource)
        assert data.resource_metrics[0].scope_metrics[0].metrics == [metric]


def test_a_prometheus_scrape_goes_through_and_shows_signals_and_columns() -> None:
    prometheus = pytest.importorskip(
        "opentelemetry.exporter.prometheus", reason="opentelemetry-exporter-prometheus is not installed"
    )
    from prometheus_client import REGISTRY, generate_latest

    reader = prometheus.PrometheusMetricReader()
    provider = MeterProvider([reader])
    driftmeter.instrument(meter_provider=provider, window="200ms", min_rows=1)
    deadline = time.monotonic() + 20
    try:
        text = generate_latest(REGISTRY).decode()
        # The signals are those of the last window, which must have had rows.
        while "ml_quality_ratio" not in text and time.monotonic() < deadline:
            driftmeter.record(model="m", features={"x": [1.0, None], "c": ["a", "b"]})
            driftmeter.record(model="versioned", version="2", features={"x": [20.0, -0.5, 0.0]})
            text = generate_latest(REGISTRY).decode()
            time.sleep(0.02)
    finally:
        driftmeter.shutdown()
        provider.shutdown()
    assert "ml_window_rows{" in text
    assert "ml_quality_ratio" in text
    assert "driftmeter_flush_duration" in text
    buckets = _buckets(text, model="versioned")
    rows = buckets["+Inf"]
    assert rows > 0
    assert [buckets[bound] / rows for bound in ("-1.0", "-0.25", "0.0", "16.0", "64.0")] == [0, 1 / 3, 2 / 3, 2 / 3, 1]
    (known,) = re.findall(r'^ml_column_categories_total\{.*ml_category="b".*\} (\S+)$', text, re.MULTILINE)
    assert float(known) > 0


def _buckets(text: str, *, model: str) -> dict[str, float]:
    """The cumulative counts of one model's column in a scrape, by upper bound."""
    lines = re.findall(r"^ml_column_bins_bucket\{(.*)\} (\S+)$", text, re.MULTILINE)
    found = {re.search(r'\ble="([^"]*)"', labels)[1]: float(value) for labels, value in lines if f'"{model}"' in labels}
    assert list(found.values()) == sorted(found.values())
    return found


def test_events_are_log_records_with_name_severity_and_body() -> None:
    from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

    from driftmeter.processor import Event

    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider()
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    logger = provider.get_logger("driftmeter")
    known = _logs.get_logger
    try:
        _logs.get_logger = lambda *args, **kwargs: logger
        private.emit([Event("ml.skew.detected", "x: moved", {"ml.model.name": "m"}, "warn", 7 * SECOND)])
    finally:
        _logs.get_logger = known
    (data,) = exporter.get_finished_logs()
    record = data.log_record
    assert (record.event_name, record.body, record.severity_text) == ("ml.skew.detected", "x: moved", "WARN")
    assert (record.timestamp, dict(record.attributes)) == (7 * SECOND, {"ml.model.name": "m"})


def test_without_signals_sketches_are_sent_alone_since_a_gateway_compares(clock) -> None:
    for signals in (True, False):
        registry = Registry(Config(window=10, step=10, signals=signals), clock=clock)
        host = Host(registry)
        host.add_reader("r", AggregationTemporality.DELTA)
        _record(registry, 100)
        clock.seconds += 20
        names = {metric.name for metric in host.collect("r")}
        assert "ml.column.value" in names
        assert ("ml.window.rows" in names) == signals
