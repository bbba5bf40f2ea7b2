"""The main promise: a service without a line of driftmeter, watched from its environment alone."""

from __future__ import annotations

import time
from types import SimpleNamespace

import joblib
import pandas as pd
import pytest

LOCAL = {"ml.model.name": "delay", "ml.model.version": "3"}
CALL = {**LOCAL, "ml.model.framework": "sklearn", "ml.operation.name": "predict"}


@pytest.fixture(scope="module")
def run(folder, services, receivers, kit) -> SimpleNamespace:
    """Serve usual rows, then warmer ones, then usual ones again, in windows of a second; then SIGTERM."""
    received = receivers()
    environ = kit.environment(
        folder,
        received.endpoint,
        OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE="delta",
        OTEL_METRIC_EXPORT_INTERVAL="250",
        OTEL_BLRP_SCHEDULE_DELAY="100",
        DRIFTMETER_WINDOW="1s",
        DRIFTMETER_STEP="1s",
    )
    service = services(folder, environ)
    service.wait()
    sent, answers, batches = [], [], 0
    for shift in (0, 12, 0):
        # Until two whole windows held such rows and nothing else.
        until = time.monotonic() + 3.2
        while time.monotonic() < until:
            batch = kit.rows(200, shift=shift, seed=batches)
            answers += service.predict(batch)
            sent += batch
            batches += 1
            time.sleep(0.15)
    code = service.stop()
    return SimpleNamespace(received=received, sent=sent, answers=answers, batches=batches, log=service.log(), code=code)


def test_the_service_answers_as_the_model_does(run, folder) -> None:
    model = joblib.load(folder / "model.joblib")
    assert run.answers == model.predict(pd.DataFrame(run.sent)).tolist()
    assert run.code in {0, -15}
    assert "Traceback" not in run.log


def test_each_call_is_one_span_inside_the_requests_own(run, kit) -> None:
    ours = [span for span in run.received.spans if span.name == "predict delay"]
    assert len(ours) == run.batches
    assert [kit.attributes(span) for span in ours] == [{**CALL, "ml.batch.size": 200}] * run.batches
    size = next(pair.value for pair in ours[0].attributes if pair.key == "ml.batch.size")
    assert size.WhichOneof("value") == "int_value"
    requests = {span.span_id: span.name for span in run.received.spans}
    assert {requests.get(span.parent_span_id) for span in ours} == {"POST /predict"}


def test_durations_and_rows_are_counted_by_call(run, kit) -> None:
    durations, rows = run.received.points("ml.prediction.duration"), run.received.points("ml.prediction.rows")
    assert sum(point.count for point in durations) == run.batches
    assert sum(kit.value(point) for point in rows) == len(run.sent)
    for point in (*durations, *rows):
        assert kit.attributes(point) == CALL


def test_the_sketches_hold_every_row_exactly_once_the_last_interval_included(run) -> None:
    count = len(run.sent)
    assert run.received.column_counts() == {"temp": count, "town": count, "prediction": count}
    points = run.received.points("ml.column.value")
    assert min(point.min for point in points) == min(row["temp"] for row in run.sent)
    assert max(point.max for point in points) == max(row["temp"] for row in run.sent)
    assert sum(point.sum for point in points) == pytest.approx(sum(row["temp"] for row in run.sent))


def test_column_points_carry_the_documented_attributes_and_types(run, kit) -> None:
    column = {**LOCAL, "ml.column.role": "feature"}
    for point in run.received.points("ml.column.value"):
        found = kit.attributes(point)
        # Few rows leave gaps between their buckets: such runs are points of their own, told apart by the part.
        assert isinstance(found.pop("ml.column.part", ""), str)
        assert found == {**column, "ml.column.name": "temp"}
    categories = [kit.attributes(point) for point in run.received.points("ml.column.categories")]
    assert {found["ml.category"] for found in categories if found["ml.column.name"] == "town"} == {"a", "b", "c"}
    assert {found["ml.column.role"] for found in categories if found["ml.column.name"] == "prediction"} == {
        "prediction"
    }
    for name in ("ml.column.categories", "ml.column.missing"):
        assert {point.WhichOneof("value") for point in run.received.points(name)} == {"as_int"}


def test_delta_temporality_is_kept_by_all_of_our_metrics(run, kit) -> None:
    kinds = kit.defaultdict(set)
    for request in run.received.metrics:
        for metric in kit.metrics(request):
            data = getattr(metric, metric.WhichOneof("data"))
            if metric.name.startswith("ml.") and metric.WhichOneof("data") != "gauge":
                kinds[metric.name].add(data.aggregation_temporality)
    assert set(kinds) >= {"ml.column.value", "ml.column.categories", "ml.column.missing", "ml.prediction.rows"}
    assert all(found == {1} for found in kinds.values())


def test_our_scope_and_the_sdks_both_arrive_under_one_resource(run) -> None:
    both = 0
    for request in run.received.metrics:
        assert len(request.resource_metrics) <= 1
        for resource_metrics in request.resource_metrics:
            scopes = [scope.scope.name for scope in resource_metrics.scope_metrics]
            assert len(scopes) == len(set(scopes))
            both += {"driftmeter", "driftmeter.sketches"} <= set(scopes)
    assert both > 3


def test_signals_speak_of_the_shift_and_of_nothing_else(run, kit) -> None:
    detected = kit.defaultdict(set)
    for point in run.received.points("ml.skew.detected"):
        found = kit.attributes(point)
        assert found["ml.baseline.kind"] == "training"
        assert len(found["ml.baseline.id"]) == 8
        assert point.WhichOneof("value") == "as_int"
        detected[found["ml.column.name"]].add(point.as_int)
    assert detected["temp"] == {0, 1}
    assert detected["town"] == {0}
    assert {kit.attributes(p)["ml.distance.method"] for p in run.received.points("ml.skew.distance")} == {"psi"}
    assert all(0 <= kit.value(point) <= 1 for point in run.received.points("ml.skew.p_value"))
    assert {kit.value(point) for point in run.received.points("ml.skew.share")} == {0.0, 0.5}
    assert max(kit.value(point) for point in run.received.points("ml.window.rows")) >= 400
    assert {kit.attributes(p)["ml.quality.check"] for p in run.received.points("ml.quality.ratio")} >= {"missing"}


def test_verdicts_that_turn_are_events_in_words(run, kit) -> None:
    turns = [(e.event_name, kit.attributes(e)["ml.column.name"]) for e in run.received.events]
    assert [name for name, column in turns if column == "temp" and ".skew." in name] == [
        "ml.skew.detected",
        "ml.skew.resolved",
    ]
    assert not [turn for turn in turns if turn[1] == "town"]
    (detected,) = [
        e
        for e in run.received.events
        if e.event_name == "ml.skew.detected" and kit.attributes(e)["ml.column.name"] == "temp"
    ]
    assert detected.severity_text == "WARN"
    assert detected.body.string_value.startswith("temp: ")
    assert "went from" in detected.body.string_value
    assert detected.time_unix_nano % 1_000_000_000 == 0
