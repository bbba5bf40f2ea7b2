"""Two frameworks may watch one class: each puts back only what is its own."""

from __future__ import annotations

import numpy as np
import pytest

from driftmeter.instrumentation.sklearn import SklearnInstrumentor
from driftmeter.instrumentation.xgboost import XgboostInstrumentor

xgb = pytest.importorskip("xgboost")

X = np.random.default_rng(0).normal(size=(20, 3))


def test_scikit_learns_instrumentation_takes_away_only_its_own(sdk) -> None:
    model = xgb.XGBRegressor(n_estimators=2, n_jobs=1).fit(X, X[:, 0])
    plain = vars(xgb.XGBModel)["predict"]
    sdk.watch()
    if not XgboostInstrumentor().is_instrumented_by_opentelemetry:
        XgboostInstrumentor().instrument(skip_dep_check=True, tracer_provider=sdk.tracer_provider)
    SklearnInstrumentor().uninstrument()
    model.predict(X)
    assert [span.name for span in sdk.spans()] == ["predict XGBRegressor"]
    XgboostInstrumentor().uninstrument()
    assert vars(xgb.XGBModel)["predict"] is plain
