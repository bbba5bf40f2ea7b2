"""The GPU that a call ran on, and what the process used meanwhile, on the call's span."""

from __future__ import annotations

import time

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from watched_frameworks import Watched

from driftmeter.hardware import _cuda
from driftmeter.instrumentation import _gpu_of
from driftmeter.instrumentation import xgboost as watched_xgboost
from driftmeter.instrumentation._device_inside import device_inside
from driftmeter.instrumentation._onnx_told import device_of
from driftmeter.instrumentation.mlflow import MlflowInstrumentor

X = np.random.default_rng(0).normal(size=(30, 3))
Y = X.sum(axis=1)
USAGE = {"ml.call.cpu.time", "ml.call.memory.usage", "ml.call.memory.growth"}


@pytest.fixture
def gpus(monkeypatch):
    """A machine whose devices 0 and 1 have ids."""
    monkeypatch.setattr(_cuda, "_ids", {0: "GPU-zero", 1: "GPU-one"})


@pytest.mark.parametrize(
    ("name", "ordinal"),
    [
        ("cuda", 0),
        ("cuda:0", 0),
        ("cuda:1", 1),
        ("gpu", 0),
        ("cpu", None),
        ("sycl:0", None),
        ("cuda:x", None),
        ("", None),
    ],
)
def test_a_devices_name_is_read_as_xgboost_has_it(name, ordinal) -> None:
    assert _gpu_of.ordinal_in(name) == ordinal


@pytest.fixture
def xgboost(monkeypatch):
    """An XGBoost that says it was built for CUDA."""
    module = pytest.importorskip("xgboost")
    monkeypatch.setattr(module, "build_info", lambda: {"USE_CUDA": True})
    watched_xgboost._is_built_for_cuda.cache_clear()
    yield module
    watched_xgboost._is_built_for_cuda.cache_clear()


@pytest.mark.filterwarnings("ignore::UserWarning")  # it says that there is no such device, and computes on the CPU
def test_an_xgboost_estimator_runs_on_the_device_that_it_was_told(xgboost, gpus, sdk) -> None:
    model = xgboost.XGBRegressor(n_estimators=2).fit(X, Y)
    sdk.watch()
    plain = model.predict(X)
    model.set_params(device="cuda:1")
    assert model.predict(X).tobytes() == plain.tobytes()
    first, second = sdk.spans()
    assert "hw.id" not in first.attributes
    assert second.attributes["hw.id"] == "GPU-one"
    # Metrics are not split by it: a call's duration would have a series a GPU.
    assert all("hw.id" not in point.attributes for point in sdk.collect(sdk.cumulative)["ml.prediction.duration"])


def test_an_xgboost_booster_runs_on_the_device_of_its_configuration(xgboost, gpus, sdk, monkeypatch) -> None:
    booster = xgboost.train({}, xgboost.DMatrix(X, Y), num_boost_round=2)
    sdk.watch()
    booster.inplace_predict(X)
    monkeypatch.setitem(watched_xgboost._told, booster, watched_xgboost._Told("reg:squarederror", "cuda:0"))
    booster.inplace_predict(X)
    assert [span.attributes.get("hw.id") for span in sdk.spans()] == [None, "GPU-zero"]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_xgboost_that_cannot_use_a_gpu_does_not_claim_one(gpus, sdk) -> None:
    module = pytest.importorskip("xgboost")
    if module.build_info()["USE_CUDA"]:
        pytest.skip("this XGBoost can")
    watched_xgboost._is_built_for_cuda.cache_clear()
    model = module.XGBRegressor(n_estimators=2, device="cuda").fit(X, Y)
    sdk.watch()
    model.predict(X)
    assert "hw.id" not in sdk.spans()[0].attributes


@pytest.fixture
def of_mlflow(sdk, tmp_path, monkeypatch):
    """MLflow watched, with its store beside the test."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "tracking").as_uri())
    watched = Watched(sdk, MlflowInstrumentor)
    yield watched
    watched.stop()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("saved", ["estimator", "booster"])
def test_a_model_within_mlflows_says_its_gpu(saved, xgboost, gpus, of_mlflow, tmp_path, monkeypatch) -> None:
    pyfunc, flavour = pytest.importorskip("mlflow.pyfunc"), pytest.importorskip("mlflow.xgboost")
    fitted = xgboost.XGBRegressor(n_estimators=2).fit(X, Y)
    flavour.save_model(fitted if saved == "estimator" else fitted.get_booster(), tmp_path / "m", pip_requirements=[])
    model = pyfunc.load_model(str(tmp_path / "m"))
    of_mlflow()
    model.predict(X)
    inside = model.get_raw_model()
    if saved == "estimator":
        inside.set_params(device="cuda:1")
    else:
        monkeypatch.setitem(watched_xgboost._told, inside, watched_xgboost._Told("reg:squarederror", "cuda:1"))
    model.predict(X)
    said = [(span.attributes["ml.model.framework"], span.attributes.get("hw.id")) for span in of_mlflow.spans()]
    assert said == [("mlflow", None), ("mlflow", "GPU-one")]


def test_a_model_of_another_library_within_mlflows_says_none(gpus, of_mlflow, tmp_path) -> None:
    pyfunc, flavour = pytest.importorskip("mlflow.pyfunc"), pytest.importorskip("mlflow.sklearn")
    fitted = LinearRegression().fit(X, Y)
    flavour.save_model(fitted, tmp_path / "m", serialization_format="cloudpickle", pip_requirements=[])
    of_mlflow()
    pyfunc.load_model(str(tmp_path / "m")).predict(X)
    (span,) = of_mlflow.spans()
    assert "hw.id" not in span.attributes


def test_a_session_within_another_model_says_its_gpu() -> None:
    ort = pytest.importorskip("onnxruntime")

    class Session(ort.InferenceSession):
        def __init__(self) -> None:
            self.get_providers = lambda: ["CUDAExecutionProvider"]
            self.get_provider_options = lambda: {"CUDAExecutionProvider": {"device_id": "1"}}

    assert device_inside(Session()) == 1


class _Session:
    """A session's providers, which only one that was built for them really has."""

    def __init__(self, *providers: str, **options: dict[str, str]) -> None:
        self.get_providers = lambda: list(providers)
        self.get_provider_options = lambda: options


