"""What spans tell of values: by default nothing, and when asked the predictions of small batches, never a feature."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from watched_frameworks import Watched

from driftmeter.instrumentation.keras import KerasInstrumentor
from driftmeter.instrumentation.torch import TorchInstrumentor

RNG = np.random.default_rng(0)
X = np.round(RNG.uniform(7000, 8000, (60, 3)), 3)
Y = np.where(X[:, 0] > 7500, "late", "punctual")
NUMBERS = np.round((X[:, 0] - 7500) / 100, 1)
FRAME = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": np.where(X[:, 2] > 7500, "secret-one", "secret-two")})


def _sklearn():
    pytest.importorskip("sklearn")
    from sklearn.linear_model import LogisticRegression
    from sklearn.tree import DecisionTreeRegressor

    classifier, regressor = LogisticRegression().fit(X, Y), DecisionTreeRegressor(max_depth=3).fit(X, NUMBERS)
    return lambda rows: [classifier.predict(rows), classifier.predict_proba(rows), regressor.predict(rows)]


def _pipeline():
    pytest.importorskip("sklearn")
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder
    from sklearn.tree import DecisionTreeClassifier

    encoder = make_column_transformer((OneHotEncoder(), ["c"]), remainder="passthrough")
    model = make_pipeline(encoder, DecisionTreeClassifier()).fit(FRAME, Y)
    return lambda rows: [model.predict(FRAME[: len(rows)])]


def _xgboost():
    xgb = pytest.importorskip("xgboost")
    estimator = xgb.XGBRegressor(n_estimators=2).fit(X, NUMBERS)
    booster = estimator.get_booster()
    return lambda rows: [estimator.predict(rows), booster.inplace_predict(rows), booster.predict(xgb.DMatrix(rows))]


def _lightgbm():
    lgb = pytest.importorskip("lightgbm")
    model = lgb.LGBMClassifier(n_estimators=2, verbose=-1).fit(X, Y)
    return lambda rows: [model.predict(rows), model.booster_.predict(rows)]


def _catboost():
    cb = pytest.importorskip("catboost")
    model = cb.CatBoostClassifier(iterations=2, verbose=False, allow_writing_files=False).fit(X, Y)
    return lambda rows: [model.predict(rows), model.predict_proba(rows)]


def _onnxruntime():
    ort = pytest.importorskip("onnxruntime")
    skl2onnx = pytest.importorskip("skl2onnx")
    from sklearn.linear_model import LogisticRegression

    made = skl2onnx.to_onnx(LogisticRegression().fit(X, Y), X.astype(np.float32), target_opset=15)
    session = ort.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    return lambda rows: [session.run(None, {"X": rows.astype(np.float32)})]


def _statsmodels():
    api = pytest.importorskip("statsmodels.api")
    results = api.OLS(NUMBERS, X).fit()
    return lambda rows: [results.predict(rows)]


def _torch():
    torch = pytest.importorskip("torch")
    model = torch.nn.Linear(3, 2).eval()
    return lambda rows: [model(torch.tensor(rows, dtype=torch.float32))]


def _keras():
    keras = pytest.importorskip("keras")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    return lambda rows: [model.predict(rows, verbose=0)]


@pytest.fixture
def watched(sdk):
    watched = Watched(sdk, TorchInstrumentor, KerasInstrumentor)
    yield watched
    watched.stop()


FRAMEWORKS = [_sklearn, _pipeline, _xgboost, _lightgbm, _catboost, _onnxruntime, _statsmodels, _torch, _keras]


def _values(span):
    """Return all that a span says, flat, as texts and numbers."""
    said = [span.name, span.status.description or ""]
    for attributes in (span.attributes, *(event.attributes for event in span.events)):
        for name, value in attributes.items():
            said += [name, *(value if isinstance(value, list | tuple) else [value])]
    return said


@pytest.mark.parametrize("made", FRAMEWORKS, ids=lambda made: made.__name__)
@pytest.mark.parametrize("capture", ["none", "predictions"])
def test_no_feature_is_ever_on_a_span_and_predictions_are_only_when_asked_for(made, capture, watched) -> None:
    predict = made()
    watched(capture=capture)
    answers = predict(X[:4])
    predict(X[:60])
    spans = [span for span in watched.spans() if "ml.batch.size" in span.attributes]
    assert len(spans) == 2 * len(answers)
    features = {f"{value:.5g}" for value in X.ravel()} | {"secret-one", "secret-two"}
    for span in spans:
        said = {f"{value:.5g}" if isinstance(value, float) else str(value) for value in _values(span)}
        assert not said & features
        told = [name for name in span.attributes if name.startswith("ml.prediction.")]
        assert bool(told) == (capture == "predictions" and span.attributes["ml.batch.size"] == 4)
        assert {len(span.attributes[name]) for name in told} <= {4}
