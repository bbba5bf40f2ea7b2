"""NVML belongs to the process that initialised it: a forked child initialises its own, or leaves the driver alone."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from fake_nvml import GIB

from driftmeter.hardware import _poller

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
ID = "GPU-8f6e3c1a-2b4d-4c7e-9a10-5d3f7b9e2c44"


def in_child(work: Callable[[], Any]) -> Any:
    """Return what a function returns in a forked child, whose exit is waited for."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return json.loads(told)


def memory_used(sdk: Any, *, seconds: float) -> list[int]:
    """Return the memory in use, as soon as it is told."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        points = sdk.collect(sdk.cumulative).get("hw.gpu.memory.usage")
        if points:
            return [point.value for point in points]
        time.sleep(0.02)
    return []


def test_a_child_initialises_nvml_for_itself_and_the_parent_keeps_its_own(watched, sdk, nvml, monkeypatch) -> None:
    monkeypatch.setattr(_poller, "_FIRST", 0.01)
    watched.points()
    parent = os.getpid()

    def child() -> Any:
        first = sdk.collect(sdk.cumulative).get("hw.gpu.memory.usage", [])
        told = memory_used(sdk, seconds=20)
        return len(first), told, nvml.initialised[os.getpid()], nvml.initialised[parent]

    first, told, own, parents = in_child(child)
    assert first == 0  # the parent's reading is not the child's
    assert told == [20 * GIB]
    assert (own, parents) == (1, 1)
    assert watched.points()["hw.gpu.memory.usage"] == {(ID,): 20 * GIB}
    assert nvml.initialised[parent] == 1


def test_counters_of_a_child_begin_anew(watched, gpu) -> None:
    watched.points()
    gpu.fields[83, 0].value += 7_000
    assert watched.points()["hw.energy"] == {(ID,): 7.0}
    assert in_child(lambda: watched.points()["hw.energy"][ID,]) == 0.0


def test_a_fork_waits_for_the_poll_that_is_under_way(watched, nvml) -> None:
    inside = threading.Event()

    def dawdle(name: str) -> None:
        if name == "nvmlDeviceGetPowerUsage" and threading.current_thread() is not threading.main_thread():
            inside.set()
            time.sleep(0.3)

    nvml.before = dawdle
    thread = threading.Thread(target=watched.poller.poll)
    thread.start()
    assert inside.wait(20)
    # What a poll asks for last; then the child polls by itself.
    ended, told = in_child(lambda: (nvml.calls["nvmlEventSetWait_v2"], len(watched.points())))
    thread.join(20)
    assert ended == 1
    assert told > 0


def test_the_child_of_a_fork_that_waited_in_vain_leaves_the_driver_alone(watched, sdk, nvml, monkeypatch) -> None:
    monkeypatch.setattr(_poller, "_FORK_SECONDS", 0.05)
    monkeypatch.setattr(_poller, "_FIRST", 0.01)
    inside, go_on = threading.Event(), threading.Event()

    def hang(name: str) -> None:
        inside.set()
        go_on.wait(20)

    nvml.before = hang
    thread = threading.Thread(target=watched.poller.poll)
    thread.start()
    assert inside.wait(20)
    calls = dict(nvml.calls)
    told, calls_of_child = in_child(lambda: (memory_used(sdk, seconds=0.3), dict(nvml.calls)))
    go_on.set()
    thread.join(20)
    assert told == []
    assert calls_of_child == calls
    nvml.before = lambda name: None
    assert watched.points()["hw.gpu.memory.usage"] == {(ID,): 20 * GIB}
