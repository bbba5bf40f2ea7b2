"""Durations that wait for others are told all the same: each once, with its own span."""

from __future__ import annotations

import pytest
from opentelemetry import context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from sklearn.base import BaseEstimator

from driftmeter.instrumentation._call_totals import CallTotals


class Echo(BaseEstimator):
    """Takes anything."""

    def predict(self, rows):
        return [0.0] * len(rows)


def _told(sdk, reader) -> int:
    return sum(point.count for point in sdk.collect(reader).get("ml.prediction.duration", ()))


@pytest.mark.parametrize("calls", [1, 7, 8, 9, 30])
def test_each_reader_gets_the_duration_of_each_call_before_its_collection_once(sdk, calls) -> None:
    sdk.watch()
    model = Echo()
    for _ in range(2):
        for _ in range(calls):
            model.predict([[1.0]])
        assert _told(sdk, sdk.delta) == calls
    assert _told(sdk, sdk.cumulative) == 2 * calls


def test_an_exemplar_of_a_duration_has_the_span_of_its_call(sdk) -> None:
    sdk.watch()
    model = Echo()
    for _ in range(12):
        model.predict([[1.0]])
    spans = sdk.spans()
    [point] = sdk.collect(sdk.cumulative)["ml.prediction.duration"]
    told = {(exemplar.trace_id, exemplar.span_id) for exemplar in point.exemplars}
    assert told <= {(span.context.trace_id, span.context.span_id) for span in spans}
    # A histogram keeps the last one of each bucket.
    assert (spans[-1].context.trace_id, spans[-1].context.span_id) in told


def test_a_call_that_fails_is_told_beside_those_that_wait(sdk) -> None:
    sdk.watch()
    model = Echo()
    for rows in ([[1.0]], [[1.0]], None):
        if rows is None:
            with pytest.raises(TypeError):
                model.predict(rows)
        else:
            model.predict(rows)
    points = sdk.collect(sdk.cumulative)["ml.prediction.duration"]
    assert {point.attributes.get("error.type"): point.count for point in points} == {None: 2, "TypeError": 1}


def test_a_call_that_no_other_one_was_just_before_does_not_wait_and_a_forked_child_forgets_what_waits() -> None:
    reader = InMemoryMetricReader()
    histogram = MeterProvider([reader]).get_meter("test").create_histogram("d")
    totals = CallTotals({"ml.model.name": "m"}, histogram)

    def told() -> int:
        [[metrics]] = [s.metrics for r in reader.get_metrics_data().resource_metrics for s in r.scope_metrics]
        return metrics.data.data_points[0].count

    for expected in (1, 1):
        totals.add_call(0.5, 2, within=context.get_current())
        assert told() == expected
    totals.reset()
    assert totals.take_rows() == 0
    assert told() == 1
    totals.add_call(0.5, 2, within=context.get_current())
    totals.add_call(0.5, 2, within=context.get_current())
    assert totals.take_rows() == 4
    assert told() == 3
