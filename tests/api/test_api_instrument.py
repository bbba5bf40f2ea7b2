from __future__ import annotations

import signal

import numpy as np
import pytest
import sklearn.ensemble
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

import driftmeter
from driftmeter import Baseline, BaselineError, ConfigError
from driftmeter.recorder import active, digest_of

X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 5.0], [3.0, 1.0]])
Y = np.array(["no", "no", "yes", "yes"])


@pytest.fixture
def model() -> LogisticRegression:
    return LogisticRegression().fit(X, Y)


def test_a_call_gives_a_span_a_duration_rows_and_sketches(sdk, model) -> None:
    sdk.watch()
    model.predict(X)
    (span,) = sdk.spans()
    assert span.name == "predict LogisticRegression"
    version = digest_of(2, model.classes_)
    assert dict(span.attributes) == {
        "ml.model.name": "LogisticRegression",
        "ml.model.version": version,
        "ml.model.framework": "sklearn",
        "ml.operation.name": "predict",
        "ml.batch.size": 4,
    }
    assert type(span.attributes["ml.batch.size"]) is int
    metrics = sdk.collect(sdk.cumulative)
    (duration,), (rows,) = metrics["ml.prediction.duration"], metrics["ml.prediction.rows"]
    whole = {"ml.model.name": "LogisticRegression", "ml.model.version": version}
    call = {**whole, "ml.model.framework": "sklearn", "ml.operation.name": "predict"}
    assert (duration.attributes, duration.count) == (call, 1)
    assert duration.explicit_bounds[0] == 0.0005
    assert (rows.attributes, rows.value) == (call, 4)
    assert {point.attributes["ml.column.name"] for point in metrics["ml.column.value"]} == {"f0", "f1"}
    assert sdk.counts() == {"f0": 4, "f1": 4, "prediction": 4}


def test_everything_goes_to_the_providers_that_are_given_and_their_resource(sdk, model) -> None:
    sdk.watch()
    model.predict(X)
    data = sdk.cumulative.get_metrics_data()
    (resource_metrics,) = data.resource_metrics
    assert resource_metrics.resource.attributes["service.name"] == "t"
    assert sorted(scope.scope.name for scope in resource_metrics.scope_metrics) == ["driftmeter", "driftmeter.sketches"]


def test_so_do_the_calls_of_a_users_own_class_and_recorded_rows(sdk) -> None:
    class Rule:
        def predict(self, rows):
            return [0.0] * len(rows)

    sdk.watch()
    driftmeter.monitor(Rule(), name="rule").predict([[1.0]])
    driftmeter.record(model="other", features={"x": [1.0, 2.0]})
    assert [span.name for span in sdk.spans()] == ["predict rule"]
    rows = sdk.collect(sdk.cumulative)["ml.prediction.rows"]
    assert {point.attributes["ml.model.name"]: point.value for point in rows} == {"rule": 1, "other": 2}


def test_a_second_instrument_with_other_providers_tells_those(sdk, model) -> None:
    sdk.watch()
    other = type(sdk)()
    other.watch()
    model.predict(X)
    assert [len(told.spans()) for told in (sdk, other)] == [0, 1]
    assert other.collect(other.cumulative)["ml.prediction.rows"][0].value == 4
    assert sdk.told(sdk.cumulative) == {}
    other.meter_provider.shutdown()


def test_two_readers_are_each_told_every_row_exactly_once(sdk, model) -> None:
    sdk.watch()
    total = 0
    for calls in (1, 3, 0, 2):
        for _ in range(calls):
            model.predict(X.copy())
        total += 4 * calls
        assert sdk.counts() == ({"f0": 4 * calls, "f1": 4 * calls, "prediction": 4 * calls} if calls else {})
        assert set(sdk.told(sdk.cumulative).values()) == {total}
        if calls == 3:
            # The cumulative reader collects more often than the delta one: nothing is counted again.
            assert set(sdk.told(sdk.cumulative).values()) == {total}


