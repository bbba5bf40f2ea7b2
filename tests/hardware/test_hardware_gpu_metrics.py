"""What a GPU says arrives under the published names; what it does not say does not arrive."""

from __future__ import annotations

import logging
import os
import time
from ctypes import c_ulonglong

import pytest
from fake_nvml import DRIVER_NOT_LOADED, GIB, LOST, NO_PERMISSION, NOT_SUPPORTED, FakeGpu
from opentelemetry.sdk.metrics import MeterProvider, ObservableCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader

import driftmeter
from driftmeter import semconv_hardware
from driftmeter.hardware import _cuda, _gpu_metrics, _poller

ID = "GPU-8f6e3c1a-2b4d-4c7e-9a10-5d3f7b9e2c44"
OTHER = "GPU-00000000-1111-2222-3333-444444444444"


def test_all_that_a_gpu_says_arrives_in_the_published_units(watched) -> None:
    points = watched.points()
    assert points == {
        "hw.gpu.utilization": {(ID, "general"): 0.75, (ID, "encoder"): 0.05, (ID, "decoder"): 0.1},
        "hw.gpu.memory.limit": {(ID,): 80 * GIB},
        "hw.gpu.memory.usage": {(ID,): 20 * GIB},
        "hw.gpu.memory.utilization": {(ID,): 0.25},
        "hw.gpu.io": {
            (ID, "pcie", "transmit"): 0,
            (ID, "pcie", "receive"): 0,
            (ID, "nvlink", "transmit"): 0,
            (ID, "nvlink", "receive"): 0,
        },
        "hw.gpu.speed": {
            (ID, "graphics"): 1_980_000_000,
            (ID, "sm"): 1_965_000_000,
            (ID, "memory"): 2_619_000_000,
        },
        "hw.gpu.throttled": {
            (ID, reason): 0
            for reason in (
                "sw_power_cap",
                "hw_slowdown",
                "sync_boost",
                "sw_thermal_slowdown",
                "hw_thermal_slowdown",
                "hw_power_brake_slowdown",
            )
        },
        "hw.power": {(ID,): 350.5},
        "hw.energy": {(ID,): 0.0},
        "hw.temperature": {(ID, "GPU"): 61, (ID, "MEMORY"): 70},
        "hw.errors": {(ID, "corrected"): 0, (ID, "uncorrected"): 0},
        "hw.status": {(ID, "ok"): 1, (ID, "degraded"): 0},
    }


def test_metrics_have_the_kind_the_unit_and_the_attributes_of_the_conventions(watched, sdk) -> None:
    watched.poller.poll()
    (resource_metrics,) = sdk.cumulative.get_metrics_data().resource_metrics
    assert resource_metrics.resource.attributes["service.name"] == "t"  # the model's own
    found = {
        metric.name: (scope.scope.name, type(metric.data).__name__, metric.unit, metric.data.data_points)
        for scope in resource_metrics.scope_metrics
        for metric in scope.metrics
    }
    kinds = {"gauge": "Gauge", "counter": "Sum", "up_down_counter": "Sum"}
    for metric in set(semconv_hardware.GPU_METRICS) - {semconv_hardware.GPU_PROCESS_MEMORY_USAGE}:
        scope, kind, unit, points = found[metric.name]
        assert (scope, kind, unit) == ("driftmeter", kinds[metric.kind], metric.unit)
        for point in points:
            assert set(point.attributes) == set(metric.attributes) - {"hw.parent"}
            assert all(type(value) is str for value in point.attributes.values())
    assert found["hw.energy"][3][0].attributes == {"hw.id": ID, "hw.type": "gpu", "hw.name": "GPU 0"}
    assert found["hw.gpu.memory.limit"][3][0].attributes == {
        "hw.id": ID,
        "hw.type": "gpu",
        "hw.name": "GPU 0",
        "hw.model": "NVIDIA H100 80GB HBM3",
        "hw.vendor": "NVIDIA",
        "hw.driver_version": "580.82.07",
    }


