"""The traffic against a real HTTP server that notes when it got which flights."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from driftmeter.demo import _traffic
from driftmeter.demo._batches import BATCH_ROWS, batches, limit_rows
from driftmeter.demo._flights import FEATURES, Flights
from driftmeter.demo._traffic import Traffic, window_seconds


def _week(number: int, rows: int) -> Flights:
    """Flights whose hour is their week's number, so that the server sees which week they are of."""
    features = pd.DataFrame({name: np.full(rows, float(number)) for name in FEATURES})
    start = pd.Timestamp("2013-03-01") + pd.Timedelta(days=7 * number)
    scheduled = pd.Series(start + pd.to_timedelta(np.linspace(0.0, 6.5, rows), unit="D"))
    return Flights(features, pd.Series(np.zeros(rows)), scheduled)


@pytest.fixture
def app():
    """A server that answers after `app.delay` seconds; `app.got` holds (Unix seconds, week, rows)."""
    app = SimpleNamespace(delay=0.0, status=200, got=[])

    class _Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            records = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            time.sleep(app.delay)
            app.got.append((time.time(), records[0]["hour"], len(records)))
            self.send_response(app.status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"[]")

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    app.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield app
    server.shutdown()
    server.server_close()


def _weeks_by_window(app) -> dict[int, set[float]]:
    weeks = defaultdict(set)
    for moment, week, _ in app.got[1:]:  # the first call warms the server up
        weeks[int(moment)].add(week)
    return weeks


def test_no_window_holds_flights_of_two_weeks_and_none_is_lost(app):
    app.delay = 0.15
    weeks = [_week(number, 1300) for number in range(2)]  # 7 requests of 0.15 s: more than one window holds
    traffic = Traffic(weeks, url=app.url, window=1)
    traffic.start()
    traffic.join()
    assert traffic.error is None
    assert {len(found) for found in _weeks_by_window(app).values()} == {1}
    assert sum(rows for _, _, rows in app.got[1:]) == traffic.rows == 2 * 1300


def test_each_window_is_labelled_with_its_week(app):
    traffic = Traffic([_week(0, 400), _week(1, 400)], url=app.url, window=1)
    traffic.start()
    traffic.join()
    stretches = traffic.stretches()
    assert [stretch.label for stretch in stretches] == ["2013-03-01/2013-03-07", "2013-03-08/2013-03-14"]
    assert [stretch.rows for stretch in stretches] == [400, 400]
    ends = [int(moment) + 1 for moment, _, _ in app.got[1:]]
    assert sorted(set(ends)) == [stretch.end for stretch in stretches]


@pytest.mark.slow
def test_the_next_week_waits_for_the_signals_of_the_window_before(app):
    came_late = 2.0

    def arrived(stretch):
        return time.time() > stretch.end + came_late

    traffic = Traffic([_week(0, 200), _week(1, 200)], url=app.url, window=1, arrived=arrived)
    traffic.start()
    traffic.join()
    (first, _, _), (second, _, _) = app.got[1:]
    assert second - first >= came_late
    assert [stretch.rows for stretch in traffic.stretches()] == [200, 200]


def test_a_window_whose_signals_never_come_does_not_stop_the_traffic(app, monkeypatch):
    monkeypatch.setattr(_traffic, "SIGNALS_SECONDS", 0.5)
    traffic = Traffic([_week(0, 200), _week(1, 200)], url=app.url, window=1, arrived=lambda stretch: False)
    traffic.start()
    traffic.join()
    assert traffic.rows == 400


@pytest.mark.slow
def test_it_stops_when_its_time_is_over(app):
    traffic = Traffic([_week(number, 200) for number in range(40)], url=app.url, window=1, seconds=1.5)
    traffic.start()
    traffic.join(timeout=10)
    assert not traffic.is_alive()
    assert 0 < traffic.rows < 40 * 200


def test_it_stops_when_it_is_halted(app):
    traffic = Traffic([_week(number, 200) for number in range(40)], url=app.url, window=1)
    traffic.start()
    traffic.halt()
    assert not traffic.is_alive()


def test_a_refused_request_is_kept_for_the_main_thread(app):
    app.status = 500
    traffic = Traffic([_week(0, 200)], url=app.url, window=1)
    traffic.start()
    traffic.join()
    assert "500" in str(traffic.error)


def test_a_body_holds_the_very_numbers_and_null_for_a_gap():
    week = _week(0, 1)
    week.features.loc[0, "wind_speed"] = 10.357019999999999
    week.features.loc[0, "temp"] = np.nan
    [batch] = batches(week)
    [record] = json.loads(batch.body)
    assert record["wind_speed"] == 10.357019999999999
    assert record["temp"] is None
    assert tuple(record) == FEATURES


def test_batches_hold_every_flight_once_and_each_a_sample_of_the_whole_week():
    week = _week(0, 2 * BATCH_ROWS + 2)
    week.features["distance"] = np.arange(len(week), dtype=float)
    cut = list(batches(week))
    assert [batch.rows for batch in cut] == [134, 134, 134]
    flights = [[record["distance"] for record in json.loads(batch.body)] for batch in cut]
    assert sorted(number for sent in flights for number in sent) == list(range(len(week)))
    assert all(sent == sorted(sent) and sent[0] < 3 and sent[-1] > len(week) - 4 for sent in flights)
    assert {(batch.first, batch.last) for batch in cut} == {(dt.date(2013, 3, 1), dt.date(2013, 3, 7))}


@pytest.mark.parametrize(("rows", "lengths"), [(None, [10, 10, 10]), (15, [10, 5]), (10, [10]), (100, [10, 10, 10])])
def test_rows_are_bounded_over_all_weeks(rows, lengths):
    weeks = [_week(number, 10) for number in range(3)]
    assert [len(week) for week in limit_rows(weeks, rows=rows)] == lengths


class _SlowModel:
    def __init__(self, seconds):
        self._seconds = seconds

    def predict(self, frame):
        time.sleep(self._seconds)


def test_a_slow_model_gets_longer_windows():
    weeks = [_week(0, 6000)]  # 30 requests
    assert window_seconds(_SlowModel(0.05), weeks) >= 3
    assert window_seconds(_SlowModel(0.0), weeks) < 3
