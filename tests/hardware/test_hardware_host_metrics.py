"""The process and its host: a small set, told once, by one's own process, and by nobody else's leave."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator

import pytest
from opentelemetry.instrumentation.system_metrics import SystemMetricsInstrumentor
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

import driftmeter
from driftmeter import hardware, semconv_hardware
from driftmeter.hardware import _host_metrics
from driftmeter.hardware._gate import over_cpus

EXCLUDED = "OTEL_PYTHON_SYSTEM_METRICS_EXCLUDED_METRICS"
NAMES = {metric.name for metric in semconv_hardware.HOST_METRICS}


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No instrumentor before the test, and none left behind."""
    monkeypatch.delenv(EXCLUDED, raising=False)
    yield
    driftmeter.shutdown()
    one = SystemMetricsInstrumentor.__new__(SystemMetricsInstrumentor)
    if one.is_instrumented_by_opentelemetry:
        one.uninstrument()


def told(sdk) -> dict[str, list]:
    """Return the points of a collection of these metrics, without the first, which has nothing to compare with."""
    sdk.collect(sdk.cumulative)
    time.sleep(0.02)
    return {name: points for name, points in sdk.collect(sdk.cumulative).items() if name.startswith(("proc", "system"))}


def test_a_small_set_arrives_with_the_kinds_units_and_attributes_that_are_documented(sdk) -> None:
    sdk.watch(host_metrics=True)
    sdk.cumulative.get_metrics_data()
    (resource_metrics,) = sdk.cumulative.get_metrics_data().resource_metrics
    assert resource_metrics.resource.attributes["service.name"] == "t"
    found = {
        metric.name: (type(metric.data).__name__, metric.unit, metric.data.data_points)
        for scope in resource_metrics.scope_metrics
        if scope.scope.name.endswith("system_metrics")
        for metric in scope.metrics
    }
    kinds = {"gauge": "Gauge", "counter": "Sum", "up_down_counter": "Sum"}
    assert found.keys() == NAMES
    for metric in semconv_hardware.HOST_METRICS:
        kind, unit, points = found[metric.name]
        assert (kind, unit) == (kinds[metric.kind], metric.unit)
        assert {name for point in points for name in point.attributes} == set(metric.attributes)
    assert sum(len(points) for _, _, points in found.values()) == 12


def test_a_share_since_the_last_question_is_not_told_before_there_was_one(sdk) -> None:
    sdk.watch(host_metrics=True)
    shares = {"process.cpu.utilization", "system.cpu.utilization"}
    assert shares.isdisjoint(sdk.collect(sdk.cumulative))
    assert shares <= sdk.collect(sdk.cumulative).keys()
    elsewhere: list[dict] = []
    thread = threading.Thread(target=lambda: elsewhere.append(sdk.collect(sdk.cumulative)))
    thread.start()
    thread.join(20)
    assert shares.isdisjoint(elsewhere[0])


def test_cpus_are_told_together() -> None:
    shares = {"idle": (0.9, 0.5, 0.1, 0.5), "user": (0.1, 0.5, 0.9, 0.3)}
    each = [
        Observation(share, {"state": state, "cpu": cpu + 1})
        for state, of_cpus in shares.items()
        for cpu, share in enumerate(of_cpus)
    ]
    together = {observation.attributes["state"]: observation for observation in over_cpus(each)}
    assert together["idle"].value == pytest.approx(0.5)
    assert together["user"].value == pytest.approx(0.45)
    assert together["idle"].attributes == {"state": "idle"}


def test_nothing_is_told_where_it_is_switched_off(sdk) -> None:
    sdk.watch(host_metrics=False)
    assert told(sdk) == {}


@pytest.mark.parametrize("names", ["system_metrics", "flask, system_metrics", "*"])
def test_opentelemetrys_own_switch_holds_too(names, sdk, monkeypatch) -> None:
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", names)
    sdk.watch(host_metrics=True)
    assert told(sdk) == {}


def test_what_the_user_leaves_out_is_left_out(sdk, monkeypatch) -> None:
    monkeypatch.setenv(EXCLUDED, "system.*, process.thread.count")
    sdk.watch(host_metrics=True)
    assert told(sdk).keys() == {"process.cpu.time", "process.cpu.utilization", "process.memory.usage"}


def test_after_shutdown_nothing_is_told_and_after_another_start_each_point_once(sdk, caplog) -> None:
    sdk.watch(host_metrics=True)
    before = told(sdk)
    driftmeter.shutdown()
    assert told(sdk) == {}
    sdk.watch(host_metrics=True)
    again = told(sdk)
    assert {name: len(points) for name, points in again.items()} == {name: len(p) for name, p in before.items()}
    assert "already" not in caplog.text


def test_of_two_providers_only_the_one_in_force_is_told(sdk) -> None:
    sdk.watch(host_metrics=True)
    assert told(sdk).keys() == NAMES
    other = InMemoryMetricReader()
    provider = MeterProvider([other])
    driftmeter.instrument(meter_provider=provider, host_metrics=True, gpu_metrics=False)
    assert told(sdk) == {}
    assert "process.cpu.time" in sdk.collect(other)
    sdk.watch(host_metrics=True)
    assert told(sdk).keys() == NAMES
    assert "process.cpu.time" not in sdk.collect(other)
    provider.shutdown()


def test_one_that_somebody_else_has_started_is_left_as_it_is(sdk, caplog) -> None:
    SystemMetricsInstrumentor(config={"process.disk.io": ["read"]}).instrument(meter_provider=sdk.meter_provider)
    sdk.watch(host_metrics=True)
    assert told(sdk).keys() == {"process.disk.io"}
    driftmeter.shutdown()
    assert told(sdk).keys() == {"process.disk.io"}
    assert "already" not in caplog.text


def test_after_shutdown_others_can_start_theirs(sdk, caplog) -> None:
    sdk.watch(host_metrics=True)
    driftmeter.shutdown()
    SystemMetricsInstrumentor(config={"process.disk.io": ["read"]}).instrument(meter_provider=sdk.meter_provider)
    assert told(sdk).keys() == {"process.disk.io"}
    assert "already" not in caplog.text


def test_holding_back_leaves_the_environment_as_it_was(monkeypatch) -> None:
    hardware.hold_back()
    assert os.environ[EXCLUDED] == "*"
    assert _host_metrics.let_go()
    assert EXCLUDED not in os.environ
    monkeypatch.setenv(EXCLUDED, "system.*")
    hardware.hold_back()
    assert not _host_metrics.let_go()
    assert os.environ[EXCLUDED] == "system.*"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_tells_of_itself_and_not_of_its_parent(sdk) -> None:
    sdk.watch(host_metrics=True)
    end = threading.Event()
    threads = [threading.Thread(target=end.wait, args=(20,)) for _ in range(20)]
    for thread in threads:
        thread.start()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, json.dumps(told(sdk)["process.thread.count"][0].value).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        of_child = json.loads(pipe.read())
    os.waitpid(child, 0)
    of_parent = told(sdk)["process.thread.count"][0].value
    end.set()
    assert of_child <= of_parent - 20
