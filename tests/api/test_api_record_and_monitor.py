from __future__ import annotations

import logging
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import driftmeter
from driftmeter import Baseline, BaselineError
from driftmeter.recorder import guard

X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 5.0], [3.0, 1.0]])
Y = np.array([0, 0, 1, 1])


@pytest.fixture
def swallowing(monkeypatch):
    """Errors of ours are swallowed, as outside of pytest."""
    monkeypatch.setattr(guard, "raises", False)
    monkeypatch.setattr(guard, "swallowed", 0)
    return lambda: guard.swallowed


def test_monitor_returns_the_very_same_object_and_names_it(sdk) -> None:
    sdk.watch()
    model = LogisticRegression().fit(X, Y)
    before = dict(vars(model))
    assert driftmeter.monitor(model, name="delay", version="7") is model
    assert vars(model) == before
    model.predict(X)
    fit, span = sdk.spans()
    assert (fit.name, span.name) == ("fit LogisticRegression", "predict delay")
    assert (span.attributes["ml.model.name"], span.attributes["ml.model.version"]) == ("delay", "7")


def test_monitor_takes_effect_after_the_first_call_too(sdk) -> None:
    sdk.watch()
    model = LogisticRegression().fit(X, Y)
    model.predict(X)
    driftmeter.monitor(model, name="delay")
    model.predict(X)
    assert [span.name for span in sdk.spans()] == [
        "fit LogisticRegression",
        "predict LogisticRegression",
        "predict delay",
    ]


def test_monitor_takes_a_baseline_or_its_path_whatever_model_it_was_built_for(sdk, tmp_path) -> None:
    sdk.watch()
    baseline = Baseline.from_frame({"a": [1.0, 2.0], "b": ["x", "y"]}, model="another")
    baseline.save(tmp_path / "b.json")
    for given in (baseline, tmp_path / "b.json", str(tmp_path / "b.json")):
        model = driftmeter.monitor(LogisticRegression().fit(X, Y), name="delay", baseline=given)
        model.predict(X)
        assert sdk.counts() == {"a": 4, "b": 4, "prediction": 4}
    with pytest.raises(BaselineError, match=r"none\.json"):
        driftmeter.monitor(LogisticRegression(), name="delay", baseline=tmp_path / "none.json")


def test_record_counts_features_predictions_and_scores(sdk) -> None:
    sdk.watch()
    driftmeter.record(
        model="rule",
        version="2",
        features=pd.DataFrame({"x": [1, 2]}),
        predictions=["a", "b"],
        scores=np.array([0.1, 1]),
    )
    driftmeter.record(model="rule", version="2", features=[{"x": 3}], predictions=["a"], scores={"score": [0.3]})
    driftmeter.record(model="rule", version="2", features=np.array([[4]]), feature_names=["x"], predictions=["a"])
    metrics = sdk.collect(sdk.cumulative)
    assert sdk.counts() == {"x": 4, "prediction": 4, "score": 3}
    value = next(p for p in metrics["ml.column.value"] if p.attributes["ml.column.name"] == "x")
    assert (value.min, value.max, value.sum) == (1.0, 4.0, 10.0)
    assert value.attributes == {
        "ml.model.name": "rule",
        "ml.model.version": "2",
        "ml.column.name": "x",
        "ml.column.role": "feature",
    }
    categories = {p.attributes["ml.category"]: p.value for p in metrics["ml.column.categories"]}
    assert categories == {"a": 3, "b": 1}


def test_rows_as_dicts_with_missing_and_unknown_keys_are_counted(sdk) -> None:
    sdk.watch()
    driftmeter.record(model="rule", features=[{"x": 1, "c": "a"}, {"x": 2}, {"c": "b", "new": 5}])
    metrics = sdk.collect(sdk.cumulative)
    missing = {p.attributes["ml.column.name"]: p.value for p in metrics["ml.column.missing"]}
    assert missing == {"x": 1, "c": 1, "new": 2}


@pytest.mark.parametrize(
    "features",
    [3, None, "text", object(), {"a": [1, 2], "b": [1]}, [[1, 2], [3]], [[1], 2], [{"a": 1}, 2], np.array(3)],
)
def test_rows_that_cannot_be_read_are_named_in_the_log_once_and_never_raise(features, sdk, caplog) -> None:
    sdk.watch()
    for _ in range(3):
        driftmeter.record(model="rule", features=features)
    driftmeter.record(model="rule", features={"x": [1]}, predictions=object())
    (record,) = caplog.records
    assert record.getMessage().startswith("driftmeter: model rule is watched without its rows: ")
    assert record.exc_info is None
    assert sdk.counts() == {}


@pytest.mark.parametrize("features", [[], {}, {"x": []}, np.empty((0, 2)), pd.DataFrame({"x": []}), pd.DataFrame()])
def test_an_empty_batch_records_nothing_and_is_no_error(features, sdk) -> None:
    sdk.watch()
    driftmeter.record(model="rule", features=features)
    assert sdk.counts() == {}