def test_an_onnx_session_runs_on_the_device_of_its_first_provider_for_cuda() -> None:
    cuda, tensorrt, cpu = "CUDAExecutionProvider", "TensorrtExecutionProvider", "CPUExecutionProvider"
    assert device_of(_Session(cpu)) is None
    assert device_of(_Session(cuda, cpu, **{cuda: {"device_id": "1"}, cpu: {}})) == 1
    assert device_of(_Session(tensorrt, cuda, **{tensorrt: {"device_id": "2"}, cuda: {"device_id": "1"}})) == 2
    assert device_of(_Session(cuda, cpu)) == 0


def test_a_run_of_onnx_says_its_gpu(gpus, sdk, monkeypatch) -> None:
    ort, skl2onnx = pytest.importorskip("onnxruntime"), pytest.importorskip("skl2onnx")
    rows = X.astype(np.float32)
    model = skl2onnx.to_onnx(LinearRegression().fit(X, Y), rows[:1], target_opset={"": 17, "ai.onnx.ml": 3})
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    sdk.watch()
    session.run(None, {"X": rows})
    monkeypatch.setattr(session, "get_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"])
    monkeypatch.setattr(session, "get_provider_options", lambda: {"CUDAExecutionProvider": {"device_id": "1"}})
    session.run(None, {"X": rows})
    with pytest.raises(ort.capi.onnxruntime_pybind11_state.InvalidArgument):
        session.run(None, {"X": rows[:, :2]})
    assert [span.attributes.get("hw.id") for span in sdk.spans()] == [None, "GPU-one", "GPU-one"]


def test_a_device_that_cuda_does_not_know_is_not_said(xgboost, sdk, monkeypatch) -> None:
    monkeypatch.setattr(_cuda, "driver", lambda: None)
    monkeypatch.setattr(_cuda, "_ids", {})
    monkeypatch.setattr(_cuda, "_refused", {})
    booster = xgboost.train({}, xgboost.DMatrix(X, Y), num_boost_round=2)
    monkeypatch.setitem(watched_xgboost._told, booster, watched_xgboost._Told("reg:squarederror", "cuda:0"))
    sdk.watch()
    booster.inplace_predict(X)
    assert "hw.id" not in sdk.spans()[0].attributes


class _Slow(LinearRegression):
    """Computes, and keeps what it has computed."""

    def predict(self, X):  # noqa: N803  # scikit-learn's own name
        if len(X) == 0:
            raise ValueError("no rows")
        until = time.process_time() + 0.05
        while time.process_time() < until:
            pass
        self.kept = np.ones(8 << 20)  # 64 MiB
        return super().predict(X)


def test_what_the_process_used_is_on_the_span_where_that_is_wanted(sdk) -> None:
    model = _Slow().fit(X, Y)
    sdk.watch(call_resources=True)
    model.predict(X)
    (span,) = sdk.spans()
    used = {name: span.attributes[name] for name in USAGE}
    assert type(used["ml.call.cpu.time"]) is float
    assert used["ml.call.cpu.time"] >= 0.05
    assert type(used["ml.call.memory.growth"]) is int
    assert 60 << 20 <= used["ml.call.memory.growth"] <= used["ml.call.memory.usage"]


def test_what_a_failed_call_used_is_told_too(sdk) -> None:
    model = _Slow().fit(X, Y)
    sdk.watch(call_resources=True)
    with pytest.raises(ValueError, match="no rows"):
        model.predict(X[:0])
    (span,) = sdk.spans()
    assert span.attributes.keys() >= USAGE
    assert span.attributes["error.type"] == "ValueError"


def test_usage_is_not_asked_for_by_default(sdk) -> None:
    model = LinearRegression().fit(X, Y)
    sdk.watch()
    model.predict(X)
    assert USAGE.isdisjoint(sdk.spans()[0].attributes)
