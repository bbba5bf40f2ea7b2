from __future__ import annotations

import datetime as dt

import pytest

from driftmeter.demo._inbox import SETTLE_SECONDS, Inbox
from driftmeter.demo._windows import ColumnSignal, QualitySignal, Stretch

TEMP = {"ml.column.name": "temp", "ml.column.role": "feature", "ml.baseline.kind": "training"}
STRETCH = Stretch(999.0, 1000.0, dt.date(2013, 3, 1), dt.date(2013, 3, 7), 6500)
LATER = 1000.0 + SETTLE_SECONDS


def _points(*, end: float = 1000.0):
    return [
        ("ml.window.end", {}, end),
        ("ml.window.rows", {}, 6500),
        ("ml.skew.share", {"ml.baseline.kind": "training"}, 1.0),
        ("ml.skew.distance", {**TEMP, "ml.distance.method": "psi"}, 4.1),
        ("ml.skew.distance", {**TEMP, "ml.distance.method": "hellinger"}, 0.7),
        ("ml.skew.p_value", TEMP, 0.0),
        ("ml.skew.detected", TEMP, 1),
        ("ml.quality.ratio", {**TEMP, "ml.quality.check": "missing"}, 0.25),
        ("ml.quality.violated", {**TEMP, "ml.quality.check": "missing"}, 1),
    ]


@pytest.fixture
def inbox():
    return Inbox(model="flight-delay")


def test_a_collection_becomes_the_window_of_its_flights(inbox, otlp):
    inbox.put(otlp.metrics(_points()))
    window = inbox.window(STRETCH, now=LATER)
    assert window.label == "2013-03-01/2013-03-07"
    assert (window.signals.model, window.signals.version) == ("flight-delay", "1")
    assert (window.signals.rows, window.signals.share) == (6500, 1.0)
    assert window.signals.columns == (ColumnSignal("temp", "feature", "psi", 4.1, 0.0, detected=True),)
    assert window.signals.quality == (QualitySignal("temp", "missing", 0.25, violated=True),)


def test_a_window_is_held_back_until_its_spans_and_events_can_have_come(inbox, otlp):
    inbox.put(otlp.metrics(_points()))
    assert inbox.window(STRETCH, now=LATER - 0.1) is None


def test_a_window_that_is_sent_again_is_the_same_window(inbox, otlp):
    for _ in range(3):
        inbox.put(otlp.metrics(_points()))
    assert inbox.window(STRETCH, now=LATER).signals.rows == 6500
    assert not inbox.has_later(STRETCH)
    inbox.put(otlp.metrics(_points(end=1001.0)))
    assert inbox.has_later(STRETCH)


def test_a_window_of_other_seconds_is_not_taken_for_this_one(inbox, otlp):
    inbox.put(otlp.metrics(_points(end=1001.0)))
    assert inbox.window(STRETCH, now=LATER) is None


def test_a_column_without_a_verdict_is_absent(inbox, otlp):
    inbox.put(otlp.metrics([point for point in _points() if not point[0].startswith("ml.skew")]))
    window = inbox.window(STRETCH, now=LATER)
    assert window.signals.columns == ()
    assert window.signals.share is None


def test_metrics_without_a_window_are_no_window(inbox, otlp):
    inbox.put(otlp.metrics([("ml.window.rows", {}, 6500)]))
    assert inbox.window(STRETCH, now=LATER) is None


def test_latency_is_that_of_the_models_calls_within_the_window(inbox, otlp):
    inside = [(999.0 + at / 100, at / 1000) for at in range(1, 100)]
    inbox.put(otlp.spans([(998.9, 5.0), *inside, (1000.1, 5.0)]))
    inbox.put(otlp.spans([(999.5, 9.0)], model="other"))
    inbox.put(otlp.metrics(_points()))
    window = inbox.window(STRETCH, now=LATER)
    assert window.p50 == pytest.approx(0.050)
    assert window.p99 == pytest.approx(0.098, abs=1e-3)


def test_latency_is_unknown_without_spans(inbox, otlp):
    inbox.put(otlp.metrics(_points()))
    window = inbox.window(STRETCH, now=LATER)
    assert (window.p50, window.p99) == (None, None)


def test_events_belong_to_the_window_that_ended_before_them(inbox, otlp):
    inbox.put(
        otlp.events(
            [
                ("ml.skew.detected", TEMP, "temp: the window before", 999.9),
                ("ml.skew.detected", TEMP, "temp: this window", 1000.3),
                ("ml.skew.resolved", TEMP, "temp: the next window", 1001.2),
                ("not.ours", TEMP, "something else", 1000.3),
            ]
        )
    )
    inbox.put(otlp.metrics(_points()))
    assert [event.body for event in inbox.window(STRETCH, now=LATER).events] == ["temp: this window"]
    assert [event.column for event in inbox.events()] == ["temp", "temp", "temp"]