def test_counters_begin_at_zero_and_do_not_fall_when_the_driver_is_loaded_anew(watched, gpu) -> None:
    assert watched.points()["hw.energy"] == {(ID,): 0.0}
    told = []
    for millijoules in (5_010_000, 5_030_000, 5_000, 20_000):
        gpu.fields[83, 0] = c_ulonglong(millijoules)
        gpu.fields[139, 0xFFFFFFFF] = c_ulonglong(2000 + millijoules)
        points = watched.points()
        told.append((points["hw.energy"][ID,], points["hw.gpu.io"][ID, "nvlink", "receive"]))
    assert [energy for energy, _ in told] == pytest.approx([10.0, 30.0, 35.0, 50.0])
    assert [count for _, count in told] == [5_010_000 * 1024, 5_030_000 * 1024, 5_037_000 * 1024, 5_052_000 * 1024]
    assert type(told[0][1]) is int


def test_a_delta_reader_is_told_only_what_was_used_since_the_process_began(nvml, gpu, sdk) -> None:
    reader = InMemoryMetricReader(preferred_temporality={ObservableCounter: AggregationTemporality.DELTA})
    provider = MeterProvider([reader])
    driftmeter.instrument(meter_provider=provider, gpu_metrics=True, host_metrics=False)
    told = []
    for millijoules, error in ((5_000_000, 0), (5_500_000, 0), (5_500_000, LOST), (6_000_000, 0), (6_000_000, 0)):
        gpu.fields[83, 0] = c_ulonglong(millijoules)
        gpu.error = error
        _gpu_metrics._poller.poll()
        told.append([point.value for point in sdk.collect(reader).get("hw.energy", ())])
    driftmeter.shutdown()
    provider.shutdown()
    assert told == [[0.0], [500.0], [], [500.0], [0.0]]


def test_what_is_not_supported_is_absent_and_not_zero(watched, nvml, gpu) -> None:
    nvml.errors = {"nvmlDeviceGetUtilizationRates": NOT_SUPPORTED, "nvmlDeviceGetPowerUsage": NOT_SUPPORTED}
    gpu.decoder = None
    gpu.megahertz = {1: 1000}
    gpu.fields = {(83, 0): c_ulonglong(1)}
    points = watched.points()
    assert points["hw.gpu.utilization"] == {(ID, "encoder"): 0.05}
    assert points["hw.gpu.speed"] == {(ID, "sm"): 1_000_000_000}
    assert points["hw.temperature"] == {(ID, "GPU"): 61}
    assert {"hw.power", "hw.gpu.io", "hw.errors"}.isdisjoint(points)
    assert points["hw.gpu.memory.usage"] == {(ID,): 20 * GIB}


def test_a_function_that_an_older_driver_does_not_have_is_asked_for_by_its_old_name(watched, nvml) -> None:
    nvml.nvmlDeviceGetCurrentClocksThrottleReasons = nvml.nvmlDeviceGetCurrentClocksEventReasons
    del nvml.nvmlDeviceGetCurrentClocksEventReasons
    del nvml.nvmlDeviceGetTemperature
    points = watched.points()
    assert points["hw.status"] == {(ID, "ok"): 1, (ID, "degraded"): 0}
    assert points["hw.temperature"] == {(ID, "MEMORY"): 70}


@pytest.mark.parametrize(
    ("reasons", "state", "on"),
    [
        (0x01 | 0x02 | 0x100, "ok", set()),
        (0x04, "ok", {"sw_power_cap"}),
        (0x08 | 0x40, "degraded", {"hw_slowdown", "hw_thermal_slowdown"}),
        (0x20, "degraded", {"sw_thermal_slowdown"}),
        (0x80, "degraded", {"hw_power_brake_slowdown"}),
    ],
)
def test_heat_and_want_of_power_degrade_a_gpu_a_setting_does_not(reasons, state, on, watched, gpu) -> None:
    gpu.reasons = reasons
    points = watched.points()
    assert {reason for (_, reason), value in points["hw.gpu.throttled"].items() if value} == on
    assert [name for (_, name), value in points["hw.status"].items() if value] == [state]


def test_memory_of_this_process_is_told_apart(watched, gpu, monkeypatch) -> None:
    monkeypatch.setattr(_cuda, "driver", object)
    gpu.processes = {os.getpid() + 1: 3 * GIB, os.getpid(): 2 * GIB, os.getpid() + 2: GIB}
    assert watched.points()["process.gpu.memory.usage"] == {(ID,): 2 * GIB}
    gpu.processes = {os.getpid() + 1: 3 * GIB}
    assert "process.gpu.memory.usage" not in watched.points()