def test_cumulative_points_keep_their_start_and_delta_points_follow_each_other(sdk, model) -> None:
    sdk.watch()
    spans = []
    for _ in range(2):
        model.predict(X.copy())
        (cumulative, *_), (delta, *_) = (
            sdk.collect(reader)["ml.column.value"] for reader in (sdk.cumulative, sdk.delta)
        )
        spans.append((cumulative.start_time_unix_nano, delta.start_time_unix_nano, delta.time_unix_nano))
    (first, second) = spans
    assert first[0] == second[0]
    assert second[1] == first[2]


def test_a_second_instrument_changes_nothing_and_loses_nothing(sdk, model) -> None:
    sdk.watch()
    driftmeter.monitor(model, name="delay")
    model.predict(X)
    running, method = active(), LogisticRegression.__dict__.get("predict")
    sdk.watch()
    assert active() is running
    assert LogisticRegression.__dict__.get("predict") is method
    model.predict(X.copy())
    assert {point.attributes["ml.model.name"] for point in sdk.collect(sdk.cumulative)["ml.column.value"]} == {"delay"}
    assert sdk.counts() == {"f0": 8, "f1": 8, "prediction": 8}
    assert len(sdk.spans()) == 2


def test_another_configuration_replaces_the_first_and_joins_each_reader_once(sdk, model) -> None:
    sdk.watch()
    sdk.watch(max_columns=1)
    model.predict(X)
    assert sdk.counts() == {"f0": 4, "prediction": 4}
    scopes = [scope.scope.name for scope in sdk.cumulative.get_metrics_data().resource_metrics[0].scope_metrics]
    assert len(scopes) == len(set(scopes))


def _methods():
    """Return every watched attribute of every estimator and of its mixins."""
    from sklearn.base import BaseEstimator

    found = {}
    pending = [BaseEstimator]
    while pending:
        pending += type.__subclasses__(pending[0])
        for cls in pending.pop(0).__mro__:
            for name in ("predict", "predict_proba", "decision_function", "__init_subclass__"):
                attribute = cls.__dict__.get(name)
                found[cls, name] = (attribute, getattr(attribute, "fn", None))
    return found


def test_shutdown_restores_classes_readers_and_the_signal_handler(sdk, model) -> None:
    before = _methods()
    callbacks = [reader._collect for reader in (sdk.cumulative, sdk.delta)]
    handler = signal.getsignal(signal.SIGTERM)
    sdk.watch()
    during = _methods()
    assert sum(before[key] != during[key] for key in before) > 40
    assert sklearn.ensemble.StackingClassifier
    assert Pipeline.__dict__["predict"].fn is not before[Pipeline, "predict"][1]
    assert [reader._collect for reader in (sdk.cumulative, sdk.delta)] != callbacks
    driftmeter.shutdown()
    after = _methods()
    assert after.keys() == before.keys()
    for key, (attribute, fn) in before.items():
        assert after[key][0] is attribute, key
        assert after[key][1] is fn, key
    assert [reader._collect for reader in (sdk.cumulative, sdk.delta)] == callbacks
    assert signal.getsignal(signal.SIGTERM) is handler
    model.predict(X)
    assert sdk.spans() == []


def test_shutdown_sends_what_was_recorded(model) -> None:
    from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, PeriodicExportingMetricReader

    class Kept(MetricExporter):
        def __init__(self) -> None:
            super().__init__()
            self.exported = []

        def export(self, metrics_data, timeout_millis=10_000, **kwargs):
            self.exported.append(metrics_data)
            return MetricExportResult.SUCCESS

        def force_flush(self, timeout_millis=10_000):
            return True

        def shutdown(self, timeout_millis=30_000, **kwargs):
            pass

    exporter = Kept()
    provider = MeterProvider([PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)])
    driftmeter.instrument(meter_provider=provider)
    try:
        model.predict(X)
    finally:
        driftmeter.shutdown()
    (data,) = exporter.exported
    names = {m.name for s in data.resource_metrics[0].scope_metrics for m in s.metrics}
    assert {"ml.column.value", "ml.column.categories", "ml.prediction.duration"} <= names
    provider.shutdown()