_LATER_PROVIDER = """
import numpy as np, driftmeter
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
driftmeter.instrument(window="1h", step="1h")
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))
{call}
names = {{m.name for r in reader.get_metrics_data().resource_metrics for s in r.scope_metrics for m in s.metrics}}
assert "ml.column.value" in names, names
assert not {predicts} or {{"ml.prediction.duration", "ml.prediction.rows"}} <= names, names
"""


@pytest.mark.parametrize(
    ("call", "predicts"),
    [
        ("driftmeter.record(model='m', features={'x': [1]})", False),
        (
            "import sklearn.linear_model as s; s.LinearRegression().fit([[1], [2]], [1, 2]).predict(np.ones((2, 1)))",
            True,
        ),
    ],
    ids=["record", "predict"],
)
def test_a_provider_that_is_set_after_instrument_is_joined_at_the_first_rows(call, predicts, tmp_path) -> None:
    code = _LATER_PROVIDER.format(call=call, predicts=predicts)
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=tmp_path)


def test_record_and_monitor_before_instrument_say_what_to_do(tmp_path) -> None:
    code = """
import driftmeter
for call in (lambda: driftmeter.record(model="m", features=[]), lambda: driftmeter.monitor(object(), name="m")):
    try:
        call()
    except driftmeter.DriftmeterError as error:
        assert "driftmeter.instrument() first" in str(error)
    else:
        raise SystemExit("no error")
driftmeter.shutdown()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=tmp_path)


def test_after_shutdown_a_late_record_is_no_error(sdk) -> None:
    sdk.watch()
    driftmeter.shutdown()
    driftmeter.record(model="rule", features={"x": [1]})
    assert sdk.counts() == {}


def test_a_class_of_the_users_own_is_watched_once_an_object_is_monitored(sdk) -> None:
    class Rule:
        def predict(self, rows):
            return [row[0] > 1 for row in rows]

    before = Rule.__dict__["predict"]
    sdk.watch()
    rule = driftmeter.monitor(Rule(), name="rule")
    assert rule.predict([[1, 2], [3, 4]]) == [False, True]
    assert sdk.counts() == {"f0": 2, "f1": 2, "prediction": 2}
    driftmeter.shutdown()
    assert Rule.__dict__["predict"] is before


def test_an_error_of_ours_never_reaches_the_caller_and_is_counted(sdk, swallowing, monkeypatch, caplog) -> None:
    from driftmeter.recorder import ModelRecorder

    sdk.watch()
    model = LogisticRegression().fit(X, Y)
    wanted = model.predict(X).tolist()

    def planted(*args):
        raise RuntimeError("planted")

    monkeypatch.setattr(ModelRecorder, "record", planted)
    with caplog.at_level(logging.WARNING, "driftmeter"):
        assert model.predict(X).tolist() == wanted
        driftmeter.record(model="rule", features={"x": [1]})
    assert swallowing() == 2
    assert "planted" in caplog.text
    # The span and the duration of the call do not depend on the recorder.
    assert [span.name.split()[0] for span in sdk.spans()] == ["fit", "predict", "predict"]


def test_under_pytest_an_error_of_ours_is_raised(sdk, monkeypatch) -> None:
    from driftmeter.recorder import ModelRecorder

    sdk.watch()

    def planted(*args):
        raise RuntimeError("planted")

    monkeypatch.setattr(ModelRecorder, "record", planted)
    with pytest.raises(RuntimeError, match="planted"):
        driftmeter.record(model="rule", features={"x": [1]})


def test_a_baseline_that_is_given_after_the_first_calls_makes_no_false_alarm_and_loses_no_row(sdk) -> None:
    class Shop:
        def predict(self, rows):
            return [0.0] * len(rows)

    rows = pd.DataFrame({"zip": [1, 2, 3] * 50, "x": np.arange(150.0)})
    sdk.watch(window="1s")
    model = driftmeter.monitor(Shop(), name="shop")
    model.predict(rows)
    baseline = Baseline.from_frame(rows, model="shop", kinds={"zip": "categorical"})
    driftmeter.monitor(model, name="shop", baseline=baseline)
    model.predict(rows.copy())
    points = sdk.collect(sdk.cumulative)
    counted = sum(p.value for p in points["ml.column.categories"] if p.attributes["ml.column.name"] == "zip")
    assert counted == 150
    assert sdk.counts() == {"zip": 300, "x": 300, "prediction": 300}


def test_as_many_columns_are_recorded_as_are_configured(sdk) -> None:
    sdk.watch(max_columns=700)
    driftmeter.record(model="wide", features=np.zeros((3, 800)), predictions=[1, 2, 3])
    assert sdk.counts() == {f"f{at}": 3 for at in range(700)} | {"prediction": 3}
