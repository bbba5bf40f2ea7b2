"""The number of a device becomes the UUID that NVML has, without a CUDA of our own."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from driftmeter import hardware
from driftmeter.hardware import _cuda

GPU = uuid.UUID("8f6e3c1a-2b4d-4c7e-9a10-5d3f7b9e2c44")
INSTANCE = uuid.UUID("00000000-1111-2222-3333-444444444444")
HERE = Path(__file__).parent


class FakeCuda:
    """The CUDA driver, as C callbacks. Device numbers are those after CUDA_VISIBLE_DEVICES was applied."""

    def __init__(self, *gpus: uuid.UUID, instance: uuid.UUID | None = None) -> None:
        self.initialised = True
        self.asked = 0
        self._gpus = gpus
        ordinal = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.c_int)
        octets = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
        self.cuDeviceGet = ordinal(self._get)
        self.cuDeviceGetUuid = octets(lambda target, device: _copy(target, gpus[device]))
        self.cuDeviceGetUuid_v2 = octets(lambda target, device: _copy(target, instance or gpus[device]))

    def _get(self, device, ordinal):
        self.asked += 1
        if not self.initialised:
            return 3
        if ordinal >= len(self._gpus):
            return 101
        device[0] = ordinal
        return 0


def _copy(target: int, value: uuid.UUID) -> int:
    ctypes.memmove(target, value.bytes, 16)
    return 0


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch):
    monkeypatch.setattr(_cuda, "_ids", {})
    monkeypatch.setattr(_cuda, "_refused", {})


def test_the_drivers_own_order_decides_and_it_is_asked_once(monkeypatch) -> None:
    cuda = FakeCuda(INSTANCE, GPU)
    monkeypatch.setattr(_cuda, "driver", lambda: cuda)
    assert [hardware.gpu_id(1) for _ in range(3)] == [f"GPU-{GPU}"] * 3
    assert hardware.gpu_id(0) == f"GPU-{INSTANCE}"
    assert cuda.asked == 2


def test_a_mig_instance_goes_by_its_own_id(monkeypatch) -> None:
    cuda = FakeCuda(GPU, instance=INSTANCE)
    monkeypatch.setattr(_cuda, "driver", lambda: cuda)
    assert hardware.gpu_id(0) == f"MIG-{INSTANCE}"


def test_an_older_driver_with_one_of_the_functions_tells_the_gpu(monkeypatch) -> None:
    cuda = FakeCuda(GPU)
    del cuda.cuDeviceGetUuid_v2
    monkeypatch.setattr(_cuda, "driver", lambda: cuda)
    assert hardware.gpu_id(0) == f"GPU-{GPU}"


def test_a_driver_that_is_not_initialised_is_asked_again_after_a_while(monkeypatch) -> None:
    cuda = FakeCuda(GPU)
    cuda.initialised = False
    now = 100.0
    monkeypatch.setattr(_cuda, "driver", lambda: cuda)
    monkeypatch.setattr(_cuda.time, "monotonic", lambda: now)
    assert [hardware.gpu_id(0) for _ in range(3)] == [None] * 3
    assert cuda.asked == 1
    cuda.initialised = True
    now += 10
    assert hardware.gpu_id(0) == f"GPU-{GPU}"


def test_a_device_that_there_is_not_has_no_id(monkeypatch) -> None:
    cuda = FakeCuda(GPU)
    monkeypatch.setattr(_cuda, "driver", lambda: cuda)
    assert hardware.gpu_id(7) is None


def test_where_no_cuda_is_in_the_process_none_is_loaded(monkeypatch) -> None:
    monkeypatch.setattr(_cuda, "_LIBRARY", "libz.so.1-that-nobody-loads")
    assert _cuda.driver() is None
    assert hardware.gpu_id(0) is None


@pytest.mark.skipif(not sys.platform.startswith("linux") or shutil.which("gcc") is None, reason="needs Linux and gcc")
def test_a_real_library_is_found_only_once_the_process_has_loaded_and_initialised_it(tmp_path) -> None:
    library = tmp_path / "libcuda.so.1"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o", library, HERE / "fake_driver.c"], check=True
    )
    code = f"""
import ctypes
from driftmeter.hardware import _cuda, gpu_id
def ask():
    _cuda._refused.clear()
    print(gpu_id(1))
ask()                                     # it is on the path, and not loaded
cuda = ctypes.CDLL({str(library)!r})
ask()                                     # loaded, not initialised
cuda.cuInit(0)
ask()
"""
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split() == ["None", "None", "GPU-8f6e3c1a-2b4d-4c7e-9a10-5d3f7b9e2c45"]