def test_watching_again_after_a_shutdown_works(sdk, model) -> None:
    sdk.watch()
    driftmeter.shutdown()
    sdk.watch()
    model.predict(X)
    assert sdk.counts()["f0"] == 4
    assert len(sdk.spans()) == 1


def test_a_wrong_setting_is_refused_and_nothing_is_watched(sdk, model) -> None:
    with pytest.raises(ConfigError, match="code: windw is not a key; did you mean 'window'"):
        driftmeter.instrument(windw="1h")
    with pytest.raises(BaselineError, match=r"none\.json: cannot be read"):
        driftmeter.instrument(baseline="none.json")
    assert active() is None


@pytest.mark.parametrize("variable", ["OTEL_SDK_DISABLED", "DRIFTMETER_ENABLED"])
def test_switched_off_it_watches_nothing_and_every_function_does_nothing(variable, sdk, model, monkeypatch) -> None:
    monkeypatch.setenv(variable, "true" if variable.startswith("OTEL") else "false")
    before = LogisticRegression.__dict__.get("predict_proba")
    sdk.watch()
    assert driftmeter.monitor(model, name="delay", baseline="no such file") is model
    driftmeter.record(model="m", features={"x": [1]})
    model.predict_proba(X)
    assert LogisticRegression.__dict__.get("predict_proba") is before
    assert sdk.spans() == []
    assert sdk.cumulative.get_metrics_data() is None


def test_a_provider_without_readers_is_asked_again_until_it_has_one(model) -> None:
    from driftmeter.config import Config
    from driftmeter.exporter import Host
    from driftmeter.recorder import Registry

    host = Host(Registry(Config()))
    host.attach(object())
    assert not host.attached
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    host.attach(provider)
    host.attach(provider)
    assert host.attached
    host.detach()
    provider.shutdown()


def test_while_nobody_collects_nothing_is_kept_and_calls_still_have_their_spans(sdk, model) -> None:
    provider = MeterProvider([])
    driftmeter.instrument(meter_provider=provider, tracer_provider=sdk.tracer_provider)
    model.predict(X)
    driftmeter.record(model="m", features={"x": [1.0]})
    (span,) = sdk.spans()
    assert span.attributes["ml.model.name"] == "LogisticRegression"
    assert active().take() == []
    provider.shutdown()


def test_a_baseline_of_the_configuration_is_the_models_whose_features_it_describes(sdk, model, tmp_path) -> None:
    frame = {"a": X[:, 0], "b": X[:, 1]}
    Baseline.from_frame(frame, model="delay", version="3").save(tmp_path / "b.json")
    sdk.watch(baseline=str(tmp_path / "b.json"))
    model.predict(X)
    (span,) = sdk.spans()
    assert (span.attributes["ml.model.name"], span.attributes["ml.model.version"]) == ("delay", "3")
    assert sdk.counts() == {"a": 4, "b": 4, "prediction": 4}


def test_a_signal_handler_of_the_programs_own_is_left_alone(sdk) -> None:
    def own(number, frame):
        raise SystemExit(number)

    before = signal.signal(signal.SIGTERM, own)
    try:
        sdk.watch()
        assert signal.getsignal(signal.SIGTERM) is own
        driftmeter.shutdown()
        assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)


def test_watching_can_be_started_in_any_thread(sdk, model) -> None:
    import threading

    thread = threading.Thread(target=sdk.watch)
    thread.start()
    thread.join(30)
    model.predict(X)
    assert sdk.counts()["f0"] == 4


@pytest.mark.parametrize(
    ("disabled", "watched"), [("", True), ("xgboost", True), ("requests , sklearn", False), ("*", False)]
)
def test_a_framework_that_is_disabled_is_left_alone(disabled, watched, sdk, model, monkeypatch) -> None:
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", disabled)
    before = LogisticRegression.predict
    sdk.watch()
    assert (LogisticRegression.predict is not before) == watched
    model.predict(X)
    assert len(sdk.spans()) == watched
    driftmeter.record(model="rule", features={"x": [1.0]})
    assert sdk.counts().get("x") == 1