def test_the_list_of_processes_is_not_asked_for_where_cuda_is_not_in_the_process(watched, nvml, gpu) -> None:
    gpu.processes = {os.getpid(): 2 * GIB}
    assert "process.gpu.memory.usage" not in watched.points()
    assert nvml.calls["nvmlDeviceGetComputeRunningProcesses_v3"] == 0


def test_each_of_two_gpus_is_told_by_its_own_id(watched, nvml, gpu) -> None:
    nvml.gpus.append(FakeGpu(OTHER, busy=5, total=40 * GIB, used=10 * GIB))
    points = watched.points()
    assert points["hw.gpu.memory.usage"] == {(ID,): 20 * GIB, (OTHER,): 10 * GIB}
    assert points["hw.gpu.utilization"][OTHER, "general"] == 0.05


def test_of_mig_instances_the_memory_is_told_and_of_their_gpu_the_rest(watched, nvml, gpu, sdk, monkeypatch) -> None:
    monkeypatch.setattr(_cuda, "driver", object)
    instance = FakeGpu("MIG-aaaa", name="NVIDIA H100 MIG 1g.10gb", total=10 * GIB, used=GIB, busy=None)
    instance.processes = {os.getpid(): GIB // 2}
    gpu.processes = instance.processes  # those of its instances are a GPU's too
    gpu.instances = [None, instance]  # their numbers have gaps
    gpu.busy = gpu.encoder = gpu.decoder = None
    points = watched.points()
    assert points["hw.gpu.memory.limit"] == {(ID,): 80 * GIB, ("MIG-aaaa",): 10 * GIB}
    assert points["hw.gpu.memory.utilization"]["MIG-aaaa",] == 0.1
    assert points["process.gpu.memory.usage"] == {("MIG-aaaa",): GIB // 2}
    assert points["hw.power"] == {(ID,): 350.5}
    assert "hw.gpu.utilization" not in points
    (attributes,) = (
        dict(point.attributes)
        for point in sdk.collect(sdk.cumulative)["hw.gpu.memory.limit"]
        if point.attributes["hw.id"] == "MIG-aaaa"
    )
    assert attributes["hw.parent"] == ID
    assert attributes["hw.name"] == "GPU 0 MIG 1"
    assert attributes["hw.model"] == "NVIDIA H100 MIG 1g.10gb"


def test_xid_errors_are_counted_by_their_number_even_when_the_gpu_is_gone(watched, nvml, gpu) -> None:
    assert watched.points()["hw.errors"] == {(ID, "corrected"): 0, (ID, "uncorrected"): 0}
    nvml.xids = [(gpu, 31), (gpu, 31), (gpu, 79)]
    gpu.fields[3, 0] = c_ulonglong(9)
    assert watched.points()["hw.errors"] == {
        (ID, "corrected"): 2,
        (ID, "uncorrected"): 0,
        (ID, "xid.31"): 2,
        (ID, "xid.79"): 1,
    }
    gpu.error = LOST
    assert watched.points() == {"hw.errors": {(ID, "xid.31"): 2, (ID, "xid.79"): 1}}


def test_a_lost_gpu_gives_no_points_and_one_line_and_comes_back(watched, nvml, gpu, caplog) -> None:
    other = FakeGpu(OTHER)
    nvml.gpus.append(other)
    before = watched.points()
    caplog.set_level(logging.DEBUG, "driftmeter")
    gpu.error = LOST
    for _ in range(6):
        points = watched.points()
        assert {key[0] for values in points.values() for key in values} == {OTHER}
        assert points.keys() == before.keys()
    assert [record.message for record in caplog.records] == [
        f"driftmeter: {ID} is lost: GPU is lost",
        "driftmeter: GPU 0 cannot be opened",  # when NVML was initialised anew
    ]
    assert all(record.levelno == logging.DEBUG for record in caplog.records)
    gpu.error = 0
    back = [watched.points() for _ in range(4)][-1]
    assert {key[0] for key in back["hw.gpu.memory.usage"]} == {ID, OTHER}
    assert back["hw.energy"][ID,] == 0.0
    assert caplog.records[-1].message == "driftmeter: all GPUs answer again"
    assert nvml.initialised[os.getpid()] == 1


@pytest.mark.parametrize(("code", "why"), [(NO_PERMISSION, "Insufficient Permissions"), (DRIVER_NOT_LOADED, "Driver")])
def test_where_the_driver_refuses_altogether_nothing_is_told_but_one_line(code, why, watched, nvml, caplog) -> None:
    caplog.set_level(logging.DEBUG, "driftmeter")
    nvml.errors = {"nvmlInitWithFlags": code}
    assert [watched.points() for _ in range(6)] == [{}] * 6
    (line,) = [record for record in caplog.records if record.levelno == logging.DEBUG]
    assert why in line.message
    assert nvml.calls["nvmlInitWithFlags"] == 2  # not at each poll
    nvml.errors = {}
    assert [watched.points() for _ in range(4)][-1]["hw.gpu.memory.usage"] == {(ID,): 20 * GIB}


def test_without_permission_for_a_gpu_what_may_be_known_is_told(watched, nvml) -> None:
    nvml.errors = dict.fromkeys(
        ("nvmlDeviceGetMemoryInfo", "nvmlDeviceGetFieldValues", "nvmlDeviceGetPowerUsage"), NO_PERMISSION
    )
    points = watched.points()
    assert points["hw.gpu.utilization"][ID, "general"] == 0.75
    assert {"hw.gpu.memory.usage", "hw.energy", "hw.power"}.isdisjoint(points)


def test_readings_expire_when_the_driver_does_not_answer_any_more(watched) -> None:
    now = time.monotonic()
    watched.poller._clock = lambda: now
    assert watched.points()["hw.power"] == {(ID,): 350.5}
    now += 2.5 * 15
    assert watched.points(poll=False)["hw.power"] == {(ID,): 350.5}
    now += 0.1
    assert watched.points(poll=False) == {}


def test_the_driver_is_asked_by_one_thread_and_never_by_who_collects(sdk, nvml, monkeypatch) -> None:
    monkeypatch.setattr(_poller, "_FIRST", 0.01)
    sdk.watch(gpu_metrics=True, gpu_interval="1s")
    deadline = time.monotonic() + 20
    while not sdk.collect(sdk.cumulative).get("hw.power") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert nvml.threads == {"driftmeter-gpu"}
    handles = nvml.calls["nvmlDeviceGetHandleByIndex_v2"]
    while nvml.calls["nvmlDeviceGetPowerUsage"] < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert nvml.calls["nvmlDeviceGetPowerUsage"] >= 2
    assert nvml.calls["nvmlDeviceGetHandleByIndex_v2"] == handles == 1
    driftmeter.shutdown()
    while nvml.initialised[os.getpid()] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert nvml.initialised[os.getpid()] == 0  # given back


def test_after_shutdown_nothing_is_told_and_after_another_start_each_point_once(watched, sdk, nvml, caplog) -> None:
    assert "hw.power" in watched.points()
    driftmeter.shutdown()
    assert not [name for name in sdk.collect(sdk.cumulative) if name.startswith("hw.")]
    deadline = time.monotonic() + 20
    while nvml.initialised[os.getpid()] and time.monotonic() < deadline:
        time.sleep(0.01)
    calls = sum(nvml.calls.values())
    sdk.watch(gpu_metrics=False)
    assert not [name for name in sdk.collect(sdk.cumulative) if name.startswith("hw.")]
    assert sum(nvml.calls.values()) == calls
    sdk.watch(gpu_metrics=True)
    watched.poller.poll()
    assert len(sdk.collect(sdk.cumulative)["hw.power"]) == 1
    assert "already" not in caplog.text


def test_without_a_driver_there_is_no_thread_and_one_line(sdk, monkeypatch, caplog) -> None:
    monkeypatch.setattr(_gpu_metrics, "_LIBRARY", "libno-such-driver.so.1")
    caplog.set_level(logging.DEBUG, "driftmeter")
    sdk.watch(gpu_metrics=True)
    assert _gpu_metrics._poller is None
    assert [record.message for record in caplog.records if record.levelno == logging.DEBUG] == [
        "driftmeter: no GPU metrics: there is no NVIDIA driver"
    ]
