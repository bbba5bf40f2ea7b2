"""Which GPU a Keras model ran on. The weights here are on one as far as TensorFlow says; the CPU computes."""

from __future__ import annotations

import os
from types import SimpleNamespace

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")

from watched_frameworks import Watched  # noqa: E402  # after the check that the frameworks are there

from driftmeter.hardware import _cuda  # noqa: E402
from driftmeter.instrumentation._device_inside import device_inside  # noqa: E402
from driftmeter.instrumentation._keras_device import leading_weight, weights_device  # noqa: E402
from driftmeter.instrumentation.keras import KerasInstrumentor  # noqa: E402

X = np.arange(20, dtype=np.float32).reshape(5, 4) / 7
GPUS = [tf.config.PhysicalDevice(f"/physical_device:GPU:{number}", "GPU") for number in range(3)]


@pytest.fixture
def machine(monkeypatch):
    """A machine with three GPUs, and a way to say which of them TensorFlow uses, and in which parts."""
    monkeypatch.setattr(_cuda, "_ids", {number: f"GPU-{number}" for number in range(3)})

    def use(visible=GPUS, parts=None):
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: GPUS if kind == "GPU" else [])
        monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind=None: visible if kind == "GPU" else [])
        monkeypatch.setattr(tf.config, "get_logical_device_configuration", (parts or {}).get)

    use()
    return use


@pytest.fixture
def put(monkeypatch):
    """A way to have TensorFlow say where a model's weights are."""

    def put(model, device):
        kind = type(leading_weight(model).value)
        of_others = kind.device
        mine = {id(weight.value) for weight in model.weights}
        say = property(lambda value: device if id(value) in mine else of_others.fget(value))
        monkeypatch.setattr(kind, "device", say)

    return put


@pytest.fixture
def watched(sdk):
    watched = Watched(sdk, KerasInstrumentor)
    yield watched
    watched.stop()


def model():
    return keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3)])


def on(logical: int) -> str:
    return f"/job:localhost/replica:0/task:0/device:GPU:{logical}"


CALLS = {
    "predict": lambda model: model.predict(X, verbose=0),
    "predict_on_batch": lambda model: model.predict_on_batch(X),
    "__call__": lambda model: model(X),
}


@pytest.mark.parametrize("operation", CALLS)
def test_a_call_says_the_device_of_the_weights(operation, watched, machine, put) -> None:
    watched()
    net = model()
    CALLS[operation](net)
    put(net, on(1))
    CALLS[operation](net)
    assert [span.attributes.get("hw.id") for span in watched.spans()] == [None, "GPU-1"]


def test_a_call_that_fails_says_it_too(watched, machine, put) -> None:
    watched()
    net = model()
    put(net, on(2))
    with pytest.raises(ValueError, match="incompatible"):
        net(X[:, :3])
    (span,) = watched.spans()
    assert span.attributes["hw.id"] == "GPU-2"
    assert span.attributes["error.type"] == "ValueError"


def told(device: str, **more: object) -> int | None:
    return weights_device(SimpleNamespace(value=SimpleNamespace(device=device, **more)))


def test_tensorflow_numbers_the_visible_gpus(machine) -> None:
    machine(visible=GPUS[1:])
    assert [told(on(logical)) for logical in range(3)] == [1, 2, None]


def test_tensorflow_numbers_the_parts_of_a_gpu_and_by_their_ordinals_where_they_have_some(machine) -> None:
    part = tf.config.LogicalDeviceConfiguration
    machine(parts={GPUS[1]: [part(memory_limit=100), part(memory_limit=100)]})
    assert [told(on(logical)) for logical in range(4)] == [0, 1, 1, 2]
    ordered = {gpu: [part(memory_limit=100, experimental_device_ordinal=at) for at in (0, 1)] for gpu in GPUS[:2]}
    machine(visible=GPUS[:2], parts=ordered)
    assert [told(on(logical)) for logical in range(4)] == [0, 1, 0, 1]


@pytest.mark.parametrize(
    "device", ["/job:localhost/replica:0/task:0/device:CPU:0", "/job:worker/replica:0/task:1/device:GPU:0", ""]
)
def test_the_cpu_and_other_machines_have_no_number(device, machine) -> None:
    assert told(device) is None


def test_weights_on_several_devices_have_none(machine) -> None:
    assert told(on(0), values=(1, 2)) is None


def on_jax(*numbers: int, platform: str = "gpu") -> SimpleNamespace:
    """A weight of JAX; its devices' ids count over all processes, and CUDA's numbers are those of this one."""
    devices = {SimpleDevice(platform, number) for number in numbers}
    return SimpleNamespace(value=SimpleNamespace(devices=lambda: devices, device="a sharding or a device"))


class SimpleDevice:
    def __init__(self, platform: str, number: int) -> None:
        self.platform = platform
        self.local_hardware_id = number
        self.id = number + 8


def test_jaxs_devices_tell_cudas_number() -> None:
    jax = pytest.importorskip("jax")
    assert {"platform", "local_hardware_id"} <= set(dir(jax.devices()[0]))
    assert weights_device(on_jax(1)) == 1
    assert weights_device(on_jax(0, platform="cpu")) is None
    assert weights_device(on_jax(0, 1)) is None


def test_a_weight_of_pytorch_says_its_device() -> None:
    for kind, number, expected in (("cuda", 1, 1), ("cpu", None, None)):
        weight = SimpleNamespace(value=SimpleNamespace(device=SimpleNamespace(type=kind, index=number)))
        assert weights_device(weight) == expected


def test_numbers_that_are_counted_do_not_say_where_a_model_is() -> None:
    """They stay beside the CPU."""
    net = keras.Sequential([keras.layers.Input((4,)), keras.layers.Normalization(), keras.layers.Dense(2)])
    assert "float" in leading_weight(net).dtype
    assert leading_weight(keras.Sequential([keras.layers.Input((4,)), keras.layers.Flatten()])) is None
    assert weights_device(None) is None


def test_within_another_model_the_weights_say_it_too(machine, put) -> None:
    net = model()
    put(net, on(2))
    assert device_inside(net) == 2
